package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// FullyConnected is y = x w^T + b for x [N, K]. Parameters: weight [features, K] and bias [features].
type FullyConnected struct {
	Features int

	weight, bias *autograd.Value
}

// Linear is a fully connected layer with that many outputs. A feature map must be flattened first.
func Linear(features int) *FullyConnected { return &FullyConnected{Features: features} }

// Build implements Layer.
func (l *FullyConnected) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	if l.weight != nil {
		return nil, errBuilt
	}
	if len(in) != 2 {
		return nil, fmt.Errorf("%w: input %v, expected [N, features]; Flatten comes before", device.ErrShape, in)
	}
	out, weight := tensor.Shape{in[0], l.Features}, tensor.Shape{l.Features, in[1]}
	var err error
	if l.weight, err = b.Parameter("weight", weight, HeNormal(in[1])); err != nil {
		return nil, err
	}
	b.MultiplyAdds(device.Products(out, weight))
	l.bias, err = b.Parameter("bias", tensor.Shape{l.Features}, Constant(0))
	return out, err
}

// Forward implements Layer.
func (l *FullyConnected) Forward(x *autograd.Value) *autograd.Value {
	return autograd.Linear(x, l.weight, l.bias)
}

func (l *FullyConnected) fuses(t *autograd.Tape) bool {
	_, has := t.Device().(device.FusedLinear)
	return has
}

func (l *FullyConnected) forwardReLU(x *autograd.Value) *autograd.Value {
	return autograd.LinearReLU(x, l.weight, l.bias)
}

func (l *FullyConnected) String() string { return "Linear" }

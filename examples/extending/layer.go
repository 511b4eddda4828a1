package extending

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
)

// PReLU is x above 0 and slope*x below, with a slope for each channel that is learned (He et al., "Delving Deep into
// Rectifiers", 2015, equation 1).
type PReLU struct {
	slope    *autograd.Value
	channels []int // the shape in which the slopes meet an input
}

// Build makes the parameter, with the name, the shape and the first value that it has in PyTorch.
func (l *PReLU) Build(b *nn.Builder, in tensor.Shape) (tensor.Shape, error) {
	if l.slope != nil {
		return nil, fmt.Errorf("the layer was built before; each network needs layers of its own")
	}
	if len(in) < 2 {
		return nil, fmt.Errorf("%w: input %v, expected [N, C] or [N, C, H, W]", device.ErrShape, in)
	}
	l.channels = []int{1, in[1]}
	for range in[2:] {
		l.channels = append(l.channels, 1)
	}
	var err error
	l.slope, err = b.Parameter("weight", tensor.Shape{in[1]}, nn.Constant(0.25))
	return in, err
}

// Forward is max(0, x) - slope * max(0, -x). The gradients of x and of the slopes follow from the functions it is made of.
func (l *PReLU) Forward(x *autograd.Value) *autograd.Value {
	slope := autograd.Reshape(x.Tape().Use(l.slope), l.channels...)
	below := autograd.ReLU(autograd.Scale(x, -1, 0))
	return autograd.Sub(autograd.ReLU(x), autograd.Mul(slope, below))
}

func (l *PReLU) String() string { return "PReLU" }

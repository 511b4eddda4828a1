package extending

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
)

// Binarize is 1 above 0 and 0 elsewhere, as the perceptron's step. Its own gradient is 0 nearly everywhere and teaches nothing:
// the result's is handed on as it is (the straight-through estimator of Bengio, Léonard and Courville, 2013).
func Binarize(x *autograd.Value) *autograd.Value {
	dev := x.Tape().Device()
	return autograd.Apply(autograd.Operation{
		Name: "binarize", Operands: []*autograd.Value{x}, Shape: x.Shape(),
		Forward: func(y *device.Tensor) error {
			return dev.Activate(y, x.Tensor(), device.ActivationSpec{Kind: device.Step})
		},
		Backward: func(dx []*device.Tensor, dy *device.Tensor) error {
			return dev.Scale(dx[0], dy, 1, 0)
		},
	})
}

// Binary is Binarize as a layer, which has no parameters.
type Binary struct{}

// Build implements nn.Layer.
func (Binary) Build(_ *nn.Builder, in tensor.Shape) (tensor.Shape, error) { return in, nil }

// Forward implements nn.Layer.
func (Binary) Forward(x *autograd.Value) *autograd.Value { return Binarize(x) }

func (Binary) String() string { return "Binary" }

package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Function is a layer without parameters.
type Function struct {
	kind    string
	shape   func(in tensor.Shape) (tensor.Shape, error)
	forward func(x *autograd.Value) *autograd.Value
}

// Build implements Layer.
func (l *Function) Build(_ *Builder, in tensor.Shape) (tensor.Shape, error) { return l.shape(in) }

// Forward implements Layer.
func (l *Function) Forward(x *autograd.Value) *autograd.Value { return l.forward(x) }

func (l *Function) String() string { return l.kind }

func sameShape(in tensor.Shape) (tensor.Shape, error) { return in, nil }

func activation(kind string, s device.ActivationSpec) *Function {
	return &Function{kind, sameShape, func(x *autograd.Value) *autograd.Value { return autograd.Activate(x, s) }}
}

// Identity is the linear activation.
func Identity() *Function {
	return activation("Identity", device.ActivationSpec{Kind: device.Identity})
}

// Step is the perceptron's activation, 1 above 0; it has no gradient and serves inference.
func Step() *Function { return activation("Step", device.ActivationSpec{Kind: device.Step}) }

// Sigmoid is 1 / (1 + exp(-x)).
func Sigmoid() *Function { return activation("Sigmoid", device.ActivationSpec{Kind: device.Sigmoid}) }

// Tanh is the hyperbolic tangent.
func Tanh() *Function { return activation("Tanh", device.ActivationSpec{Kind: device.Tanh}) }

// ReLU is max(0, x).
func ReLU() *Function { return activation("ReLU", device.ActivationSpec{Kind: device.ReLU}) }

// LeakyReLU is x above 0 and slope*x below; the lecture's slope is 0.1.
func LeakyReLU(slope float64) *Function {
	return activation("LeakyReLU", device.ActivationSpec{Kind: device.LeakyReLU, Alpha: slope})
}

// ELU is x above 0 and alpha*(exp(x)-1) below.
func ELU(alpha float64) *Function {
	return activation("ELU", device.ActivationSpec{Kind: device.ELU, Alpha: alpha})
}

// Maxout takes the largest of each pieces neighbouring channels; a Conv or Linear with pieces times the outputs before it
// makes the layer of Goodfellow et al. (2013).
func Maxout(pieces int) *Function {
	return &Function{"Maxout",
		func(in tensor.Shape) (tensor.Shape, error) { return device.MaxoutOutput(in, pieces) },
		func(x *autograd.Value) *autograd.Value { return autograd.Maxout(x, pieces) }}
}

// Softmax turns channels into probabilities. Networks end in logits and the loss takes care of it; this is for display.
func Softmax() *Function { return softmax("Softmax", autograd.Softmax) }

// LogSoftmax is its logarithm.
func LogSoftmax() *Function { return softmax("LogSoftmax", autograd.LogSoftmax) }

func softmax(kind string, forward func(*autograd.Value) *autograd.Value) *Function {
	return &Function{kind, func(in tensor.Shape) (tensor.Shape, error) { return in, device.CheckSoftmax(in) }, forward}
}

// Dropout drops elements with probability rate in training and scales the others by 1/(1-rate).
func Dropout(rate float64) *Function {
	return &Function{"Dropout",
		func(in tensor.Shape) (tensor.Shape, error) { return in, device.CheckDropout(rate) },
		func(x *autograd.Value) *autograd.Value { return autograd.Dropout(x, rate) }}
}

// Flatten makes one axis of all but the batch: [N, C, H, W] to [N, C*H*W].
func Flatten() *Function {
	return &Function{"Flatten",
		func(in tensor.Shape) (tensor.Shape, error) { return tensor.Shape{in[0], device.Size(in[1:])}, nil },
		autograd.Flatten}
}

// LocalResponseNorm is AlexNet's normalisation across maps.
func LocalResponseNorm(s device.LRNSpec) *Function {
	return &Function{"LocalResponseNorm",
		func(in tensor.Shape) (tensor.Shape, error) { return in, s.Check("lrn", in) },
		func(x *autograd.Value) *autograd.Value { return autograd.LRN(x, s) }}
}

// ContrastNorm is the contrast normalisation across maps of Zeiler and Fergus.
func ContrastNorm(s device.LRNSpec) *Function {
	return &Function{"ContrastNorm",
		func(in tensor.Shape) (tensor.Shape, error) { return in, s.Check("contrast_norm", in) },
		func(x *autograd.Value) *autograd.Value { return autograd.ContrastNorm(x, s) }}
}

// Upsample enlarges each map by a whole factor.
func Upsample(factor int, s device.UpsampleSpec) *Function {
	size := func(in tensor.Shape) ([2]int, error) {
		if len(in) != 4 || factor < 1 {
			return [2]int{}, fmt.Errorf("%w: input %v by factor %d, expected [N, C, H, W] and at least 1", device.ErrShape, in, factor)
		}
		return [2]int{in[2] * factor, in[3] * factor}, nil
	}
	return &Function{"Upsample",
		func(in tensor.Shape) (tensor.Shape, error) {
			to, err := size(in)
			if err != nil {
				return nil, err
			}
			return s.Output(in, to)
		},
		func(x *autograd.Value) *autograd.Value {
			to, err := size(x.Shape())
			if err != nil {
				return x.Tape().Fail(err)
			}
			return autograd.Upsample(x, to, s)
		}}
}

// ZeroPad surrounds each map with zeros.
func ZeroPad(p device.Padding) *Function {
	return &Function{"ZeroPad",
		func(in tensor.Shape) (tensor.Shape, error) { return device.PadOutput(in, p) },
		func(x *autograd.Value) *autograd.Value { return autograd.Pad(x, p, 0) }}
}

// ZeroPadChannels puts channels of zeros before and after its input's.
func ZeroPadChannels(before, after int) *Function {
	return &Function{"ZeroPadChannels",
		func(in tensor.Shape) (tensor.Shape, error) { return device.PadChannelsOutput(in, before, after) },
		func(x *autograd.Value) *autograd.Value { return autograd.PadChannels(x, before, after) }}
}

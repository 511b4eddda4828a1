package device

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// Activation is the non-linear part of a layer.
type Activation interface {
	// Activate: y = f(x) element by element, f being s.Kind; y may be x.
	Activate(y, x *Tensor, s ActivationSpec) error
	// ActivateBackward: dx = dy * f'(x). At the kink of ReLU and its kin, x = 0, the slope is the negative side's.
	// dx may be dy.
	ActivateBackward(dx, dy, x, y *Tensor, s ActivationSpec) error
	// Maxout (Goodfellow et al. 2013): y[n,c,...] = max over j < pieces of x[n, c*pieces+j, ...].
	Maxout(y, x *Tensor, pieces int) error
	// MaxoutBackward sends dy to the first piece that was the largest.
	MaxoutBackward(dx, dy, x, y *Tensor, pieces int) error
	// Softmax over the channels: y = exp(x_c) / sum exp(x_k), or its logarithm; computed about the largest x.
	Softmax(y, x *Tensor, logarithm bool) error
	// SoftmaxBackward: dx_c = y_c * (dy_c - sum dy_k y_k), or dx_c = dy_c - exp(y_c) * sum dy_k for the logarithm.
	SoftmaxBackward(dx, dy, y *Tensor, logarithm bool) error
	// Dropout (Srivastava et al. 2014, inverted): element e is kept and divided by 1-rate if number e of the stream is at
	// least [DropThreshold], else it becomes 0. The backward pass is the same call on dy.
	Dropout(y, x *Tensor, rate float64, stream philox.Stream) error
}

// ActivationKind is a function of one number.
type ActivationKind int

// The activations that work on each element alone.
const (
	Identity  ActivationKind = iota // x
	Step                            // 1 if x > 0, else 0: the perceptron's; its gradient is 0
	Sigmoid                         // 1 / (1 + exp(-x))
	Tanh                            // (exp(x) - exp(-x)) / (exp(x) + exp(-x))
	ReLU                            // max(0, x); NaN stays NaN
	LeakyReLU                       // x if x > 0, else Alpha*x
	ELU                             // x if x > 0, else Alpha*(exp(x) - 1)
)

var activationNames = [...]string{"identity", "step", "sigmoid", "tanh", "relu", "leaky_relu", "elu"}

func (k ActivationKind) String() string { return activationNames[k] }

// ActivationSpec is an activation with its constant: the slope of LeakyReLU, alpha of ELU.
type ActivationSpec struct {
	Kind  ActivationKind
	Alpha float64
}

// MaxoutOutput is the shape rule of Maxout.
func MaxoutOutput(x tensor.Shape, pieces int) (tensor.Shape, error) {
	if len(x) < 2 || pieces < 1 || x[1]%pieces != 0 {
		return nil, shapeError("maxout", "input %v with %d pieces, expected [N, channels, ...] with channels a multiple of the pieces", x, pieces)
	}
	out := x.Clone()
	out[1] /= pieces
	return out, nil
}

// CheckSoftmax is the shape rule of Softmax.
func CheckSoftmax(x tensor.Shape) error {
	if len(x) < 2 || x[1] < 1 {
		return shapeError("softmax", "input %v, expected [N, classes, ...]", x)
	}
	return nil
}

// CheckDropout refuses rates outside of [0, 1).
func CheckDropout(rate float64) error {
	if !(rate >= 0 && rate < 1) {
		return fmt.Errorf("dropout: rate %v, expected at least 0 and below 1", rate)
	}
	return nil
}

// DropThreshold is the number below which a 32-bit random number drops its element: rate * 2^32, rounded.
func DropThreshold(rate float64) uint32 { return uint32(min(rate*(1<<32)+0.5, 1<<32-1)) }

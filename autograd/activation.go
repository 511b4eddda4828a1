package autograd

import (
	"fovea/device"
	"fovea/device/philox"
)

// Activate applies a function of one number to each element, see device.Activation.
func Activate(x *Value, s device.ActivationSpec) *Value {
	op := s.Kind.String()
	t := begin(op, x).floats(op, x)
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.Activate(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			if y.masked {
				return t.pass(x, dy)
			}
			return t.give(x, func(dx *device.Tensor) error { return t.dev.ActivateBackward(dx, dy, x.data, y.data, s) })
		}})
	y.rectified = s == relu
	return y
}

// ReLU is max(0, x).
func ReLU(x *Value) *Value { return Activate(x, device.ActivationSpec{Kind: device.ReLU}) }

// Sigmoid is 1 / (1 + exp(-x)).
func Sigmoid(x *Value) *Value { return Activate(x, device.ActivationSpec{Kind: device.Sigmoid}) }

// Tanh is the hyperbolic tangent.
func Tanh(x *Value) *Value { return Activate(x, device.ActivationSpec{Kind: device.Tanh}) }

// Maxout takes the largest of each group of pieces neighbouring channels: [N, C*pieces, ...] to [N, C, ...].
func Maxout(x *Value, pieces int) *Value {
	const op = "maxout"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.MaxoutOutput(x.Shape(), pieces)
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.Maxout(y, x.data, pieces) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.MaxoutBackward(dx, dy, x.data, y.data, pieces) })
		}})
	return y
}

// Softmax turns the channels of x [N, C, ...] into probabilities.
func Softmax(x *Value) *Value { return softmax("softmax", x, false) }

// LogSoftmax is the logarithm of Softmax, computed without overflow.
func LogSoftmax(x *Value) *Value { return softmax("log_softmax", x, true) }

func softmax(op string, x *Value, logarithm bool) *Value {
	t := begin(op, x).floats(op, x)
	if t.err == nil {
		if err := device.CheckSoftmax(x.Shape()); err != nil {
			t.Fail(err)
		}
	}
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(), precise: true,
		forward: func(y *device.Tensor) error { return t.dev.Softmax(y, x.data, logarithm) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.SoftmaxBackward(dx, dy, y.data, logarithm) })
		}})
	return y
}

// Dropout drops each element with probability rate while the tape is training and scales the others by 1/(1-rate);
// else it is the identity. The mask depends on Tape.Random and on how many dropouts came before in this step.
func Dropout(x *Value, rate float64) *Value {
	t := x.Tape()
	switch {
	case t == nil || t.err != nil:
	case t.Training:
		return DropoutFrom(x, rate, t.nextDraw())
	case device.CheckDropout(rate) == nil:
		rate = 0
	}
	return DropoutFrom(x, rate, philox.Stream{})
}

// DropoutFrom is dropout with a mask of one's own.
func DropoutFrom(x *Value, rate float64, mask philox.Stream) *Value {
	const op = "dropout"
	t := begin(op, x).floats(op, x)
	if t.err == nil {
		if err := device.CheckDropout(rate); err != nil {
			t.Fail(err)
		}
	}
	if t.err != nil {
		return t.Fail(t.err)
	}
	if rate == 0 {
		return x
	}
	return t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.Dropout(y, x.data, rate, mask) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.Dropout(dx, dy, rate, mask) })
		}})
}

package autograd

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Operation is an operation of one's own: for what cannot be said with the functions of this package, or has a gradient that
// differs from theirs. Forward and Backward use the device's primitives, which every device has. Download is not for them: a
// step would wait for it, and cannot be captured then, see [device.Capturer].
type Operation struct {
	Name     string   // as errors and observations show it
	Operands []*Value // at least one belongs to a tape
	Shape    tensor.Shape
	// Forward writes the result, of that shape.
	Forward func(y *device.Tensor) error
	// Backward writes the gradient of operand i into dx[i], which is nil if that wants none: the sum over the elements of the
	// result of its derivative times dy. nil: no gradient flows back.
	Backward func(dx []*device.Tensor, dy *device.Tensor) error
}

// Apply computes an operation of one's own. Operands keep their arrays, see [Value.Tensor], until Backward is done.
func Apply(o Operation) *Value {
	operands := slices.Clone(o.Operands)
	t := begin(o.Name, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if o.Forward == nil {
		return t.Fail(fmt.Errorf("%s: an operation without Forward", o.Name))
	}
	if err := device.CheckShape(o.Shape); err != nil {
		return t.Fail(fmt.Errorf("%s: %w", o.Name, err))
	}
	made := operation{name: o.Name, operands: operands, shape: o.Shape.Clone(), forward: o.Forward}
	if o.Backward != nil {
		made.backward = func(dy *device.Tensor) error {
			return t.giveAll(operands, func(dx []*device.Tensor) error { return o.Backward(dx, dy) }, false)
		}
	}
	return t.apply(made)
}

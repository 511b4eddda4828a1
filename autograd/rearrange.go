package autograd

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Reshape gives the elements of x, in row-major order, another shape; one -1 stands for what is left.
func Reshape(x *Value, to ...int) *Value {
	const op = "reshape"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.ReshapeShape(x.Shape(), to)
	if err != nil {
		return t.Fail(err)
	}
	output, err := t.dev.Reshape(x.data, shape)
	if err != nil {
		return t.Fail(err)
	}
	before := x.Shape()
	return t.apply(operation{name: op, operands: []*Value{x}, output: output, precise: x.precise,
		backward: func(dy *device.Tensor) error {
			dx, err := t.dev.Reshape(dy, before)
			if err != nil {
				return err
			}
			defer dx.Release()
			return t.pass(x, dx)
		}})
}

// Flatten makes one axis of all from the second on: [N, C, H, W] to [N, C*H*W].
func Flatten(x *Value) *Value {
	if shape := x.Shape(); len(shape) > 0 {
		return Reshape(x, shape[0], device.Size(shape[1:]))
	}
	return Reshape(x, -1)
}

// Concat joins values along an axis (1 for channels).
func Concat(axis int, values ...*Value) *Value {
	const op = "concat"
	t := begin(op, values...).floats(op, values...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shapes := make([]tensor.Shape, len(values))
	for i, v := range values {
		shapes[i] = v.Shape()
	}
	shape, err := device.ConcatOutput(shapes, axis)
	if err != nil {
		return t.Fail(err)
	}
	// each visits the operands with their place in the result.
	each := func(visit func(v *Value, place []int) error) error {
		place := make([]int, len(shape))
		for _, v := range values {
			if err := visit(v, place); err != nil {
				return err
			}
			place[axis] += v.data.Shape[axis]
		}
		return nil
	}
	origin := make([]int, len(shape))
	return t.apply(operation{name: op, operands: values, shape: shape,
		forward: func(y *device.Tensor) error {
			return each(func(v *Value, place []int) error {
				return t.dev.CopyRegion(y, place, v.data, origin, v.data.Shape)
			})
		},
		backward: func(dy *device.Tensor) error {
			return each(func(v *Value, place []int) error {
				return t.give(v, func(dv *device.Tensor) error { return t.dev.CopyRegion(dv, origin, dy, place, dv.Shape) })
			})
		}})
}

// Slice is x[start:end] in every axis.
func Slice(x *Value, start, end []int) *Value {
	const op = "slice"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.SliceOutput(x.Shape(), start, end)
	if err != nil {
		return t.Fail(err)
	}
	origin := make([]int, len(shape))
	return t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.CopyRegion(y, origin, x.data, start, shape) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error {
				return firstError(t.dev.Fill(dx, 0), t.dev.CopyRegion(dx, start, dy, origin, shape))
			})
		}})
}

// Pad surrounds each map of x [N, C, H, W] with rows and columns of value.
func Pad(x *Value, p device.Padding, value float64) *Value {
	const op = "pad"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.PadOutput(x.Shape(), p)
	if err != nil {
		return t.Fail(err)
	}
	return t.surround(op, x, shape, []int{0, 0, p.Top, p.Left}, value)
}

// PadChannels puts channels of zeros before and after those of x [N, C, ...].
func PadChannels(x *Value, before, after int) *Value {
	const op = "pad_channels"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.PadChannelsOutput(x.Shape(), before, after)
	if err != nil {
		return t.Fail(err)
	}
	place := make([]int, len(shape))
	place[1] = before
	return t.surround(op, x, shape, place, 0)
}

// surround puts x at a place of a larger array that holds value elsewhere.
func (t *Tape) surround(op string, x *Value, shape tensor.Shape, place []int, value float64) *Value {
	origin := make([]int, len(shape))
	return t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error {
			return firstError(t.dev.Fill(y, value), t.dev.CopyRegion(y, place, x.data, origin, x.data.Shape))
		},
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.CopyRegion(dx, origin, dy, place, dx.Shape) })
		}})
}

// Upsample enlarges (or reduces) the maps of x [N, C, H, W] to size (height, width).
func Upsample(x *Value, size [2]int, s device.UpsampleSpec) *Value {
	const op = "upsample"
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := s.Output(x.Shape(), size)
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.Upsample(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.UpsampleBackward(dx, dy, s) })
		}})
}

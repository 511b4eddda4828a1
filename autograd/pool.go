package autograd

import "fovea/device"

// Pool takes the largest, smallest or mean element of each window, see device.Pooling.
func Pool(x *Value, s device.PoolSpec) *Value {
	op := s.Kind.String()
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	s = s.Normal()
	shape, err := s.Output(x.Shape())
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.Pool(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.PoolBackward(dx, dy, x.data, y.data, s) })
		}})
	return y
}

// GlobalPool reduces each map to one element: [N, C, H, W] to [N, C, 1, 1].
func GlobalPool(x *Value, kind device.PoolKind) *Value {
	s := device.PoolSpec{Kind: kind}
	if shape := x.Shape(); len(shape) == 4 {
		s.Window = [2]int{shape[2], shape[3]}
	}
	return Pool(x, s)
}

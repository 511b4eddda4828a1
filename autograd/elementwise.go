package autograd

import "fovea/device"

// Add is a + b, element by element; axes of size 1 stretch.
func Add(a, b *Value) *Value {
	return binary(a, b, device.Add, func(t *Tape, dy *device.Tensor) error {
		return firstError(t.giveReduced(a, dy, 1), t.giveReduced(b, dy, 1))
	})
}

// Sub is a - b.
func Sub(a, b *Value) *Value {
	return binary(a, b, device.Sub, func(t *Tape, dy *device.Tensor) error {
		return firstError(t.giveReduced(a, dy, 1), t.giveReduced(b, dy, -1))
	})
}

// Mul is a * b, element by element: da = dy*b, db = dy*a.
func Mul(a, b *Value) *Value {
	return binary(a, b, device.Mul, func(t *Tape, dy *device.Tensor) error {
		return firstError(
			t.giveProduct(a, 1, func(p *device.Tensor) error { return t.dev.Binary(p, dy, b.data, device.Mul) }, dy),
			t.giveProduct(b, 1, func(p *device.Tensor) error { return t.dev.Binary(p, dy, a.data, device.Mul) }, dy))
	})
}

// Div is a / b, element by element: da = dy/b, db = -dy*a/b^2.
func Div(a, b *Value) *Value {
	return binary(a, b, device.Div, func(t *Tape, dy *device.Tensor) error {
		return firstError(
			t.giveProduct(a, 1, func(p *device.Tensor) error { return t.dev.Binary(p, dy, b.data, device.Div) }, dy),
			t.giveProduct(b, -1, func(p *device.Tensor) error {
				return firstError(
					t.dev.Binary(p, dy, a.data, device.Mul),
					t.dev.Binary(p, p, b.data, device.Div),
					t.dev.Binary(p, p, b.data, device.Div))
			}, dy))
	})
}

func binary(a, b *Value, kind device.BinaryKind, backward func(t *Tape, dy *device.Tensor) error) *Value {
	op := kind.String()
	t := begin(op, a, b).floats(op, a, b)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.BroadcastShape(op, a.Shape(), b.Shape())
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: []*Value{a, b}, shape: shape,
		forward:  func(y *device.Tensor) error { return t.dev.Binary(y, a.data, b.data, kind) },
		backward: func(dy *device.Tensor) error { return backward(t, dy) }})
}

// giveReduced adds factor*dy to v's gradient, summed over the axes along which v was stretched.
func (t *Tape) giveReduced(v *Value, dy *device.Tensor, factor float64) error {
	if factor == 1 && device.EqualShape(v.Shape(), dy.Shape) {
		return t.pass(v, dy)
	}
	return t.give(v, func(dv *device.Tensor) error { return t.dev.ReduceSum(dv, dy, factor) })
}

// giveProduct is giveReduced of what compute writes into a tensor of dy's shape.
func (t *Tape) giveProduct(v *Value, factor float64, compute func(p *device.Tensor) error, dy *device.Tensor) error {
	if !v.wantsGrad() {
		return nil
	}
	product, err := t.room(dy.Shape, false)
	if err != nil {
		return err
	}
	defer product.Release()
	if err := compute(product); err != nil {
		return err
	}
	return t.giveReduced(v, product, factor)
}

// Scale is factor*x + offset.
func Scale(x *Value, factor, offset float64) *Value {
	const op = "scale"
	t := begin(op, x).floats(op, x)
	return t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.Scale(y, x.data, factor, offset) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.Scale(dx, dy, factor, 0) })
		}})
}

// Sum adds x up over axes (all of them if none is named), which stay as 1 with keepDims and else go.
func Sum(x *Value, keepDims bool, axes ...int) *Value { return reduce("sum", x, keepDims, axes) }

// Mean is Sum divided by the number of elements added.
func Mean(x *Value, keepDims bool, axes ...int) *Value { return reduce("mean", x, keepDims, axes) }

func reduce(op string, x *Value, keepDims bool, axes []int) *Value {
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if len(axes) == 0 {
		for i := range x.Shape() {
			axes = append(axes, i)
		}
	}
	kept, shape, err := device.ReduceShape(op, x.Shape(), axes, keepDims)
	if err != nil {
		return t.Fail(err)
	}
	factor := 1.0
	if op == "mean" {
		factor = float64(device.Size(kept)) / float64(x.data.Size())
	}
	y := t.apply(operation{name: op, operands: []*Value{x}, shape: kept,
		forward: func(y *device.Tensor) error { return t.dev.ReduceSum(y, x.data, factor) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.Broadcast(dx, dy, factor) })
		}})
	if keepDims {
		return y
	}
	return Reshape(y, shape...)
}

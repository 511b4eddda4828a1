package autograd

import "fovea/device"

// Linear is the fully connected layer y = x w^T + b: x [N, K], w [M, K], b [M] or nil.
// Gradients: dx = dy w, dw = dy^T x, db = sum of dy over the batch.
func Linear(x, w, b *Value) *Value {
	const op = "linear"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.LinearOutput(x.Shape(), w.Shape(), b.Shape())
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: operands, shape: shape,
		forward:  func(y *device.Tensor) error { return t.dev.Linear(y, x.data, w.data, b.tensor()) },
		backward: func(dy *device.Tensor) error { return t.linearGradients(x, w, b, dy) }})
}

// linearGradients gives each operand of a fully connected layer its gradient.
func (t *Tape) linearGradients(x, w, b *Value, dy *device.Tensor) error {
	return firstError(
		t.give(b, func(db *device.Tensor) error { return t.dev.SumChannels(db, dy) }),
		t.give(w, func(dw *device.Tensor) error { return t.dev.MatMul(dw, dy, x.data, true, false) }),
		t.give(x, func(dx *device.Tensor) error { return t.dev.MatMul(dx, dy, w.data, false, false) }))
}

// MatMul is the product of two matrices. Gradients: da = dy b^T, db = a^T dy.
func MatMul(a, b *Value) *Value {
	const op = "matmul"
	t := begin(op, a, b).floats(op, a, b)
	if t.err != nil {
		return t.Fail(t.err)
	}
	shape, err := device.MatMulOutput(a.Shape(), b.Shape(), false, false)
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: []*Value{a, b}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.MatMul(y, a.data, b.data, false, false) },
		backward: func(dy *device.Tensor) error {
			return firstError(
				t.give(a, func(da *device.Tensor) error { return t.dev.MatMul(da, dy, b.data, false, true) }),
				t.give(b, func(db *device.Tensor) error { return t.dev.MatMul(db, a.data, dy, true, false) }))
		}})
}

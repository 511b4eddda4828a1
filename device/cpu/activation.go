package cpu

import "fovea/device"

// Activate implements device.Activation.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	if blocked(y, x) && !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Activate(t[0], t[1], s) }, y, x)
	}
	from, to := floats(x), out(y)
	d.elements(len(from), func(first, last int) { d.activate(to[first:last], from[first:last], s) })
	return nil
}

func (d *Device) activate(y, x []float32, s device.ActivationSpec) {
	switch s.Kind {
	case device.Identity:
		move(y, x)
	case device.Step:
		d.vector.Step(y, x)
	case device.Sigmoid:
		d.vector.Sigmoid(y, x)
	case device.Tanh:
		d.vector.Tanh(y, x)
	case device.ReLU:
		d.vector.ReLU(y, x)
	case device.LeakyReLU:
		d.vector.LeakyReLU(y, x, float32(s.Alpha))
	case device.ELU:
		d.vector.ELU(y, x, float32(s.Alpha))
	}
}

// ActivateBackward implements device.Activation.
func (d *Device) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	if blocked(dx, dy, x, y) && !alike(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ActivateBackward(t[0], t[1], t[2], t[3], s) }, dx, dy, x, y)
	}
	to, grad, from, result := out(dx), floats(dy), floats(x), floats(y)
	d.elements(len(from), func(first, last int) {
		d.activateBackward(to[first:last], grad[first:last], from[first:last], result[first:last], s)
	})
	return nil
}

func (d *Device) activateBackward(dx, dy, x, y []float32, s device.ActivationSpec) {
	switch s.Kind {
	case device.Identity:
		move(dx, dy)
	case device.Step:
		d.vector.Scale(dx, dy, 0, 0) // NaN and infinities leave a trace
	case device.Sigmoid:
		d.vector.SigmoidBackward(dx, dy, y)
	case device.Tanh:
		d.vector.TanhBackward(dx, dy, y)
	case device.ReLU:
		d.vector.ReLUBackward(dx, dy, x)
	case device.LeakyReLU:
		d.vector.LeakyReLUBackward(dx, dy, x, float32(s.Alpha))
	case device.ELU:
		d.vector.ELUBackward(dx, dy, x, y, float32(s.Alpha))
	}
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Maxout(t[0], t[1], pieces) }, y, x)
	}
	in, to := floats(x), out(y)
	eachPiece(d, y, pieces, func(at, first, step int) { to[at] = in[largest(in, first, step, pieces)] })
	return nil
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	if blocked(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.MaxoutBackward(t[0], t[1], t[2], t[3], pieces) }, dx, dy, x, y)
	}
	in, grad, to := floats(x), floats(dy), out(dx)
	eachPiece(d, y, pieces, func(at, first, step int) {
		for j := range pieces {
			to[first+j*step] = 0
		}
		to[largest(in, first, step, pieces)] = grad[at]
	})
	return nil
}

// eachPiece visits the elements of y with the place of their pieces in x: first, first+step, ...
func eachPiece(d *Device, y *device.Tensor, pieces int, visit func(at, first, step int)) {
	outer, channels, inner := device.Channels(y.Shape)
	d.divide(outer*channels, inner*pieces, func(_, from, to int) {
		for row := from; row < to; row++ {
			for i := range inner {
				visit(row*inner+i, row*pieces*inner+i, inner)
			}
		}
	})
}

// largest is the position of the first largest of n elements, or of the first NaN.
func largest(x []float32, first, step, n int) int {
	best := first
	for at := first + step; at < first+n*step && x[best] == x[best]; at += step {
		if x[at] > x[best] || x[at] != x[at] {
			best = at
		}
	}
	return best
}

package cpu

import (
	"math"

	"fovea/device"
	"fovea/device/philox"
)

// Activate implements device.Activation.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	if !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Activate(t[0], t[1], s) }, y, x)
	}
	in, out := floats(x), floats(y)
	d.elements(len(in), func(from, to int) { activate(out[from:to], in[from:to], s) })
	return nil
}

func activate(y, x []float32, s device.ActivationSpec) {
	y = y[:len(x)]
	alpha := float32(s.Alpha)
	switch s.Kind {
	case device.Identity:
		copy(y, x)
	case device.Step:
		for i, v := range x {
			y[i] = 0
			if v > 0 {
				y[i] = 1
			}
		}
	case device.Sigmoid:
		for i, v := range x {
			y[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
	case device.Tanh:
		for i, v := range x {
			y[i] = float32(math.Tanh(float64(v)))
		}
	case device.ReLU:
		for i, v := range x {
			if v <= 0 { // so that NaN stays
				v = 0
			}
			y[i] = v
		}
	case device.LeakyReLU:
		for i, v := range x {
			if v <= 0 {
				v *= alpha
			}
			y[i] = v
		}
	case device.ELU:
		for i, v := range x {
			if v <= 0 {
				v = float32(s.Alpha * math.Expm1(float64(v)))
			}
			y[i] = v
		}
	}
}

// ActivateBackward implements device.Activation.
func (d *Device) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	if !alike(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ActivateBackward(t[0], t[1], t[2], t[3], s) }, dx, dy, x, y)
	}
	out, grad, in, result := floats(dx), floats(dy), floats(x), floats(y)
	d.elements(len(in), func(from, to int) {
		activateBackward(out[from:to], grad[from:to], in[from:to], result[from:to], s)
	})
	return nil
}

func activateBackward(dx, dy, x, y []float32, s device.ActivationSpec) {
	dx, dy, y = dx[:len(x)], dy[:len(x)], y[:len(x)]
	alpha := float32(s.Alpha)
	switch s.Kind {
	case device.Identity:
		copy(dx, dy)
	case device.Step:
		for i, g := range dy {
			dx[i] = g * 0
		}
	case device.Sigmoid:
		for i, v := range y {
			dx[i] = dy[i] * v * (1 - v)
		}
	case device.Tanh:
		for i, v := range y {
			dx[i] = dy[i] * (1 - v) * (1 + v)
		}
	case device.ReLU:
		for i, v := range x {
			g := dy[i]
			if v <= 0 {
				g *= 0
			}
			dx[i] = g
		}
	case device.LeakyReLU:
		for i, v := range x {
			g := dy[i]
			if v <= 0 {
				g *= alpha
			}
			dx[i] = g
		}
	case device.ELU:
		for i, v := range x {
			g := dy[i]
			if v <= 0 {
				g *= y[i] + alpha
			}
			dx[i] = g
		}
	}
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Maxout(t[0], t[1], pieces) }, y, x)
	}
	in, out := floats(x), floats(y)
	eachPiece(d, y, pieces, func(at, first, step int) { out[at] = in[largest(in, first, step, pieces)] })
	return nil
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	if blocked(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.MaxoutBackward(t[0], t[1], t[2], t[3], pieces) }, dx, dy, x, y)
	}
	in, grad, out := floats(x), floats(dy), floats(dx)
	eachPiece(d, y, pieces, func(at, first, step int) {
		for j := range pieces {
			out[first+j*step] = 0
		}
		out[largest(in, first, step, pieces)] = grad[at]
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

// eachPlace divides the samples' places among the workers; map c's element there is number first + c*step.
func (d *Device) eachPlace(x *device.Tensor, cost int, visit func(place, first, step, maps int)) {
	outer, maps, inner := device.Channels(x.Shape)
	d.divide(outer*inner, maps*cost, func(_, from, to int) {
		for place := from; place < to; place++ {
			visit(place, place/inner*maps*inner+place%inner, inner, maps)
		}
	})
}

// Softmax implements device.Activation.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Softmax(t[0], t[1], logarithm) }, y, x)
	}
	in, out := floats(x), floats(y)
	d.eachPlace(x, 32, func(_, first, step, maps int) {
		norm := logSumExp(in, first, step, maps)
		for at := first; at < first+maps*step; at += step {
			v := float64(in[at]) - norm
			if !logarithm {
				v = math.Exp(v)
			}
			out[at] = float32(v)
		}
	})
	return nil
}

func logSumExp(x []float32, first, step, n int) float64 {
	top := float64(x[largest(x, first, step, n)])
	sum := 0.0
	for at := first; at < first+n*step; at += step {
		sum += math.Exp(float64(x[at]) - top)
	}
	return top + math.Log(sum)
}

// SoftmaxBackward implements device.Activation.
func (d *Device) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	if blocked(dx, dy, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.SoftmaxBackward(t[0], t[1], t[2], logarithm) }, dx, dy, y)
	}
	out, grad, result := floats(dx), floats(dy), floats(y)
	d.eachPlace(y, 16, func(_, first, step, maps int) {
		sum, product := 0.0, 0.0
		for at := first; at < first+maps*step; at += step {
			sum += float64(grad[at])
			product += float64(grad[at]) * float64(result[at])
		}
		for at := first; at < first+maps*step; at += step {
			g, v := float64(grad[at]), float64(result[at])
			if logarithm {
				out[at] = float32(g - math.Exp(v)*sum)
			} else {
				out[at] = float32(v * (g - product))
			}
		}
	})
	return nil
}

// Dropout implements device.Activation.
func (d *Device) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Dropout(t[0], t[1], rate, stream) }, y, x)
	}
	in, out := floats(x), floats(y)
	threshold, factor := device.DropThreshold(rate), float32(1/(1-rate))
	d.divide((len(in)+3)/4, 16, func(_, from, to int) {
		for block := from; block < to; block++ {
			numbers := stream.Four(uint64(block))
			for i := 4 * block; i < min(4*block+4, len(in)); i++ {
				v := in[i] * factor
				if numbers[i%4] < threshold {
					v = 0
				}
				out[i] = v
			}
		}
	})
	return nil
}

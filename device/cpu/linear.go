package cpu

import (
	"fovea/device"
	"fovea/kernels/gemm"
)

// Linear implements device.FullyConnected.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	if b != nil {
		out, bias := floats(y), floats(b)
		for n := range y.Shape[0] {
			copy(out[n*len(bias):], bias)
		}
	}
	d.product(y, x, w, false, true, b != nil)
	return nil
}

// MatMul implements device.FullyConnected.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	d.product(c, a, b, transposeA, transposeB, false)
	return nil
}

// product cuts c into strips of rows or of columns, whichever it has more panels of.
func (d *Device) product(c, a, b *device.Tensor, transposeA, transposeB, accumulate bool) {
	rows, cols, depth := c.Shape[0], c.Shape[1], a.Shape[1]
	left := gemm.Strided{Data: floats(a), Row: a.Shape[1], Depth: 1}
	if transposeA {
		depth = a.Shape[0]
		left.Row, left.Depth = 1, a.Shape[1]
	}
	right := gemm.Strided{Data: floats(b), Row: 1, Depth: b.Shape[1]}
	if transposeB {
		right.Row, right.Depth = b.Shape[1], 1
	}
	if rows == 0 || cols == 0 {
		return
	}
	rowPanels, colPanels := (rows+d.kernel.MR-1)/d.kernel.MR, (cols+d.kernel.NR-1)/d.kernel.NR
	if rowPanels >= colPanels {
		d.team.split(rowPanels, func(worker, from, to int) {
			d.kernel.Multiply(d.spaces[worker], floats(c), cols, from*d.kernel.MR, min(to*d.kernel.MR, rows), 0, cols, depth, left, right, accumulate)
		})
		return
	}
	d.team.split(colPanels, func(worker, from, to int) {
		d.kernel.Multiply(d.spaces[worker], floats(c), cols, 0, rows, from*d.kernel.NR, min(to*d.kernel.NR, cols), depth, left, right, accumulate)
	})
}

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	if blocked(y, x, b) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.AddBias(t[0], t[1], t[2]) }, y, x, b)
	}
	outer, channels, inner := device.Channels(x.Shape)
	from, to, bias := floats(x), floats(y), floats(b)
	d.divide(outer*channels, inner, func(_, first, last int) {
		for row := first; row < last; row++ {
			v := bias[row%channels]
			out := to[row*inner:][:inner]
			for i, u := range from[row*inner:][:inner] {
				out[i] = u + v
			}
		}
	})
	return nil
}

// SumChannels implements device.FullyConnected.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	if blocked(db, dy) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.SumChannels(t[0], t[1]) }, db, dy)
	}
	outer, channels, inner := device.Channels(dy.Shape)
	out, from := floats(db), floats(dy)
	d.divide(channels, outer*inner, func(_, first, last int) {
		for c := first; c < last; c++ {
			sum := 0.0
			for n := range outer {
				sum += total(from[(n*channels+c)*inner:][:inner])
			}
			out[c] = float32(sum)
		}
	})
	return nil
}

// total adds in float64, in four chains so that an addition need not wait for the one before.
func total(x []float32) float64 {
	var a, b, c, e float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(x[0])
		b += float64(x[1])
		c += float64(x[2])
		e += float64(x[3])
	}
	for _, v := range x {
		a += float64(v)
	}
	return (a + b) + (c + e)
}

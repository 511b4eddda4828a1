package cpu

import (
	"sync/atomic"

	"fovea/device"
	"fovea/kernels/gemm"
)

var _ device.FusedLinear = (*Device)(nil)

// Linear implements device.FullyConnected.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	d.linear(y, x, w, b, false)
	return nil
}

// LinearReLU implements device.FusedLinear.
func (d *Device) LinearReLU(y, x, w, b *device.Tensor) error {
	d.linear(y, x, w, b, true)
	return nil
}

func (d *Device) linear(y, x, w, b *device.Tensor, relu bool) {
	rows, cols, depth := x.Shape[0], w.Shape[0], x.Shape[1]
	result, bias := out(y), floats(b)
	if d.kernel.FewSamples(rows, cols, depth) {
		d.dots(result, floats(x), floats(w), rows, cols, depth, bias, relu)
		return
	}
	left, right := gemm.Strided{Data: floats(x), Row: depth, Depth: 1}, gemm.Strided{Data: floats(w), Row: depth, Depth: 1}
	d.multiply(result, rows, cols, depth, left, right, bias, relu)
}

// dots divides Kernel.Dots by rows of x or, where those are fewer, of w.
func (d *Device) dots(y, x, w []float32, rows, cols, depth int, bias []float32, relu bool) {
	if rows > cols {
		d.panels(rows, cols*depth, 8, pieces(rows, 8), func(worker, from, to int) {
			d.kernel.Dots(d.spaces[worker], y[from*cols:], cols, x[from*depth:], to-from, w, 0, cols, depth, bias, relu)
		})
		return
	}
	d.panels(cols, rows*depth, d.kernel.NR, 0, func(worker, from, to int) {
		d.kernel.Dots(d.spaces[worker], y, cols, x, rows, w, from, to, depth, bias, relu)
	})
}

// MatMul implements device.FullyConnected.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
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
	result := out(c)
	switch {
	case transposeB && !transposeA && d.kernel.FewSamples(rows, cols, depth):
		d.dots(result, left.Data, right.Data, rows, cols, depth, nil, false)
	case !transposeB && d.kernel.FewProducts(rows, cols, depth):
		d.panels(rows, cols*depth, 8, pieces(rows, 8), func(worker, from, to int) {
			d.kernel.Outer(d.spaces[worker], result, cols, from, to, 0, cols, depth, left, right.Data, cols)
		})
	case !transposeB && d.kernel.FewRows(rows, cols, depth):
		d.panels(cols, rows*depth, d.kernel.NR, 0, func(worker, from, to int) {
			d.kernel.Outer(d.spaces[worker], result, cols, 0, rows, from, to, depth, left, right.Data, cols)
		})
	default:
		d.multiply(result, rows, cols, depth, left, right, nil, false)
	}
	return nil
}

// multiply computes c = a b, a bias and ReLU after it. Where the kernel multiplies by parts and one element of a or b has none, all
// of it is done again by multiply-adds: so each element has the same bits however many workers there are.
func (d *Device) multiply(c []float32, rows, cols, depth int, a, b gemm.Strided, bias []float32, relu bool) {
	if d.kernel.Splits(rows, cols, depth) {
		var odd atomic.Bool
		part := func(worker, i0, i1, j0, j1 int) {
			ws := d.spaces[worker]
			if !d.kernel.MultiplySplit(ws, c, cols, i0, i1, j0, j1, depth, a, b) {
				odd.Store(true)
			}
			d.kernel.Finish(ws, c, cols, gemm.Block(i0, i1, j0, j1), bias, relu)
		}
		if rows > cols {
			d.panels(rows, cols*depth, gemm.Side, 0, func(worker, from, to int) { part(worker, from, to, 0, cols) })
		} else {
			d.panels(cols, rows*depth, gemm.Side, 0, func(worker, from, to int) { part(worker, 0, rows, from, to) })
		}
		if !odd.Load() {
			return
		}
	}
	d.strips(rows, cols, depth, a, b, func(worker int, p gemm.Part) {
		ws := d.spaces[worker]
		d.kernel.Multiply(ws, c, cols, p, depth, a, b, false)
		d.kernel.Finish(ws, c, cols, p, bias, relu)
	})
}

// panels divides n rows or columns among the workers in multiples of step, in so many stretches at most (or a share for each); a row
// or column is cost multiply-adds, four of which take about as long as a simple element operation.
func (d *Device) panels(n, cost, step, stretches int, do func(worker, from, to int)) {
	d.divideInto(pieces(n, step), step*cost/4, worthwhile(stretches, n*cost), func(worker, from, to int) { do(worker, from*step, min(to*step, n)) })
}

// worthwhile is how many stretches a product of so many multiply-adds has, which takes 20 us for each at least.
func worthwhile(stretches, products int) int { return min(stretches, products/(128*grain)) }

// strips divides a product by rows or by columns, whichever leaves the worker with most to do less. Who has columns reads all rows of a, and
// of a batch's samples, as long as they stay in the workers' caches, those that he has not worked on before come from another's.
func (d *Device) strips(rows, cols, depth int, a, b gemm.Strided, do func(worker int, p gemm.Part)) {
	if rows == 0 || cols == 0 {
		return
	}
	k, size := d.kernel, d.team.size
	high, wide := d.stretches(rows, cols, depth, a, b)
	byColumns := k.Cost(rows, pieces(cols, size))
	if a.Depth == 1 && rows*depth <= samplesInCache {
		byColumns += fetchCost * (rows - rows/size)
	}
	if k.Cost(share(rows, k.MR, size), cols) < byColumns {
		d.panels(rows, cols*depth, k.MR, high, func(worker, from, to int) { do(worker, gemm.Block(from, to, 0, cols)) })
		return
	}
	d.divideInto(k.Steps(rows, cols), k.MR*depth/4, worthwhile(wide, rows*cols*depth), func(worker, from, to int) {
		do(worker, k.Stretch(rows, cols, from, to))
	})
}

// stretches is how many a product has at most if it is divided by rows, and by columns; none means a share each. Those of rows read all of b,
// and those of columns all of a.
func (d *Device) stretches(rows, cols, depth int, a, b gemm.Strided) (high, wide int) {
	if min(rows, cols, depth) < leastMet {
		return 0, 0 // the memory wants long rows
	}
	high, wide = rows/leastRead, cols/leastRead
	if d.kernel.Lies(b) && cols*depth <= samplesInCache {
		high = rows / d.kernel.MR
	}
	if d.kernel.LiesLeft(a) && rows*depth <= samplesInCache {
		wide = cols / d.kernel.NR // nothing is packed twice, and the finer the stretches the sooner all end together
	}
	return high, wide
}

const (
	// fetchCost was measured on a Xeon with two workers: an element from another's cache takes three times as long as one that is copied.
	fetchCost      = 80
	samplesInCache = 1 << 18

	// leastMet is how many rows or columns a stretch has at least, so often it uses what it packs; and leastRead how many if it packs all of the
	// other operand, or reads it from beyond its cache. Products of 2048 take 5 % longer in stretches of 128 columns, and of 1000 18 %.
	leastMet  = 128
	leastRead = 1024
)

// share is the largest part of n that panels gives a worker.
func share(n, step, workers int) int {
	return min(n, pieces(pieces(n, step), workers)*step)
}

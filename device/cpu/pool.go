package cpu

import "fovea/device"

// Pool implements device.Pooling, one map at a time.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Pool(t[0], t[1], s) }, y, x)
	}
	g := newPooling(y, x, s)
	from, to := floats(x), floats(y)
	d.divide(g.maps, g.cost(), func(_, first, last int) {
		for m := first; m < last; m++ {
			plane, out := g.input(from, m), g.output(to, m)
			at := 0
			for _, row := range g.rows {
				for _, col := range g.cols {
					if g.Kind == device.AveragePool {
						out[at] = float32(g.sum(plane, row, col) / g.divisor(row, col))
					} else {
						out[at] = plane[g.chosen(plane, row, col)]
					}
					at++
				}
			}
		}
	})
	return nil
}

// PoolBackward implements device.Pooling. What a window chose is found again from x, so nothing is kept between.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	if blocked(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.PoolBackward(t[0], t[1], t[2], t[3], s) }, dx, dy, x, y)
	}
	g := newPooling(y, x, s)
	from, in, to := floats(dy), floats(x), floats(dx)
	d.divide(g.maps, g.cost(), func(_, first, last int) {
		for m := first; m < last; m++ {
			plane, out, grad := g.input(in, m), g.input(to, m), g.output(from, m)
			clear(out)
			at := 0
			for _, row := range g.rows {
				for _, col := range g.cols {
					if g.Kind == device.AveragePool {
						g.add(out, row, col, grad[at]/float32(g.divisor(row, col)))
					} else {
						out[g.chosen(plane, row, col)] += grad[at]
					}
					at++
				}
			}
		}
	})
	return nil
}

// pooling is a pooling's sizes and windows in one place.
type pooling struct {
	device.PoolSpec
	maps, height, width int
	rows, cols          []span // of the windows, by output row and column
}

// span is the part [low, high) of an axis that a window sees, and how many elements the mean counts if padding does.
type span struct{ low, high, counted int }

func newPooling(y, x *device.Tensor, s device.PoolSpec) pooling {
	g := pooling{PoolSpec: s, maps: x.Shape[0] * x.Shape[1], height: x.Shape[2], width: x.Shape[3],
		rows: make([]span, y.Shape[2]), cols: make([]span, y.Shape[3])}
	for p := range g.rows {
		g.rows[p].low, g.rows[p].high, g.rows[p].counted = s.WindowAt(0, p, g.height)
	}
	for q := range g.cols {
		g.cols[q].low, g.cols[q].high, g.cols[q].counted = s.WindowAt(1, q, g.width)
	}
	return g
}

func (g *pooling) cost() int { return len(g.rows) * len(g.cols) * g.Window[0] * g.Window[1] }

func (g *pooling) input(x []float32, m int) []float32 {
	return x[m*g.height*g.width:][:g.height*g.width]
}

func (g *pooling) output(y []float32, m int) []float32 {
	return y[m*len(g.rows)*len(g.cols):][:len(g.rows)*len(g.cols)]
}

// divisor is what the sum of a window is divided by.
func (g *pooling) divisor(row, col span) float64 {
	if g.CountPadding {
		return float64(row.counted * col.counted)
	}
	return float64((row.high - row.low) * (col.high - col.low))
}

// chosen is the position of the window's first largest (smallest) element, or of its first NaN.
func (g *pooling) chosen(plane []float32, row, col span) int {
	best := row.low*g.width + col.low
	value := plane[best]
	largest := g.Kind == device.MaxPool
	for i := row.low; i < row.high && value == value; i++ {
		at := i*g.width + col.low
		for _, v := range plane[at : at+col.high-col.low] {
			if largest && v > value || !largest && v < value || v != v {
				best, value = at, v
				if v != v {
					break
				}
			}
			at++
		}
	}
	return best
}

func (g *pooling) sum(plane []float32, row, col span) float64 {
	sum := 0.0
	for i := row.low; i < row.high; i++ {
		for _, v := range plane[i*g.width+col.low : i*g.width+col.high] {
			sum += float64(v)
		}
	}
	return sum
}

func (g *pooling) add(plane []float32, row, col span, v float32) {
	for i := row.low; i < row.high; i++ {
		line := plane[i*g.width+col.low : i*g.width+col.high]
		for j := range line {
			line[j] += v
		}
	}
}

package cpu

import "fovea/device"

// Pool implements device.Pooling, one map at a time.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	g := newPooling(y, x, s)
	from, to := floats(x), floats(y)
	d.divide(g.maps, g.outHeight*g.outWidth*g.Window[0]*g.Window[1], func(_, first, last int) {
		for m := first; m < last; m++ {
			plane, out := from[m*g.height*g.width:][:g.height*g.width], to[m*g.outHeight*g.outWidth:]
			g.eachWindow(func(at int, w window) {
				if g.Kind == device.AveragePool {
					out[at] = float32(w.sum(plane, g.width) / float64(w.counted))
				} else {
					out[at] = plane[w.chosen(plane, g.width, g.Kind)]
				}
			})
		}
	})
	return nil
}

// PoolBackward implements device.Pooling. What a window chose is found again from x, so nothing is kept between.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	g := newPooling(y, x, s)
	from, in, to := floats(dy), floats(x), floats(dx)
	d.divide(g.maps, g.outHeight*g.outWidth*g.Window[0]*g.Window[1], func(_, first, last int) {
		for m := first; m < last; m++ {
			plane := in[m*g.height*g.width:][:g.height*g.width]
			out := to[m*g.height*g.width:][:g.height*g.width]
			grad := from[m*g.outHeight*g.outWidth:]
			clear(out)
			g.eachWindow(func(at int, w window) {
				if g.Kind == device.AveragePool {
					w.add(out, g.width, grad[at]/float32(w.counted))
				} else {
					out[w.chosen(plane, g.width, g.Kind)] += grad[at]
				}
			})
		}
	})
	return nil
}

// pooling is a pooling's sizes in one place.
type pooling struct {
	device.PoolSpec
	maps, height, width, outHeight, outWidth int
}

func newPooling(y, x *device.Tensor, s device.PoolSpec) pooling {
	return pooling{PoolSpec: s, maps: x.Shape[0] * x.Shape[1], height: x.Shape[2], width: x.Shape[3],
		outHeight: y.Shape[2], outWidth: y.Shape[3]}
}

// window is the part of a map that one output element sees, and the divisor of its mean.
type window struct{ top, bottom, left, right, counted int }

func (g *pooling) eachWindow(visit func(at int, w window)) {
	for p := range g.outHeight {
		top, bottom, rows := g.WindowAt(0, p, g.height)
		for q := range g.outWidth {
			left, right, cols := g.WindowAt(1, q, g.width)
			w := window{top, bottom, left, right, (bottom - top) * (right - left)}
			if g.CountPadding {
				w.counted = rows * cols
			}
			visit(p*g.outWidth+q, w)
		}
	}
}

// chosen is the position of the window's first largest (smallest) element, or of its first NaN.
func (w window) chosen(plane []float32, width int, kind device.PoolKind) int {
	best := w.top*width + w.left
	value := plane[best]
	for i := w.top; i < w.bottom && value == value; i++ {
		for j, v := range plane[i*width+w.left : i*width+w.right] {
			if (kind == device.MaxPool && v > value) || (kind == device.MinPool && v < value) || v != v {
				best, value = i*width+w.left+j, v
				if v != v {
					break
				}
			}
		}
	}
	return best
}

func (w window) sum(plane []float32, width int) float64 {
	sum := 0.0
	for i := w.top; i < w.bottom; i++ {
		for _, v := range plane[i*width+w.left : i*width+w.right] {
			sum += float64(v)
		}
	}
	return sum
}

func (w window) add(plane []float32, width int, v float32) {
	for i := w.top; i < w.bottom; i++ {
		line := plane[i*width+w.left : i*width+w.right]
		for j := range line {
			line[j] += v
		}
	}
}

package maps

import "math"

// generic is the kernels in plain Go. The compiler uses scalar instructions, about one for each operation and lane.
var generic = Kernels{
	largest:  extreme(func(v, best float32) bool { return v > best }),
	smallest: extreme(func(v, best float32) bool { return v < best }),
	choose:   choose,
	winner:   winner,
	give:     give,
	sum:      sum,
	spread:   spread,
	moments:  moments,
	sums:     sums,
	apply:    apply,
	gradient: gradient,
}

// pixel is pixel number n of x.
func pixel(x []float32, n int) *[Lanes]float32 { return (*[Lanes]float32)(x[n*Lanes:]) }

// each visits the pixels of window number n, row by row.
func (w *Windows) each(n int, visit func(at int)) {
	for i := range w.Rows {
		start := n*w.Step + i*w.Line
		for at := start; at < start+w.Cols; at++ {
			visit(at)
		}
	}
}

func extreme(better func(v, best float32) bool) func(y, x []float32, w *Windows) {
	return func(y, x []float32, w *Windows) {
		for n := range w.Count {
			best := pixel(y, n)
			*best = *pixel(x, n*w.Step)
			w.each(n, func(at int) {
				for i, v := range pixel(x, at) {
					if b := best[i]; b == b && (v != v || better(v, b)) {
						best[i] = v
					}
				}
			})
		}
	}
}

func winner(dx, dy, x, y []float32, w *Windows) {
	for n := range w.Count {
		best, grad := pixel(y, n), pixel(dy, n)
		var found [Lanes]bool
		w.each(n, func(at int) {
			to := pixel(dx, at)
			for i, v := range pixel(x, at) {
				if !found[i] && (v == best[i] || v != v) {
					found[i] = true
					to[i] += grad[i]
				}
			}
		})
	}
}

func choose(y, chosen, x []float32, w *Windows) {
	for n := range w.Count {
		best, place := pixel(y, n), pixel(chosen, n)
		*best, *place = *pixel(x, n*w.Step), [Lanes]float32{}
		tap := uint32(0)
		w.each(n, func(at int) {
			for i, v := range pixel(x, at) {
				if b := best[i]; b == b && (v != v || v > b) {
					best[i], place[i] = v, math.Float32frombits(tap)
				}
			}
			tap++
		})
	}
}

func give(dx, dy, chosen []float32, w *Windows) {
	for n := range w.Count {
		grad, place := pixel(dy, n), pixel(chosen, n)
		tap := uint32(0)
		w.each(n, func(at int) {
			to := pixel(dx, at)
			for i, g := range grad {
				if math.Float32bits(place[i]) == tap {
					to[i] += g
				}
			}
			tap++
		})
	}
}

func sum(y, x []float32, w *Windows, factor float32) {
	for n := range w.Count {
		var total [Lanes]float64
		w.each(n, func(at int) {
			for i, v := range pixel(x, at) {
				total[i] += float64(v)
			}
		})
		for i, v := range total {
			pixel(y, n)[i] = float32(v * float64(factor))
		}
	}
}

func spread(dx, dy []float32, w *Windows, factor float32) {
	for n := range w.Count {
		grad := *pixel(dy, n)
		for i := range grad {
			grad[i] *= factor
		}
		w.each(n, func(at int) {
			to := pixel(dx, at)
			for i, v := range grad {
				to[i] += v
			}
		})
	}
}

func moments(state *State, count int, x []float32) {
	n := len(x) / Lanes
	var part State
	for p := range n {
		for i, v := range pixel(x, p) {
			part[i] += float64(v)
		}
	}
	for p := range n {
		for i, v := range pixel(x, p) {
			e := float64(v) - part[i]/float64(n)
			part[Lanes+i] += e * e
		}
	}
	if count == 0 {
		*state = part
		return
	}
	state.Merge(count, &part, n)
}

// behind is the gradient before a ReLU at pixel n, dy's own without one.
func behind(dy, y []float32, n int) [Lanes]float32 {
	g := *pixel(dy, n)
	if y != nil {
		for i, v := range pixel(y, n) {
			if v <= 0 {
				g[i] *= 0
			}
		}
	}
	return g
}

func sums(state *State, dy, x, y []float32, mean *[Lanes]float32) {
	for p := range len(x) / Lanes {
		g := behind(dy, y, p)
		for i, v := range pixel(x, p) {
			state[i] += float64(g[i])
			state[Lanes+i] += float64(g[i]) * float64(v-mean[i])
		}
	}
}

func apply(y, x, residual []float32, c *Affine, floor float32) {
	for p := range len(x) / Lanes {
		to := pixel(y, p)
		for i, v := range pixel(x, p) {
			v = (v-c[i])*c[Lanes+i] + c[2*Lanes+i]
			if residual != nil {
				v += residual[p*Lanes+i]
			}
			if v < floor {
				v = floor
			}
			to[i] = v
		}
	}
}

func gradient(dx, dresidual, dy, x, y []float32, c *Slopes) {
	for p := range len(x) / Lanes {
		g := behind(dy, y, p)
		if dresidual != nil {
			*pixel(dresidual, p) = g
		}
		to := pixel(dx, p)
		for i, v := range pixel(x, p) {
			to[i] = c[Lanes+i]*g[i] + (c[2*Lanes+i]*(v-c[i]) + c[3*Lanes+i])
		}
	}
}

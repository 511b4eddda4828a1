package vector

import (
	"math"

	"fovea/kernels/amd64"
)

// These functions check the lengths of slices, which the assembly cannot, and give it pieces.

func filling(f func(n int, y *float32, v float32)) func(y []float32, v float32) {
	return func(y []float32, v float32) {
		for len(y) > 0 {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], v)
			y = y[n:]
		}
	}
}

func unary(f func(n int, y, x *float32)) func(y, x []float32) {
	return func(y, x []float32) {
		for x = x[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &x[0])
			y, x = y[n:], x[n:]
		}
	}
}

func unaryWith(f func(n int, y, x *float32, c float32)) func(y, x []float32, c float32) {
	return func(y, x []float32, c float32) {
		for x = x[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &x[0], c)
			y, x = y[n:], x[n:]
		}
	}
}

func scaling(f func(n int, y, x *float32, c, e float32)) func(y, x []float32, c, e float32) {
	return func(y, x []float32, c, e float32) {
		for x = x[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &x[0], c, e)
			y, x = y[n:], x[n:]
		}
	}
}

func binary(f func(n int, y, a, b *float32)) func(y, a, b []float32) {
	return func(y, a, b []float32) {
		for a, b = a[:len(y)], b[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &a[0], &b[0])
			y, a, b = y[n:], a[n:], b[n:]
		}
	}
}

func binaryWith(f func(n int, y, a, b *float32, c float32)) func(y, a, b []float32, c float32) {
	return func(y, a, b []float32, c float32) {
		for a, b = a[:len(y)], b[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &a[0], &b[0], c)
			y, a, b = y[n:], a[n:], b[n:]
		}
	}
}

func ternaryWith(f func(n int, y, a, b, e *float32, c float32)) func(y, a, b, e []float32, c float32) {
	return func(y, a, b, e []float32, c float32) {
		for a, b, e = a[:len(y)], b[:len(y)], e[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			f(n, &y[0], &a[0], &b[0], &e[0], c)
			y, a, b, e = y[n:], a[n:], b[n:], e[n:]
		}
	}
}

func sum(f func(n int, x *float32) float64) func(x []float32) float64 {
	return func(x []float32) float64 {
		total := 0.0
		for len(x) > 0 {
			n := amd64.Piece(len(x), most)
			total += f(n, &x[0])
			x = x[n:]
		}
		return total
	}
}

func sumOfTwo(f func(n int, a, b *float32) float64) func(a, b []float32) float64 {
	return func(a, b []float32) float64 {
		total := 0.0
		for b = b[:len(a)]; len(a) > 0; {
			n := amd64.Piece(len(a), most)
			total += f(n, &a[0], &b[0])
			a, b = a[n:], b[n:]
		}
		return total
	}
}

func expSum(f func(n int, y, x *float32, shift float32) float64) func(y, x []float32, shift float32) float64 {
	return func(y, x []float32, shift float32) float64 {
		total := 0.0
		for x = x[:len(y)]; len(y) > 0; {
			n := amd64.Piece(len(y), most)
			total += f(n, &y[0], &x[0], shift)
			y, x = y[n:], x[n:]
		}
		return total
	}
}

func largest(f func(n int, x *float32) float32) func(x []float32) float32 {
	return func(x []float32) float32 {
		top := float32(math.Inf(-1))
		for len(x) > 0 {
			n := amd64.Piece(len(x), most)
			top = max(top, f(n, &x[0]))
			x = x[n:]
		}
		return top
	}
}

func sumLanes(f func(rows, step int, x *float32, count int, sums *float64)) func(sums *[Lanes]float64, x []float32, rows, step, count int) {
	return func(sums *[Lanes]float64, x []float32, rows, step, count int) {
		if count > Lanes || rows < 0 || step < 0 {
			panic("vector: SumLanes of rows that are none")
		}
		for count > 0 && rows > 0 {
			n := amd64.Piece(rows, most/Lanes)
			_ = x[(rows-1)*step+count-1]
			f(n, step, &x[0], count, &sums[0])
			if rows -= n; rows > 0 {
				x = x[n*step:]
			}
		}
	}
}

func addLanes(f func(rows int, y, x, b *float32)) func(y, x []float32, b *[Lanes]float32) {
	return func(y, x []float32, b *[Lanes]float32) {
		for x = x[:len(y)]; len(y) >= Lanes; {
			n := amd64.Piece(len(y)/Lanes*Lanes, most)
			f(n/Lanes, &y[0], &x[0], &b[0])
			y, x = y[n:], x[n:]
		}
	}
}

func withoutState(f func(n int, w, grad, c *float32)) func(w, grad []float32, c *SGD) {
	return func(w, grad []float32, c *SGD) {
		for grad = grad[:len(w)]; len(w) > 0; {
			n := amd64.Piece(len(w), most)
			f(n, &w[0], &grad[0], &c.Rate)
			w, grad = w[n:], grad[n:]
		}
	}
}

func oneState(f func(n int, w, v, grad, c *float32)) func(w, v, grad []float32, c *SGD) {
	return func(w, v, grad []float32, c *SGD) {
		for v, grad = v[:len(w)], grad[:len(w)]; len(w) > 0; {
			n := amd64.Piece(len(w), most)
			f(n, &w[0], &v[0], &grad[0], &c.Rate)
			w, v, grad = w[n:], v[n:], grad[n:]
		}
	}
}

func rmsprop(f func(n int, w, r, grad, c *float32)) func(w, r, grad []float32, c *RMSProp) {
	return func(w, r, grad []float32, c *RMSProp) {
		for r, grad = r[:len(w)], grad[:len(w)]; len(w) > 0; {
			n := amd64.Piece(len(w), most)
			f(n, &w[0], &r[0], &grad[0], &c.Rate)
			w, r, grad = w[n:], r[n:], grad[n:]
		}
	}
}

func rmspropMomentum(f func(n int, w, r, v, grad, c *float32)) func(w, r, v, grad []float32, c *RMSProp) {
	return func(w, r, v, grad []float32, c *RMSProp) {
		for r, v, grad = r[:len(w)], v[:len(w)], grad[:len(w)]; len(w) > 0; {
			n := amd64.Piece(len(w), most)
			f(n, &w[0], &r[0], &v[0], &grad[0], &c.Rate)
			w, r, v, grad = w[n:], r[n:], v[n:], grad[n:]
		}
	}
}

func adam(f func(n int, w, m, r, grad, c *float32)) func(w, m, r, grad []float32, c *Adam) {
	return func(w, m, r, grad []float32, c *Adam) {
		for m, r, grad = m[:len(w)], r[:len(w)], grad[:len(w)]; len(w) > 0; {
			n := amd64.Piece(len(w), most)
			f(n, &w[0], &m[0], &r[0], &grad[0], &c.Rate)
			w, m, r, grad = w[n:], m[n:], r[n:], grad[n:]
		}
	}
}

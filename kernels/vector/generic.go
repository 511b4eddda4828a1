package vector

import "math"

// generic is the table in plain Go. The compiler uses scalar instructions; what it computes in float64 is there for the
// precision, which costs nothing then.
var generic = Kernels{
	Name: "generic",
	Fill: func(y []float32, v float32) {
		for i := range y {
			y[i] = v
		}
	},
	Scale: func(y, x []float32, factor, offset float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = factor*v + offset
		}
	},
	Axpy: func(y, x []float32, factor float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] += factor * v
		}
	},
	Add: func(y, a, b []float32) {
		a, b = a[:len(y)], b[:len(y)]
		for i := range y {
			y[i] = a[i] + b[i]
		}
	},
	Sub: func(y, a, b []float32) {
		a, b = a[:len(y)], b[:len(y)]
		for i := range y {
			y[i] = a[i] - b[i]
		}
	},
	Mul: func(y, a, b []float32) {
		a, b = a[:len(y)], b[:len(y)]
		for i := range y {
			y[i] = a[i] * b[i]
		}
	},
	Div: func(y, a, b []float32) {
		a, b = a[:len(y)], b[:len(y)]
		for i := range y {
			y[i] = a[i] / b[i]
		}
	},

	Step: func(y, x []float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = 0
			if v > 0 {
				y[i] = 1
			}
		}
	},
	ReLU: func(y, x []float32) {
		x = x[:len(y)]
		for i, v := range x {
			if v <= 0 { // so that NaN stays
				v = 0
			}
			y[i] = v
		}
	},
	Sigmoid: func(y, x []float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
	},
	Tanh: func(y, x []float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = float32(math.Tanh(float64(v)))
		}
	},
	LeakyReLU: func(y, x []float32, alpha float32) {
		x = x[:len(y)]
		for i, v := range x {
			if v <= 0 {
				v *= alpha
			}
			y[i] = v
		}
	},
	ELU: func(y, x []float32, alpha float32) {
		x = x[:len(y)]
		for i, v := range x {
			if v <= 0 {
				v = float32(float64(alpha) * math.Expm1(float64(v)))
			}
			y[i] = v
		}
	},
	Exp: func(y, x []float32, shift, factor float32) {
		x = x[:len(y)]
		for i, v := range x {
			y[i] = factor * float32(math.Exp(float64(v-shift)))
		}
	},

	ReLUBackward: func(dx, dy, x []float32) {
		dy, x = dy[:len(dx)], x[:len(dx)]
		for i, g := range dy {
			if x[i] <= 0 {
				g *= 0
			}
			dx[i] = g
		}
	},
	LeakyReLUBackward: func(dx, dy, x []float32, alpha float32) {
		dy, x = dy[:len(dx)], x[:len(dx)]
		for i, g := range dy {
			if x[i] <= 0 {
				g *= alpha
			}
			dx[i] = g
		}
	},
	ELUBackward: func(dx, dy, x, y []float32, alpha float32) {
		dy, x, y = dy[:len(dx)], x[:len(dx)], y[:len(dx)]
		for i, g := range dy {
			if x[i] <= 0 {
				g *= y[i] + alpha
			}
			dx[i] = g
		}
	},
	SigmoidBackward: func(dx, dy, y []float32) {
		dy, y = dy[:len(dx)], y[:len(dx)]
		for i, v := range y {
			dx[i] = dy[i] * v * (1 - v)
		}
	},
	TanhBackward: func(dx, dy, y []float32) {
		dy, y = dy[:len(dx)], y[:len(dx)]
		for i, v := range y {
			dx[i] = dy[i] * (1 - v) * (1 + v)
		}
	},

	// Four chains, so that an addition need not wait for the one before.
	Sum: func(x []float32) float64 {
		var a, b, c, d float64
		for ; len(x) >= 4; x = x[4:] {
			a += float64(x[0])
			b += float64(x[1])
			c += float64(x[2])
			d += float64(x[3])
		}
		for _, v := range x {
			a += float64(v)
		}
		return (a + b) + (c + d)
	},
	Dot: func(a, b []float32) float64 {
		b = b[:len(a)]
		sum := 0.0
		for i, v := range a {
			sum += float64(v) * float64(b[i])
		}
		return sum
	},
	Distance: func(a, b []float32) float64 {
		b = b[:len(a)]
		sum := 0.0
		for i, v := range a {
			d := float64(v - b[i])
			sum += d * d
		}
		return sum
	},
	ExpSum: func(y, x []float32, shift float32) float64 {
		x = x[:len(y)]
		sum := 0.0
		for i, v := range x {
			y[i] = float32(math.Exp(float64(v - shift)))
			sum += float64(y[i])
		}
		return sum
	},
	Max: func(x []float32) float32 {
		top := float32(math.Inf(-1))
		for _, v := range x {
			if v > top {
				top = v
			}
		}
		return top
	},

	SumLanes: func(sums *[Lanes]float64, x []float32, rows, step, count int) {
		for r := range rows {
			for i, v := range x[r*step:][:count] {
				sums[i] += float64(v)
			}
		}
	},
	AddLanes: func(y, x []float32, b *[Lanes]float32) {
		x = x[:len(y)]
		for ; len(y) >= Lanes; x, y = x[Lanes:], y[Lanes:] {
			for i, v := range b {
				y[i] = x[i] + v
			}
		}
	},

	Pack: func(block, maps []float32, count int) {
		plane := len(block) / Lanes
		for c := range count {
			at := c
			for _, v := range maps[c*plane:][:plane] {
				block[at] = v
				at += Lanes
			}
		}
		for p := 0; count < Lanes && p < plane; p++ {
			clear(block[p*Lanes+count : (p+1)*Lanes])
		}
	},
	Unpack: func(maps, block []float32, count int) {
		plane := len(block) / Lanes
		for c := range count {
			at := c
			line := maps[c*plane:][:plane]
			for i := range line {
				line[i] = block[at]
				at += Lanes
			}
		}
	},

	SGD: func(w, grad []float32, c *SGD) {
		grad = grad[:len(w)]
		for i, g := range grad {
			w[i] -= c.Rate * (g + c.Decay*w[i])
		}
	},
	Momentum: func(w, v, grad []float32, c *SGD) {
		v, grad = v[:len(w)], grad[:len(w)]
		for i, g := range grad {
			v[i] = c.Momentum*v[i] + (g + c.Decay*w[i])
			w[i] -= c.Rate * v[i]
		}
	},
	Nesterov: func(w, v, grad []float32, c *SGD) {
		v, grad = v[:len(w)], grad[:len(w)]
		for i, g := range grad {
			g += c.Decay * w[i]
			v[i] = c.Momentum*v[i] + g
			w[i] -= c.Rate * (g + c.Momentum*v[i])
		}
	},
	RMSProp: func(w, r, grad []float32, c *RMSProp) {
		r, grad = r[:len(w)], grad[:len(w)]
		for i, g := range grad {
			g += c.Decay * w[i]
			r[i] = c.Keep*r[i] + c.Take*g*g
			w[i] -= c.Rate * (g / (sqrt(r[i]) + c.Epsilon))
		}
	},
	RMSPropMomentum: func(w, r, v, grad []float32, c *RMSProp) {
		r, v, grad = r[:len(w)], v[:len(w)], grad[:len(w)]
		for i, g := range grad {
			g += c.Decay * w[i]
			r[i] = c.Keep*r[i] + c.Take*g*g
			v[i] = c.Momentum*v[i] + g/(sqrt(r[i])+c.Epsilon)
			w[i] -= c.Rate * v[i]
		}
	},
	Adam: func(w, m, r, grad []float32, c *Adam) {
		m, r, grad = m[:len(w)], r[:len(w)], grad[:len(w)]
		for i, g := range grad {
			u := c.Shrink * w[i]
			g += c.Decay * u
			m[i] = c.Keep1*m[i] + c.Take1*g
			r[i] = c.Keep2*r[i] + c.Take2*g*g
			w[i] = u - c.Rate*(m[i]/(c.Root*sqrt(r[i])+c.Epsilon))
		}
	},

	Dropout:      (*Dropout).generic,
	DropoutLanes: (*Dropout).genericLanes,
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

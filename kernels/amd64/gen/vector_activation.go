package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Activations and their gradients.
func (s simd) activations() {
	unary := func(name, doc, constants string, turn int, do func(x reg.VecVirtual, constant func(string) reg.VecVirtual) reg.VecVirtual) {
		s.stream(stream{name: name, doc: doc, write: "y", read: "x", constants: constants, turn: turn},
			func(x values, constant func(string) reg.VecVirtual) { x["y"] = do(x["x"], constant) })
	}
	none, one, sign := spread(0), spread(1), spreadBits(1<<31)
	unary("Step", "computes y = 1 where x > 0, and 0 elsewhere.", "", 4, func(x reg.VecVirtual, _ func(string) reg.VecVirtual) reg.VecVirtual {
		return s.only(s.compare(x, aboveZero, none), s.load(one))
	})
	unary("ReLU", "computes y = 0 where x <= 0, and x elsewhere, NaN included.", "", 4, func(x reg.VecVirtual, _ func(string) reg.VecVirtual) reg.VecVirtual {
		return s.pick(s.compare(x, atMostZero, none), s.zero(), x)
	})
	unary("LeakyReLU", "computes y = alpha*x where x <= 0, and x elsewhere.", "alpha", 4, func(x reg.VecVirtual, constant func(string) reg.VecVirtual) reg.VecVirtual {
		return s.pick(s.compare(x, atMostZero, none), s.mul(x, constant("alpha")), x)
	})
	unary("ELU", "computes y = alpha*(exp(x) - 1) where x <= 0, and x elsewhere.", "alpha", 2, func(x reg.VecVirtual, constant func(string) reg.VecVirtual) reg.VecVirtual {
		e := s.expm1(s.atLeast(s.atMost(x, none), spread(-87)))
		return s.pick(s.compare(x, atMostZero, none), s.mul(e, constant("alpha")), x)
	})
	// With e = exp(-|x|), which cannot overflow: 1/(1+e), or e/(1+e) where x is negative.
	unary("Sigmoid", "computes y = 1 / (1 + exp(-x)).", "", 2, func(x reg.VecVirtual, _ func(string) reg.VecVirtual) reg.VecVirtual {
		e := s.exp(s.or(x, sign))
		top := s.pick(s.compare(x, atMostZero, none), e, s.load(one))
		return s.div(top, s.add(e, one))
	})
	// With e = exp(2|x|) - 1: e/(e+2), and x's sign. From 10 on it is 1.
	unary("Tanh", "computes y = tanh(x).", "", 2, func(x reg.VecVirtual, _ func(string) reg.VecVirtual) reg.VecVirtual {
		z := s.atMost(s.and(x, spreadBits(1<<31-1)), spread(10))
		e := s.expm1(s.add(z, z))
		return s.or(s.div(e, s.add(e, spread(2))), s.and(x, sign))
	})
	unary("Exp", "computes y = factor * exp(x - shift).", "shift factor", 2, func(x reg.VecVirtual, constant func(string) reg.VecVirtual) reg.VecVirtual {
		return s.mul(s.exp(s.sub(x, constant("shift"))), constant("factor"))
	})

	gradient := func(name, doc, read, constants string, slope func(g reg.VecVirtual, x values, constant func(string) reg.VecVirtual) reg.VecVirtual) {
		s.stream(stream{name: name + "Backward", doc: doc, write: "dx", read: "dy " + read, constants: constants, turn: 4},
			func(x values, constant func(string) reg.VecVirtual) { x["dx"] = slope(x["dy"], x, constant) })
	}
	gradient("ReLU", "computes dx = 0*dy where x <= 0, and dy elsewhere.", "x", "", func(g reg.VecVirtual, x values, _ func(string) reg.VecVirtual) reg.VecVirtual {
		return s.pick(s.compare(x["x"], atMostZero, none), s.mul(g, none), g)
	})
	gradient("LeakyReLU", "computes dx = alpha*dy where x <= 0, and dy elsewhere.", "x", "alpha", func(g reg.VecVirtual, x values, constant func(string) reg.VecVirtual) reg.VecVirtual {
		return s.pick(s.compare(x["x"], atMostZero, none), s.mul(g, constant("alpha")), g)
	})
	gradient("ELU", "computes dx = dy*(y + alpha) where x <= 0, and dy elsewhere; y = ELU(x).", "x y", "alpha", func(g reg.VecVirtual, x values, constant func(string) reg.VecVirtual) reg.VecVirtual {
		return s.pick(s.compare(x["x"], atMostZero, none), s.mul(g, s.add(x["y"], constant("alpha"))), g)
	})
	gradient("Sigmoid", "computes dx = dy*y*(1-y); y = sigmoid(x).", "y", "", func(g reg.VecVirtual, x values, _ func(string) reg.VecVirtual) reg.VecVirtual {
		return s.mul(s.mul(g, x["y"]), s.sub(s.load(one), x["y"]))
	})
	gradient("Tanh", "computes dx = dy*(1-y)*(1+y); y = tanh(x).", "y", "", func(g reg.VecVirtual, x values, _ func(string) reg.VecVirtual) reg.VecVirtual {
		return s.mul(s.mul(g, s.sub(s.load(one), x["y"])), s.add(x["y"], one))
	})
}

// reduce writes x = n*log 2 + r with a whole n and |r| at most log(2)/2, and gives n and p = exp(r) - 1 = r + r^2 P(r). The
// coefficients of P are those of Cephes' expf (Moshier), and log 2 comes in two parts, the first of which has few bits so that its
// product with n is exact.
func (s simd) reduce(x reg.VecVirtual) (n, p reg.VecVirtual) {
	n = s.round(s.mul(x, spread(1.44269504088896341)))
	r := s.copy(x)
	s.fnma(r, n, spread(0.693359375))
	s.fnma(r, n, spread(-2.12194440e-4))
	p = s.load(spread(1.9875691500e-4))
	for _, c := range []float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		s.horner(p, r, spread(c))
	}
	s.horner(p, s.mul(r, r), r)
	return n, p
}

// exp is exp(x) for any x: below about -104 it is 0, above 88.8 infinite, and denormal numbers are rounded once.
func (s simd) exp(x reg.VecVirtual) reg.VecVirtual {
	n, p := s.reduce(s.atMost(s.atLeast(x, spread(-110)), spread(90)))
	p = s.add(p, spread(1))
	if s.wide() {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2^n is out of range for some n, 2^(n/2) is not.
	whole, half := s.reg(), s.reg()
	VCVTPS2DQ(n, whole)
	VPSRAD(Imm(1), whole, half)
	VPSUBD(half, whole, whole)
	return s.mul(s.mul(p, s.power(half)), s.power(whole))
}

// power changes a whole n from -127 to 127 to 2^n, the first of which is 0, by writing the exponent.
func (s simd) power(n reg.VecVirtual) reg.VecVirtual {
	VPADDD(spreadBits(127), n, n)
	VPSLLD(Imm(23), n, n)
	return n
}

// expm1 is exp(x) - 1 for x from -87 to 80, a few units in the last place off also where x is small: 2^n*p + (2^n - 1).
func (s simd) expm1(x reg.VecVirtual) reg.VecVirtual {
	n, p := s.reduce(x)
	var scale reg.VecVirtual
	if s.wide() {
		scale = s.load(spread(1))
		VSCALEFPS(n, scale, scale)
	} else {
		scale = s.reg()
		VCVTPS2DQ(n, scale)
		scale = s.power(scale)
	}
	s.horner(p, scale, s.sub(scale, spread(1)))
	return p
}

package devicetest

import (
	"math"

	"fovea/device/philox"
)

// Draw makes an operand's n elements.
type Draw func(src *philox.Source, n int) []float64

func each(draw func(src *philox.Source) float64) Draw {
	return func(src *philox.Source, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = draw(src)
		}
		return x
	}
}

// usual is what most operands hold: mean 0, deviation about 1.
var usual = uniform(-2, 2)

func gauss(mean, deviation float64) Draw {
	return each(func(src *philox.Source) float64 { return src.Normal(mean, deviation) })
}

func uniform(low, high float64) Draw {
	return each(func(src *philox.Source) float64 { return src.Uniform(low, high) })
}

func constant(v float64) Draw { return each(func(*philox.Source) float64 { return v }) }

// lopsided has a mean that is not small beside its deviation, so that long sums do not cancel to nothing.
var lopsided = uniform(-0.5, 1)

// apart keeps a distance of 0.1 from zero, where activations have their kinks.
var apart = each(func(src *philox.Source) float64 {
	v := src.Uniform(-2, 2)
	return v + math.Copysign(0.1, v)
})

var signs = each(func(src *philox.Source) float64 { return pick(src, -1.0, 1) })

// ties has few different values, so that the largest is seldom alone.
var ties = each(func(src *philox.Source) float64 { return float64(between(src, -1, 1)) })

// whole has small whole numbers, whose products and sums are exact in any precision.
var whole = each(func(src *philox.Source) float64 { return float64(between(src, -3, 3)) })

// patchy is NaN as often as not, so that windows hold several after numbers.
var patchy = each(func(src *philox.Source) float64 { return pick(src, nan, src.Uniform(-2, 2)) })

// distinct has no two elements closer than 1/16.
func distinct(src *philox.Source, n int) []float64 {
	x := make([]float64, n)
	for i, p := range src.Perm(n) {
		x[i] = float64(p-n/2) / 16
	}
	return x
}

// labelled has class numbers, the first and the last class among them.
func labelled(classes int) Draw {
	return func(src *philox.Source, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = float64(src.Intn(classes))
		}
		if n > 0 {
			x[0], x[n-1] = 0, float64(classes-1)
		}
		return x
	}
}

// strewn replaces some of a draw's elements by the given ones, evenly spread.
func strewn(draw Draw, values ...float64) Draw {
	return func(src *philox.Source, n int) []float64 {
		x := draw(src, n)
		for i, v := range values {
			if at := (2*i + 1) * n / (2 * len(values)); at < n {
				x[at] = v
			}
		}
		return x
	}
}

var (
	inf      = math.Inf(1)
	nan      = math.NaN()
	tiny     = 1e-40 // a denormal number in float32
	huge     = float64(math.MaxFloat32)
	minus0   = math.Copysign(0, -1)
	specials = strewn(apart, nan, inf, -inf, tiny, -tiny, 0, minus0)
)

// singles rounds to what float32 holds, so that every device can be given the same elements.
func singles(x []float64) []float64 {
	for i, v := range x {
		x[i] = float64(float32(v))
	}
	return x
}

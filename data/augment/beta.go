package augment

import (
	"math"

	"fovea/device/philox"
)

// beta draws from Beta(a, a), a > 0: G1 / (G1 + G2), both of them gamma(a). Only the difference of their logarithms is
// needed, so that a small a, for which both may be smaller than the smallest float64, is no special case.
func beta(a float64, random *philox.Source) float64 {
	first := logGamma(a, random)
	return 1 / (1 + math.Exp(logGamma(a, random)-first))
}

// logGamma draws the logarithm of a gamma(a): by rejection from a transformed normal (Marsaglia and Tsang, 2000), and below
// a = 1 as gamma(a+1) times the 1/a-th power of a uniform number.
func logGamma(a float64, random *philox.Source) float64 {
	uniform := func() float64 { return (float64(random.Uint32()) + 0.5) / (1 << 32) } // never 0
	if a < 1 {
		return logGamma(a+1, random) + math.Log(uniform())/a
	}
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := random.Normal(0, 1)
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(uniform()) < x*x/2+d-d*v+d*math.Log(v) {
			return math.Log(d * v)
		}
	}
}

package maps

// State is what statistics are merged in: 16 channels' sums and then 16 others, see Moments and Sums.
type State [2 * Lanes]float64

// Affine is 16 channels' means, factors and shifts.
type Affine [3 * Lanes]float32

// Slopes is 16 channels' means and a, b and c of [Kernels.Gradient].
type Slopes [4 * Lanes]float32

const (
	// partPixels is how many pixels are added up in float32, and read twice: 16 KB, which the first-level cache holds.
	partPixels = 256
	// callPixels is how many pixels a call of the other passes takes: 128 KB of each operand, less than 100 us in all.
	callPixels = 2048
)

// pieces calls do for the ends of pieces of x of n pixels.
func pieces(x []float32, n int, do func(from, to int)) {
	for from := 0; from < len(x); from += n * Lanes {
		do(from, min(from+n*Lanes, len(x)))
	}
}

// Moments adds the pixels of x to the statistics of count pixels, 0 for a zero state: sums, and sums of squares about the
// mean. The squares are taken about the mean of some pixels at a time, so that no difference of large numbers is left, and
// merged in float64 (Chan, Golub and LeVeque 1983).
func (k *Kernels) Moments(state *State, count int, x []float32) {
	pieces(x, partPixels, func(from, to int) {
		k.moments(state, count, x[from:to])
		count += (to - from) / Lanes
	})
}

// Merge adds the statistics of other pixels; neither count is 0.
func (s *State) Merge(count int, other *State, others int) {
	n, m := float64(count), float64(others)
	for i := range Lanes {
		delta := other[i]/m - s[i]/n
		s[i] += other[i]
		s[Lanes+i] += other[Lanes+i] + delta*delta*(n*m/(n+m))
	}
}

// Sums adds the sums of g and of g*(x-mean) to the state. g is the gradient before a ReLU with output y: dy, times 0 where y is
// 0 or below (so that what is not a number stays so). Without a ReLU y is nil, and g is dy.
func (k *Kernels) Sums(state *State, dy, x, y []float32, mean *[Lanes]float32) {
	dy = cut(dy, len(x))
	pieces(x, partPixels, func(from, to int) {
		k.sums(state, dy[from:to], x[from:to], part(y, from, to), mean)
	})
}

// Apply writes y = max(floor, (x-mean)*factor + shift + residual); NaN stays, and residual may be nil.
func (k *Kernels) Apply(y, x, residual []float32, c *Affine, floor float32) {
	y = cut(y, len(x))
	pieces(x, callPixels, func(from, to int) {
		k.apply(y[from:to], x[from:to], part(residual, from, to), c, floor)
	})
}

// Gradient writes dx = a*g + (b*(x-mean) + c), and dresidual = g if that is wanted, with the g of Sums. dresidual is nil if y is.
func (k *Kernels) Gradient(dx, dresidual, dy, x, y []float32, c *Slopes) {
	dx, dy = cut(dx, len(x)), cut(dy, len(x))
	pieces(x, callPixels, func(from, to int) {
		k.gradient(dx[from:to], part(dresidual, from, to), dy[from:to], x[from:to], part(y, from, to), c)
	})
}

// part of an operand that may be nil.
func part(x []float32, from, to int) []float32 {
	if x == nil {
		return nil
	}
	return cut(x, to)[from:]
}

package maps

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
	"fovea/kernels/isa"
)

// eachKernel runs a test with all kernels of this machine.
func eachKernel(t *testing.T, test func(t *testing.T, k *Kernels)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) { test(t, For(set)) })
	}
}

// sizes of windows: rows that go to the assembly at once, in pieces, and windows that are too large for it.
var sizes = []Windows{{0, 3, 3, 9, 2}, {1, 1, 1, 1, 1}, {70, 2, 2, 140, 2}, {60, 3, 3, 121, 2}, {40, 3, 2, 50, 1}, {3, 5, 4, 20, 6}, {2, 1, 3, 4, 1},
	{40, 30, 30, 70, 1}, {2, 130, 129, 131, 1}}

const (
	guard = 12345.5
	spare = 2 // pixels behind what a kernel may write
)

// framed makes n pixels of draws with a guard behind them, and a slice that ends with the last of the pixels.
func framed(src *philox.Source, n int, draw func(src *philox.Source) float32) (all, inner []float32) {
	all = make([]float32, (n+spare)*Lanes)
	for i := range all {
		all[i] = guard
		if i < n*Lanes {
			all[i] = draw(src)
		}
	}
	return all, all[: n*Lanes : n*Lanes]
}

func normal(src *philox.Source) float32 { return float32(src.Normal(0, 1)) }

// few has ties, and now and then NaN.
func few(src *philox.Source) float32 {
	if src.Intn(100) == 0 {
		return float32(math.NaN())
	}
	return float32(src.Intn(9) - 4)
}

// near compares what was written with float64 results; got has a guard behind it.
func near(got []float32, want []float64, tolerance float64) error {
	for i, g := range got {
		w := guard
		if i < len(want) {
			w = want[i]
		}
		if float64(g) != w && (g == g || w == w) && !(math.Abs(float64(g)-w) <= tolerance) {
			return fmt.Errorf("lane %d of pixel %d is %v, expected %v", i%Lanes, i/Lanes, g, w)
		}
	}
	return nil
}

func TestPooling(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernels) {
		for number := range sizes {
			w := &sizes[number]
			seed := uint64(number)
			src := philox.NewSource(philox.Stream{Seed: seed})
			pixels := 0
			if w.Count > 0 {
				pixels = w.pixels()
			}
			_, x := framed(src, pixels, few)
			y, yIn := framed(src, w.Count, few)
			_, dy := framed(src, w.Count, normal)
			largest, smallest, sum := make([]float64, len(dy)), make([]float64, len(dy)), make([]float64, len(dy))
			taken, shared := make([]float64, len(x)), make([]float64, len(x))
			const factor = 0.125
			for at := range dy {
				best, least := -1, -1
				w.each(at/Lanes, func(tap int) {
					i := tap*Lanes + at%Lanes
					if best < 0 || x[best] == x[best] && !(x[i] <= x[best]) {
						best = i
					}
					if least < 0 || x[least] == x[least] && !(x[i] >= x[least]) {
						least = i
					}
					sum[at] += factor * float64(x[i])
					shared[i] += factor * float64(dy[at])
				})
				largest[at], smallest[at] = float64(x[best]), float64(x[least])
				taken[best] += float64(dy[at])
			}
			check := func(name string, got []float32, want []float64, tolerance float64) {
				require.NoError(t, near(got, want, tolerance), "%s: windows %+v, seed %d", name, w, seed)
			}
			k.Smallest(yIn, x, w)
			check("smallest", y, smallest, 0)
			k.Sum(yIn, x, w, factor)
			check("sum", y, sum, 1e-3)
			k.Largest(yIn, x, w)
			check("largest", y, largest, 0)
			none := func(*philox.Source) float32 { return 0 }
			also, alsoIn := framed(src, w.Count, normal)
			chosen, chosenIn := framed(src, w.Count, normal)
			k.Choose(alsoIn, chosenIn, x, w)
			check("choose", also, largest, 0)
			require.Equal(t, []float32{guard, guard}, []float32{chosen[len(chosenIn)], also[len(alsoIn)]})
			dx, dxIn := framed(src, pixels, none)
			k.Give(dxIn, dy, chosenIn, w)
			check("give", dx, taken, 1e-5)
			dx, dxIn = framed(src, pixels, none)
			k.Winner(dxIn, dy, x, yIn, w)
			check("winner", dx, taken, 1e-5)
			dx, dxIn = framed(src, pixels, none)
			k.Spread(dxIn, dy, w, factor)
			check("spread", dx, shared, 1e-4)
		}
	})
}

// A slice that is too short is refused before any assembly runs.
func TestShortSlices(t *testing.T) {
	w := &Windows{Count: 3, Rows: 2, Cols: 2, Line: 6, Step: 2}
	full := func(pixels int) []float32 { return make([]float32, pixels*Lanes) }
	// The capacity does not count.
	short := func(pixels int) []float32 { return make([]float32, pixels*Lanes)[:pixels*Lanes-1] }
	eachKernel(t, func(t *testing.T, k *Kernels) {
		for name, do := range map[string]func(){
			"largest, x":         func() { k.Largest(full(3), short(12), w) },
			"largest, y":         func() { k.Largest(short(3), full(12), w) },
			"smallest, x":        func() { k.Smallest(full(3), short(12), w) },
			"choose, chosen":     func() { k.Choose(full(3), short(3), full(12), w) },
			"choose, x":          func() { k.Choose(full(3), full(3), short(12), w) },
			"give, dx":           func() { k.Give(short(12), full(3), full(3), w) },
			"give, chosen":       func() { k.Give(full(12), full(3), short(3), w) },
			"winner, dx":         func() { k.Winner(short(12), full(3), full(12), full(3), w) },
			"winner, dy":         func() { k.Winner(full(12), short(3), full(12), full(3), w) },
			"winner, x":          func() { k.Winner(full(12), full(3), short(12), full(3), w) },
			"winner, y":          func() { k.Winner(full(12), full(3), full(12), short(3), w) },
			"sum, x":             func() { k.Sum(full(3), short(12), w, 1) },
			"spread, dx":         func() { k.Spread(short(12), full(3), w, 1) },
			"apply, y":           func() { k.Apply(short(9), full(9), nil, new(Affine), 0) },
			"apply, residual":    func() { k.Apply(full(9), full(9), short(9), new(Affine), 0) },
			"sums, dy":           func() { k.Sums(new(State), short(9), full(9), nil, new([Lanes]float32)) },
			"sums, y":            func() { k.Sums(new(State), full(9), full(9), short(9), new([Lanes]float32)) },
			"gradient, dx":       func() { k.Gradient(short(9), nil, full(9), full(9), nil, new(Slopes)) },
			"gradient, residual": func() { k.Gradient(full(9), short(9), full(9), full(9), full(9), new(Slopes)) },
		} {
			require.Panics(t, do, name)
		}
	})
}

func TestMoments(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernels) {
		for _, mean := range []float64{0, 300, -1e5} {
			for _, parts := range [][]int{{1}, {2, 1}, {300}, {256, 256, 7}, {49, 49, 49, 49}, {1000, 3}} {
				src := philox.NewSource(philox.Stream{Seed: uint64(len(parts))})
				var state, other State
				var all []float32
				count, others := 0, 0
				for i, n := range parts {
					x := make([]float32, n*Lanes)
					for j := range x {
						x[j] = float32(src.Normal(mean+float64(i), 1)) // parts differ in their means
					}
					all = append(all, x...)
					if i == 1 && len(parts) > 2 { // merged as what another worker has added up
						k.Moments(&other, 0, x)
						others = n
						continue
					}
					k.Moments(&state, count, x)
					count += n
				}
				if others > 0 {
					state.Merge(count, &other, others)
				}
				n := float64(len(all) / Lanes)
				for c := range Lanes {
					sum, squares := 0.0, 0.0
					for i := c; i < len(all); i += Lanes {
						sum += float64(all[i])
					}
					for i := c; i < len(all); i += Lanes {
						squares += math.Pow(float64(all[i])-sum/n, 2)
					}
					require.InDelta(t, sum/n, state[c]/n, 1e-7*(1+math.Abs(mean)/1e5), "mean about %v, parts %v, lane %d", mean, parts, c)
					require.InDelta(t, squares, state[Lanes+c], 1e-6*squares+1e-9, "squares: mean about %v, parts %v, lane %d", mean, parts, c)
				}
			}
		}
	})
}

// More pixels than a call of assembly takes.
func TestPasses(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernels) {
		for _, pixels := range []int{1, 6, 257, callPixels + 3} {
			src := philox.NewSource(philox.Stream{Seed: uint64(pixels)})
			_, x := framed(src, pixels, normal)
			_, dy := framed(src, pixels, normal)
			_, residual := framed(src, pixels, normal)
			y, yIn := framed(src, pixels, normal)
			var c Slopes
			for i := range c {
				c[i] = normal(src)
			}
			forward := make([]float64, len(x))
			for i, v := range x {
				lane := i % Lanes
				forward[i] = max(0, (float64(v)-float64(c[lane]))*float64(c[Lanes+lane])+float64(c[2*Lanes+lane])+float64(residual[i]))
			}
			k.Apply(yIn, x, residual, (*Affine)(c[:]), 0)
			require.NoError(t, near(y, forward, 1e-5), "%d pixels: apply", pixels)

			var state State
			k.Sums(&state, dy, x, yIn, (*[Lanes]float32)(c[:]))
			var sums State
			dx, dxIn := framed(src, pixels, normal)
			dresidual, dresidualIn := framed(src, pixels, normal)
			before, backward := make([]float64, len(x)), make([]float64, len(x))
			for i, v := range x {
				lane := i % Lanes
				if yIn[i] > 0 {
					before[i] = float64(dy[i])
				}
				distance := float64(v) - float64(c[lane])
				sums[lane] += before[i]
				sums[Lanes+lane] += before[i] * distance
				backward[i] = float64(c[Lanes+lane])*before[i] + float64(c[2*Lanes+lane])*distance + float64(c[3*Lanes+lane])
			}
			for i, v := range sums {
				require.InDelta(t, v, state[i], 1e-3, "%d pixels: sum %d", pixels, i)
			}
			k.Gradient(dxIn, dresidualIn, dy, x, yIn, &c)
			require.NoError(t, near(dx, backward, 1e-5), "%d pixels: gradient", pixels)
			require.NoError(t, near(dresidual, before, 0), "%d pixels: gradient before the ReLU", pixels)
		}
	})
}

//go:build linux && amd64

package amd64_test

import (
	"fmt"
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/device/philox"
	"fovea/kernels/amd64"
)

// pool is the pooling kernels of an instruction set.
type pool struct {
	name        string
	present     bool
	max, min    func(y, x *float32, count, rows, cols, line, step int)
	winner      func(dx, dy, x, y *float32, count, rows, cols, line, step int)
	sum, spread func(to, from *float32, count, rows, cols, line, step int, factor float32)
}

var pools = []pool{
	{"avx512", cpu.X86.HasAVX512F, amd64.MaxPoolAVX512, amd64.MinPoolAVX512, amd64.PoolWinnerAVX512, amd64.PoolSumAVX512, amd64.PoolSpreadAVX512},
	{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, amd64.MaxPoolAVX2, amd64.MinPoolAVX2, amd64.PoolWinnerAVX2, amd64.PoolSumAVX2, amd64.PoolSpreadAVX2},
}

// windows is a row of windows of a map.
type windows struct{ count, rows, cols, line, step int }

func (w windows) pixels() int { return (w.count-1)*w.step + (w.rows-1)*w.line + w.cols }

// taps visits the elements of x in window n and lane c, row by row.
func (w windows) taps(n, c int, visit func(at int)) {
	for i := range w.rows {
		for j := range w.cols {
			visit((n*w.step+i*w.line+j)*16 + c)
		}
	}
}

// few draws from few values, so that windows have several largest, and now and then NaN or an infinity.
func few(src *philox.Source, nan bool) float32 {
	special := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	if n := src.Intn(30); nan && n < len(special) {
		return special[n]
	}
	return float32(src.Intn(5) - 2)
}

// Every kernel must read its windows and write its row (or its map) and nothing beside them, and give what it promises.
func TestPoolingStaysInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	rows := []windows{{1, 1, 1, 1, 1}, {3, 1, 1, 3, 1}, {25, 2, 2, 50, 2}, {14, 2, 3, 16, 1}, {13, 3, 2, 39, 3}, {26, 3, 3, 53, 2}, {7, 3, 3, 9, 1}, {2, 4, 4, 9, 5},
		{3, 1, 3, 5, 1}, {3, 3, 1, 5, 2}, {2, 2, 5, 9, 4}, {1, 7, 7, 7, 1}, {0, 3, 3, 5, 1}}
	for _, k := range pools {
		t.Run(k.name, func(t *testing.T) {
			if !k.present {
				t.Skip("this machine has no " + k.name)
			}
			for number, w := range rows {
				for _, atEnd := range []bool{true, false} {
					for _, nan := range []bool{false, true} {
						checkPooling(t, k, w, atEnd, nan, uint64(number))
					}
				}
			}
		})
	}
}

func checkPooling(t *testing.T, k pool, w windows, atEnd, nan bool, seed uint64) {
	src := philox.NewSource(philox.Stream{Seed: seed})
	n := max(1, w.count)
	x, y := fenced(t, 16*max(1, w.pixels()), atEnd), fenced(t, 16*n, atEnd)
	dx, dy := fenced(t, len(x), atEnd), fenced(t, 16*n, atEnd)
	for i := range x {
		x[i] = few(src, nan)
	}
	call := func(name string, do func()) {
		for i := range dx {
			dx[i] = 0.5
		}
		for i := range dy {
			dy[i] = float32(i%11) - 4
		}
		require.NotPanics(t, do, "%s %s: %+v, fence at the end %t", k.name, name, w, atEnd)
	}
	check := func(name string, got []float32, want []float64) {
		for i, v := range want {
			g := float64(got[i])
			if g != v && !(v != v && g != g) && !(math.Abs(g-v) < 1e-5) {
				t.Fatalf("%s %s: %+v, fence at the end %t, NaN %t, seed %d: element %d of pixel %d is %v, expected %v", k.name, name, w, atEnd, nan, seed, i%16, i/16, g, v)
			}
		}
	}
	const factor = 0.25
	for _, kind := range []struct {
		name   string
		do     func(y, x *float32, count, rows, cols, line, step int)
		better func(a, b float32) bool
	}{{"max", k.max, func(a, b float32) bool { return a > b }}, {"min", k.min, func(a, b float32) bool { return a < b }}} {
		best, grads := wide(y), constant(len(x), 0.5)
		for at := range 16 * w.count {
			first := -1
			w.taps(at/16, at%16, func(i int) {
				if first < 0 || x[first] == x[first] && (x[i] != x[i] || kind.better(x[i], x[first])) {
					first = i
				}
			})
			best[at] = float64(x[first])
			grads[first] += float64(at%11) - 4
		}
		call(kind.name, func() { kind.do(&y[0], &x[0], w.count, w.rows, w.cols, w.line, w.step) })
		check(kind.name, y, best)
		call("winner of "+kind.name, func() { k.winner(&dx[0], &dy[0], &x[0], &y[0], w.count, w.rows, w.cols, w.line, w.step) })
		check("winner of "+kind.name, dx, grads)
	}
	sums, grads := wide(y), constant(len(x), 0.5)
	for at := range 16 * w.count {
		sums[at] = 0
		w.taps(at/16, at%16, func(i int) {
			sums[at] += factor * float64(x[i])
			grads[i] += factor * (float64(at%11) - 4)
		})
	}
	call("sum", func() { k.sum(&y[0], &x[0], w.count, w.rows, w.cols, w.line, w.step, factor) })
	check("sum", y, sums)
	call("spread", func() { k.spread(&dx[0], &dy[0], w.count, w.rows, w.cols, w.line, w.step, factor) })
	check("spread", dx, grads)
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func constant(n int, v float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = v
	}
	return x
}

// With a zero of each sign as the largest, the first is kept, as in a search from the first tap on.
func TestMaxPoolKeepsTheFirstZero(t *testing.T) {
	for _, k := range pools {
		for _, w := range []windows{{1, 2, 2, 2, 2}, {1, 3, 3, 3, 1}, {1, 1, 4, 4, 1}} {
			t.Run(fmt.Sprintf("%s %dx%d", k.name, w.rows, w.cols), func(t *testing.T) {
				if !k.present {
					t.Skip("this machine has no " + k.name)
				}
				minus := float32(math.Copysign(0, -1))
				for _, zeros := range [][2]float32{{0, minus}, {minus, 0}} {
					x, y := make([]float32, 16*w.pixels()), make([]float32, 16)
					for i := range x {
						x[i] = zeros[min(1, i/16)]
					}
					k.max(&y[0], &x[0], w.count, w.rows, w.cols, w.line, w.step)
					require.Equal(t, math.Float32bits(zeros[0]), math.Float32bits(y[3]), "%v then %v gave %v", zeros[0], zeros[1], y[3])
				}
			})
		}
	}
}

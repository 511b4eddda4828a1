package winograd

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
	"fovea/kernels/isa"
)

func eachKernel(t *testing.T, test func(t *testing.T, k *Kernel)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) { test(t, For(set)) })
	}
}

// matrix is in float64, row by row.
type matrix [][]float64

// The matrices, made from the points: row i of G and column i of A^T have the powers of point i, row i of B^T is the
// polynomial that is 0 at all other points, and G's rows are divided by what that is at point i. Infinity has the highest powers.
var matrixBT, matrixG, matrixAT = toomCook(0, 0.75, -0.75, 1.5, -1.5)

func toomCook(points ...float64) (inputs, windows, outputs matrix) {
	n := len(points)
	powers := func(v float64, count int) (row []float64) {
		for k := range count {
			row = append(row, math.Pow(v, float64(k)))
		}
		return row
	}
	without := func(skip int) []float64 { // the polynomial with all roots but one
		c := []float64{1}
		for i, root := range points {
			if i == skip {
				continue
			}
			c = append(c, 0)
			for k := len(c) - 1; k >= 0; k-- {
				c[k] *= -root
				if k > 0 {
					c[k] += c[k-1]
				}
			}
		}
		return append(c, make([]float64, n+1-len(c))...)
	}
	var at matrix
	for i, v := range points {
		row := without(i)
		inputs = append(inputs, row)
		own := 0.0
		for k, c := range row {
			own += c * math.Pow(v, float64(k))
		}
		window := powers(v, 3)
		for k := range window {
			window[k] /= own
		}
		windows, at = append(windows, window), append(at, powers(v, 4))
	}
	inputs, windows, at = append(inputs, without(n)), append(windows, []float64{0, 0, 1}), append(at, []float64{0, 0, 0, 1})
	return inputs, windows, at.transposed()
}

func zeros(rows, cols int) matrix {
	m := make(matrix, rows)
	for i := range m {
		m[i] = make([]float64, cols)
	}
	return m
}

func (m matrix) transposed() matrix {
	t := zeros(len(m[0]), len(m))
	for i, row := range m {
		for j, v := range row {
			t[j][i] = v
		}
	}
	return t
}

func (m matrix) times(n matrix) matrix {
	p := zeros(len(m), len(n[0]))
	for i := range p {
		for j := range p[i] {
			for k, v := range m[i] {
				p[i][j] += v * n[k][j]
			}
		}
	}
	return p
}

// around is m x m^T.
func (m matrix) around(x matrix) matrix { return m.times(x).times(m.transposed()) }

func normal(src *philox.Source, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(src.Normal(0, 1))
	}
	return x
}

const guard = 12345.5

func guarded(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = guard
	}
	return x
}

// The three matrices make a convolution: the identity that all else rests on.
func TestMatricesMakeAConvolution(t *testing.T) {
	src := philox.NewSource(philox.Stream{Seed: 1})
	d, g := zeros(6, 6), zeros(3, 3)
	for _, m := range []matrix{d, g} {
		for i := range m {
			for j := range m[i] {
				m[i][j] = src.Normal(0, 1)
			}
		}
	}
	product, v := matrixG.around(g), matrixBT.around(d)
	for i := range product {
		for j := range product[i] {
			product[i][j] *= v[i][j]
		}
	}
	y := matrixAT.around(product)
	for i := range Tile {
		for j := range Tile {
			want := 0.0
			for r := range 3 {
				for s := range 3 {
					want += g[r][s] * d[i+r][j+s]
				}
			}
			require.InDelta(t, want, y[i][j], 1e-12, "element (%d, %d)", i, j)
		}
	}
}

func TestTilesToCoefficients(t *testing.T) {
	transforms := []struct {
		name string
		m    matrix
		do   func(k *Kernel) func(v []float32, stride int, x *Map, top, left, tiles int)
	}{
		{"input", matrixBT, func(k *Kernel) func([]float32, int, *Map, int, int, int) { return k.Input }},
		{"gradient", matrixAT.transposed(), func(k *Kernel) func([]float32, int, *Map, int, int, int) { return k.Gradient }},
	}
	cases := []struct{ height, width, top, left, tiles int }{
		{6, 6, 0, 0, 1}, {6, 10, 0, 0, 2}, {20, 24, 3, 2, 4}, {7, 7, -1, -1, 2}, {7, 7, 3, -1, 2}, {14, 14, -1, -1, 4}, {14, 14, 11, -1, 4},
		{14, 14, 3, -1, 4}, {14, 14, 3, 3, 3}, {15, 9, -2, -2, 3}, {1, 5, -1, -1, 2}, {3, 3, -2, -2, 2}, {1, 1, -2, -2, 1}, {56, 56, 7, -1, 14},
		{6, 22, 0, -2, 6}, {4, 4, 0, 0, 1}, {5, 4, 4, 0, 1}, {9, 30, 4, 1, 8}, {8, 8, 0, 0, 0}, {8, 8, -20, 0, 2}, {8, 8, 0, 40, 2},
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, tr := range transforms {
			for number, c := range cases {
				src := philox.NewSource(philox.Stream{Seed: uint64(number)})
				size := len(tr.m[0])
				x := &Map{normal(src, c.height*c.width*Lanes), c.height, c.width}
				stride := c.tiles*Lanes + Lanes*(number%3)
				v := guarded(Coefficients * stride)
				tr.do(k)(v, stride, x, c.top, c.left, c.tiles)
				for at, got := range v {
					i, tile, l := at/max(stride, 1), at%max(stride, 1)/Lanes, at%Lanes
					if tile >= c.tiles {
						require.Equal(t, float32(guard), got, "%s of %+v: number %d is beside the tiles", tr.name, c, at)
						continue
					}
					d := zeros(size, size)
					for r := range d {
						for s := range d[r] {
							if h, w := c.top+r, c.left+Tile*tile+s; h >= 0 && h < c.height && w >= 0 && w < c.width {
								d[r][s] = float64(x.Data[(h*c.width+w)*Lanes+l])
							}
						}
					}
					want := 0.0 // one element of m d m^T
					for r := range d {
						for s := range d[r] {
							want += tr.m[i/6][r] * tr.m[i%6][s] * d[r][s]
						}
					}
					if !(math.Abs(want-float64(got)) < 2e-4) {
						t.Fatalf("%v, expected %v: %s of %+v: coefficient %d, tile %d, lane %d", got, want, tr.name, c, i, tile, l)
					}
				}
			}
		}
	})
}

func TestOutput(t *testing.T) {
	cases := []struct{ height, width, top, left, tiles int }{
		{4, 4, 0, 0, 1}, {4, 12, 0, 0, 3}, {7, 7, 0, 0, 2}, {7, 7, 4, 0, 2}, {13, 13, 12, 0, 4}, {13, 13, 4, 4, 3}, {1, 5, 0, 0, 2}, {3, 3, 0, 0, 1},
		{1, 1, 0, 0, 1}, {9, 31, 4, 0, 8}, {8, 8, 4, 4, 1}, {8, 8, 0, 0, 0},
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for number, c := range cases {
			for variant := range 2 * 3 * 3 {
				relu, biases, adding := variant%2 == 1, []int{0, 5, 16}[variant/2%3], variant/6
				src := philox.NewSource(philox.Stream{Seed: uint64(number)})
				stride := c.tiles*Lanes + Lanes*(number%2)
				m := normal(src, Coefficients*stride)
				bias := normal(src, biases)
				y := &Map{guarded(c.height * c.width * Lanes), c.height, c.width}
				var add []float32
				switch adding {
				case 1:
					add = normal(src, len(y.Data))
				case 2:
					copy(y.Data, normal(src, len(y.Data)))
					add = y.Data
				}
				before, added := append([]float32(nil), y.Data...), append([]float32(nil), add...)
				e := NewEpilogue(bias, relu)
				k.Output(y, c.top, c.left, c.tiles, m, stride, &e, add)
				for at, got := range y.Data {
					h, w, l := at/Lanes/c.width-c.top, at/Lanes%c.width-c.left, at%Lanes
					if h < 0 || h >= Tile || w < 0 || w >= Tile*c.tiles {
						require.Equal(t, before[at], got, "%+v: pixel (%d, %d) is beside the tiles", c, h, w)
						continue
					}
					want := 0.0
					if l < biases {
						want = float64(bias[l])
					}
					if add != nil {
						want += float64(added[at])
					}
					for i := range Coefficients {
						want += matrixAT[h][i/6] * matrixAT[w%Tile][i%6] * float64(m[i*stride+w/Tile*Lanes+l])
					}
					if relu {
						want = max(want, 0)
					}
					if !(math.Abs(want-float64(got)) < 2e-4) {
						t.Fatalf("%v, expected %v: %+v, relu %t, %d biases, adding %d: pixel (%d, %d), lane %d", got, want, c, relu, biases, adding, h, w, l)
					}
				}
			}
		}
	})
}

// NaN must come through ReLU, and an infinite bias is in every pixel.
func TestOutputOfNaN(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		m := make([]float32, Coefficients*Lanes)
		m[7*Lanes+3] = float32(math.NaN())
		bias := make([]float32, Lanes)
		bias[5] = float32(math.Inf(1))
		y := &Map{make([]float32, Tile*Tile*Lanes), Tile, Tile}
		e := NewEpilogue(bias, true)
		k.Output(y, 0, 0, 1, m, Lanes, &e, nil)
		for at, v := range y.Data {
			require.Equal(t, at%Lanes == 3, math.IsNaN(float64(v)), "element %d is %v", at, v)
			require.Equal(t, at%Lanes == 5, math.IsInf(float64(v), 1), "element %d is %v", at, v)
		}
	})
}

func TestWeights(t *testing.T) {
	cases := []struct {
		name  string
		first int
		s     Windows
		count int
	}{
		{"forward", 0, Windows{Lane: 5 * Taps, Tap: 1, Next: Taps, Lanes: 16}, 5},
		{"forward, some lanes", 0, Windows{Lane: 7 * Taps, Tap: 1, Next: Taps, Lanes: 3}, 7},
		{"turned and transposed", Taps - 1, Windows{Lane: Taps, Tap: -1, Next: 16 * Taps, Lanes: 16}, 4},
		{"turned and transposed, some lanes", Taps - 1, Windows{Lane: Taps, Tap: -1, Next: 9 * Taps, Lanes: 9}, 4},
		{"one", 0, Windows{Tap: 1, Lanes: 1}, 1},
		{"none", 0, Windows{Tap: 1, Lanes: 1}, 0},
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for number, c := range cases {
			src := philox.NewSource(philox.Stream{Seed: uint64(number)})
			w := normal(src, (c.s.Lanes-1)*c.s.Lane+max(0, c.count-1)*c.s.Next+Taps)
			step := Lanes + 16*(number%2)
			stride := c.count*step + 16
			u := guarded(Coefficients * stride)
			k.Weights(u, stride, step, w, c.first, c.s, c.count)
			for at, got := range u {
				i, n, l := at/stride, at%stride/step, at%stride%step
				if n >= c.count || l >= Lanes {
					require.Equal(t, float32(guard), got, "%s: number %d is beside the windows", c.name, at)
					continue
				}
				want := 0.0
				for tap := 0; tap < Taps && l < c.s.Lanes; tap++ {
					want += matrixG[i/6][tap/3] * matrixG[i%6][tap%3] * float64(w[c.first+l*c.s.Lane+tap*c.s.Tap+n*c.s.Next])
				}
				if !(math.Abs(want-float64(got)) < 2e-6) {
					t.Fatalf("%v, expected %v: %s: coefficient %d, vector %d, lane %d", got, want, c.name, i, n, l)
				}
			}
		}
	})
}

func TestWeightsGradient(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, count := range []int{0, 1, 5} {
			for _, step := range []int{Lanes, 2 * Lanes} {
				src := philox.NewSource(philox.Stream{Seed: uint64(count)})
				stride := count*step + 16
				u := normal(src, Coefficients*stride)
				dw := guarded(count*Taps*Lanes + 3)
				k.WeightsGradient(dw, u, stride, step, count)
				for at, got := range dw {
					n, tap, l := at/(Taps*Lanes), at/Lanes%Taps, at%Lanes
					if n >= count {
						require.Equal(t, float32(guard), got)
						continue
					}
					want := 0.0
					for i := range Coefficients {
						want += matrixG[i/6][tap/3] * matrixG[i%6][tap%3] * float64(u[i*stride+n*step+l])
					}
					if !(math.Abs(want-float64(got)) < 4e-6) {
						t.Fatalf("%v, expected %v: %d windows, step %d: window %d, tap %d, lane %d", got, want, count, step, n, tap, l)
					}
				}
			}
		}
	})
}

// Where a tile lies, inside or at the rim, whole or clipped, its bits are the same.
func TestTilesDoNotDependOnTheirNeighbours(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 3})
		x := &Map{normal(src, 14*30*Lanes), 14, 30}
		for _, do := range []func([]float32, int, *Map, int, int, int){k.Input, k.Gradient} {
			whole, alone := make([]float32, Coefficients*7*Lanes), make([]float32, Coefficients*Lanes)
			do(whole, 7*Lanes, x, 3, -1, 7)
			for tile := range 7 {
				do(alone, Lanes, x, 3, -1+Tile*tile, 1)
				for i := range Coefficients {
					require.Equal(t, alone[i*Lanes:][:Lanes], whole[(i*7+tile)*Lanes:][:Lanes], "coefficient %d of tile %d", i, tile)
				}
			}
		}
	})
}

// A slice that is too short panics before any assembly runs.
func TestShortSlicesPanic(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		f := func(n int) []float32 { return make([]float32, n) }
		whole := &Map{f(36 * Lanes), 6, 6}
		short := &Map{f(36*Lanes - 1)[: 36*Lanes-1 : 36*Lanes-1], 6, 6}
		v := f(Coefficients * Lanes)
		e := NewEpilogue(nil, false)
		for name, do := range map[string]func(){
			"input's map":          func() { k.Input(v, Lanes, short, 0, 0, 1) },
			"input's result":       func() { k.Input(v[1:], Lanes, whole, 0, 0, 1) },
			"input's result, rim":  func() { k.Input(v[1:], Lanes, whole, -1, 0, 1) },
			"gradient's map":       func() { k.Gradient(v, Lanes, short, 0, 0, 1) },
			"output's map":         func() { k.Output(short, 0, 0, 1, v, Lanes, &e, nil) },
			"output's tile":        func() { k.Output(whole, 0, 0, 1, v[1:], Lanes, &e, nil) },
			"output's addend":      func() { k.Output(whole, 0, 0, 1, v, Lanes, &e, short.Data) },
			"output's place":       func() { k.Output(whole, 6, 0, 1, v, Lanes, &e, nil) },
			"output's tiles":       func() { k.Output(whole, 0, 0, 3, f(Coefficients*3*Lanes), 3*Lanes, &e, nil) },
			"weights":              func() { k.Weights(v, Lanes, Lanes, f(16*9-1), 0, Windows{9, 1, 9, 16}, 1) },
			"weights, turned":      func() { k.Weights(v, Lanes, Lanes, f(16*9), 7, Windows{9, -1, 9, 16}, 1) },
			"weights' result":      func() { k.Weights(v[1:], Lanes, Lanes, f(16*9), 0, Windows{9, 1, 9, 16}, 1) },
			"weights' lanes":       func() { k.Weights(v, Lanes, Lanes, f(17*9), 0, Windows{9, 1, 9, 17}, 1) },
			"weights' gradient":    func() { k.WeightsGradient(f(9*Lanes-1), v, Lanes, Lanes, 1) },
			"weights' gradient, u": func() { k.WeightsGradient(f(9*Lanes), v[1:], Lanes, Lanes, 1) },
		} {
			require.Panics(t, do, name)
		}
	})
}

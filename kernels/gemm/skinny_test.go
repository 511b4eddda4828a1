package gemm

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// rowMajor is how Dots has both operands, and Outer its right one.
var rowMajor, columnMajor = layouts[0], layouts[2]

// act is what a Dots or a Finish makes of a sum.
func act(sum float64, bias []float32, j int, relu bool) float64 {
	if bias != nil {
		sum += float64(bias[j])
	}
	if relu && sum <= 0 {
		sum = 0
	}
	return sum
}

// checkRows compares rows [0, rows) and columns [j0, j1) of y with want in float64, everything else with the guard.
func checkRows(y []float32, rows, ldy, j0, j1 int, want func(i, j int) (value, bound float64)) error {
	for at, got := range y {
		i, j := (at-band)/max(1, ldy), (at-band)%max(1, ldy)
		if at < band || i >= rows || j < j0 || j >= j1 {
			if got != guard {
				return fmt.Errorf("number %d from the start is outside and became %v", at-band, got)
			}
			continue
		}
		if value, bound := want(i, j); !(math.Abs(float64(got)-value) <= bound) {
			return fmt.Errorf("element (%d, %d) is %v, in float64 %v (allowed error %.3g)", i, j, got, value, bound)
		}
	}
	return nil
}

// inside is y without the bands before and after.
func inside(y []float32) []float32 { return y[band : len(y)-band : len(y)-band] }

func TestDots(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {1, 7, 0}, {0, 3, 2}, {3, 0, 5}, {4, 6, 16}, {5, 9, 17}, {1, 13, 40}, {7, 8, 2100}, {65, 5, 33}, {130, 3, 31}, {3, 7, 33000}}
	src := philox.NewSource(philox.Stream{Seed: 21})
	for range 40 {
		sizes = append(sizes, [3]int{1 + src.Intn(20), 1 + src.Intn(30), 1 + src.Intn(200)})
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		ws := k.dirty()
		for number, size := range sizes {
			n, m, depth := size[0], size[1], size[2]
			src := philox.NewSource(philox.Stream{Seed: uint64(number), ID: 2})
			x, w := draw(src, n, depth, rowMajor), draw(src, m, depth, rowMajor)
			j0 := src.Intn(m + 1)
			j1 := j0 + src.Intn(m-j0+1)
			if number%3 == 0 {
				j0, j1 = 0, m
			}
			var bias []float32
			if number%2 == 0 {
				bias = draw(src, 1, m, rowMajor).Data
			}
			relu := number%4 < 2
			y := filled(2*band+n*m, guard)
			k.Dots(ws, inside(y), m, x.Data, n, w.Data, j0, j1, depth, bias, relu)
			require.NoError(t, checkRows(y, n, m, j0, j1, func(i, j int) (float64, float64) {
				sum, size := 0.0, 1.0
				for s := range depth {
					term := x.at(i, s) * w.at(j, s)
					sum, size = sum+term, size+math.Abs(term)
				}
				return act(sum, bias, j, relu), float64(depth/k.lanes+8) * size / (1 << 23)
			}), "%s: %d x %d x %d, columns [%d, %d), bias %t, ReLU %t, seed %d", k.Name, n, depth, m, j0, j1, bias != nil, relu, number)
		}
	})
}

func TestOuter(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {3, 5, 0}, {0, 3, 2}, {3, 0, 5}, {8, 32, 16}, {9, 33, 17}, {15, 48, 64}, {13, 600, 65}, {2, 31, 130}, {100, 47, 20}, {3, 9000, 2}}
	src := philox.NewSource(philox.Stream{Seed: 23})
	for range 40 {
		sizes = append(sizes, [3]int{1 + src.Intn(20), 1 + src.Intn(100), 1 + src.Intn(100)})
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		ws := k.dirty()
		for number, size := range sizes {
			rows, cols, depth := size[0], size[1], size[2]
			src := philox.NewSource(philox.Stream{Seed: uint64(number), ID: 3})
			a, b := draw(src, rows, depth, layouts[number%len(layouts)]), draw(src, cols, depth, columnMajor)
			c := filled(2*band+rows*cols, guard)
			k.Outer(ws, inside(c), cols, 0, rows, 0, cols, depth, a.Strided, b.Data, cols)
			require.NoError(t, checkRows(c, rows, cols, 0, cols, func(i, j int) (float64, float64) {
				sum, size := 0.0, 0.0
				for s := range depth {
					term := a.at(i, s) * b.at(j, s)
					sum, size = sum+term, size+math.Abs(term)
				}
				return sum, float64(depth+2) * size / (1 << 24)
			}), "%s: %d x %d x %d, A in %s, seed %d", k.Name, rows, depth, cols, layouts[number%len(layouts)].name, number)
		}
	})
}

// A result beyond the caches is written past them, where it is aligned; where not, it must come out all the same.
func TestOuterOfALargeResult(t *testing.T) {
	const rows, depth, cols = 2, 3, pastBytes/8 + 16
	eachKernel(t, func(t *testing.T, k *Kernel) {
		b := filled(depth*cols, 0)
		for i := range b {
			b[i] = float32(i % 1021)
		}
		for _, skip := range []int{0, 1} {
			c := filled(rows*cols+2, guard)
			k.Outer(k.dirty(), c[skip:rows*cols+skip], cols, 0, rows, 0, cols, depth, Strided{Data: []float32{1, 2, 3, 4, 5, 6}, Row: 3, Depth: 1}, b, cols)
			for i := range rows {
				for j := range cols {
					want := float32(3*i+1)*b[j] + float32(3*i+2)*b[cols+j] + float32(3*i+3)*b[2*cols+j]
					if got := c[skip+i*cols+j]; got != want {
						t.Fatalf("%s: element (%d, %d) is %v, expected %v, moved by %d", k.Name, i, j, got, want, skip)
					}
				}
			}
			require.EqualValues(t, guard, c[rows*cols+1])
		}
	})
}

// However the product is cut, each element has the same bits.
func TestPartsOfSkinnyProductsGiveTheSameBits(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 25})
		for range 20 {
			n, m, depth := 1+src.Intn(70), 1+src.Intn(60), 1+src.Intn(2200)
			x, w := draw(src, n, depth, rowMajor), draw(src, m, depth, rowMajor)
			a, b := draw(src, n, m, rowMajor), draw(src, depth, m, columnMajor)
			products := map[string]func(ws *Workspace, y []float32, i0, i1, j0, j1 int){
				"Dots": func(ws *Workspace, y []float32, _, _, j0, j1 int) {
					k.Dots(ws, y, m, x.Data, n, w.Data, j0, j1, depth, nil, true)
				},
				"Outer": func(ws *Workspace, y []float32, i0, i1, j0, j1 int) {
					k.Outer(ws, y, depth, i0, i1, j0, j1, m, a.Strided, b.Data, depth)
				},
			}
			for name, product := range products {
				cols := m
				if name == "Outer" {
					cols = depth
				}
				whole, parts := make([]float32, n*cols), make([]float32, n*cols)
				product(k.dirty(), whole, 0, n, 0, cols)
				for _, j := range cuts(src, cols) {
					i := cuts(src, n)
					if name == "Dots" {
						i = [][2]int{{0, n}}
					}
					for _, i := range i {
						product(k.dirty(), parts, i[0], i[1], j[0], j[1])
					}
				}
				for at, v := range whole {
					require.Equal(t, math.Float32bits(v), math.Float32bits(parts[at]), "%s, %s: n %d, m %d, depth %d: element (%d, %d) is %v in parts, %v at once",
						k.Name, name, n, m, depth, at/cols, at%cols, parts[at], v)
				}
			}
		}
	})
}

func TestFinish(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	special := []float32{nan, inf, -inf, 0, 1e-45, -1e-45, 3e38, -3e38}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 27})
		ws := k.dirty()
		for _, cols := range []int{1, 7, 8, 15, 16, 17, 100} {
			for _, relu := range []bool{false, true} {
				for _, given := range []bool{false, true} {
					const rows = 5
					y := filled(2*band+rows*cols, guard)
					for i := range inside(y) {
						inside(y)[i] = float32(src.Normal(0, 1))
						if i%3 == 0 {
							inside(y)[i] = special[i/3%len(special)]
						}
					}
					before := append([]float32(nil), y...)
					var bias []float32
					if given {
						bias = draw(src, 1, cols, rowMajor).Data
					}
					j0, j1 := cols/3, cols-cols/4
					k.Finish(ws, inside(y), cols, Block(1, 4, j0, j1), bias, relu)
					for at, got := range y {
						want := before[at]
						if i, j := (at-band)/cols, (at-band)%cols; at >= band && i >= 1 && i < 4 && j >= j0 && j < j1 {
							if given {
								want += bias[j]
							}
							if relu && want <= 0 {
								want = 0
							}
						}
						if got != want && (got == got || want == want) {
							t.Fatalf("%s: %d columns, bias %t, ReLU %t: number %d is %v, expected %v (before %v)", k.Name, cols, given, relu, at-band, got, want, before[at])
						}
					}
				}
			}
		}
	})
}

// NaN and infinities stay in their row and column.
func TestNaNStaysInItsRowAndColumnOfSkinnyProducts(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 29})
		const n, m, depth = 5, 9, 21
		x, w := draw(src, n, depth, rowMajor), draw(src, m, depth, rowMajor)
		x.Data[3*depth+20], w.Data[7*depth+2] = float32(math.NaN()), float32(math.Inf(1))
		dots, outer := make([]float32, n*m), make([]float32, n*m)
		k.Dots(k.dirty(), dots, m, x.Data, n, w.Data, 0, m, depth, nil, false)
		turned := draw(src, m, depth, columnMajor)
		for j := range m {
			for s := range depth {
				turned.Data[s*m+j] = w.Data[j*depth+s]
			}
		}
		k.Outer(k.dirty(), outer, m, 0, n, 0, m, depth, x.Strided, turned.Data, m)
		for at := range dots {
			for name, y := range map[string][]float32{"Dots": dots, "Outer": outer} {
				v := float64(y[at])
				require.Equal(t, at/m == 3, math.IsNaN(v), "%s, %s: element (%d, %d) is %v", k.Name, name, at/m, at%m, v)
				require.Equal(t, at/m != 3 && at%m == 7, math.IsInf(v, 0), "%s, %s: element (%d, %d) is %v", k.Name, name, at/m, at%m, v)
			}
		}
	})
}

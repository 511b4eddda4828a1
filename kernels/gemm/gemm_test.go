package gemm

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
	"fovea/kernels/isa"
)

// eachKernel runs a test with every kernel of this machine.
func eachKernel(t *testing.T, test func(t *testing.T, k *Kernel)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) { test(t, For(set)) })
	}
}

// matrix is an operand with its elements in the clear: element (row, k) is at[row*depth+k].
type matrix struct {
	Strided
	rows, depth int
}

func (m matrix) at(row, k int) float64 { return float64(m.Data[row*m.Row+k*m.Depth]) }

// layout is how a matrix lies in memory.
type layout struct {
	name    string
	strides func(rows, depth int) (row, depthStep int)
}

var layouts = []layout{
	{"rows", func(rows, depth int) (int, int) { return depth, 1 }},
	{"padded rows", func(rows, depth int) (int, int) { return depth + 3, 1 }},
	{"columns", func(rows, depth int) (int, int) { return 1, rows }},
	{"padded columns", func(rows, depth int) (int, int) { return 1, rows + 5 }},
	{"every third of a row", func(rows, depth int) (int, int) { return 3*depth + 1, 3 }},
}

// draw makes a matrix whose slice ends with its last element; what lies between the elements is NaN.
func draw(src *philox.Source, rows, depth int, l layout) matrix {
	m := matrix{rows: rows, depth: depth}
	m.Row, m.Depth = l.strides(rows, depth)
	m.Data = make([]float32, 0)
	if rows > 0 && depth > 0 {
		m.Data = filled((rows-1)*m.Row+(depth-1)*m.Depth+1, float32(math.NaN()))
	}
	for i := range rows {
		for k := range depth {
			m.Data[i*m.Row+k*m.Depth] = float32(src.Normal(0, 1))
		}
	}
	return m
}

func filled(n int, v float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}

// dirty is a workspace of NaN: what a product takes from it that it has not packed will show.
func (k *Kernel) dirty() *Workspace {
	return k.NewWorkspace(func(n int) []float32 { return filled(n, float32(math.NaN())) })
}

const guard = 12345.5

// product is a trial of Multiply: a product of rows x depth and depth x cols in a C with a guard band all around, and
// columns to the right that are not its own.
type product struct {
	rows, cols, depth, ldc int
	a, b                   matrix
	before, c              []float32
	accumulate             bool
}

const band = 64

func newProduct(src *philox.Source, rows, cols, depth, spare int, left, right layout, accumulate bool) *product {
	p := &product{rows: rows, cols: cols, depth: depth, ldc: cols + spare, accumulate: accumulate}
	p.a, p.b = draw(src, rows, depth, left), draw(src, cols, depth, right)
	p.c = filled(2*band+rows*p.ldc, guard)
	for i := range rows {
		for j := range cols {
			p.c[band+i*p.ldc+j] = float32(src.Normal(0, 1))
			if !accumulate {
				p.c[band+i*p.ldc+j] = float32(math.NaN()) // must be overwritten, not added to
			}
		}
	}
	p.before = append([]float32(nil), p.c...)
	return p
}

// inner is C without the bands; its capacity ends with it.
func (p *product) inner() []float32 { return p.c[band : band+p.rows*p.ldc : band+p.rows*p.ldc] }

// check compares every element inside [i0, i1) x [j0, j1) with the product in float64, every other with what it was.
func (p *product) check(i0, i1, j0, j1 int) error {
	for at := range p.c {
		i, j := 0, -1
		if at >= band && at < band+p.rows*p.ldc {
			i, j = (at-band)/p.ldc, (at-band)%p.ldc
		}
		got, before := p.c[at], p.before[at]
		if j < j0 || j >= j1 || i < i0 || i >= i1 {
			if math.Float32bits(got) != math.Float32bits(before) {
				return fmt.Errorf("element (%d, %d), number %d from the start of C, is outside of the product and became %v, was %v", i, j, at-band, got, before)
			}
			continue
		}
		want, size := 0.0, 0.0
		if p.accumulate {
			want, size = float64(before), math.Abs(float64(before))
		}
		for k := range p.depth {
			term := p.a.at(i, k) * p.b.at(j, k)
			want += term
			size += math.Abs(term)
		}
		// Each of depth additions is off by at most 2^-24 of the sum so far, which is at most size.
		if bound := float64(p.depth+2) * size / (1 << 24); !(math.Abs(float64(got)-want) <= bound) {
			return fmt.Errorf("element (%d, %d) is %v, in float64 %v (allowed error %.3g)", i, j, got, want, bound)
		}
	}
	return nil
}

func TestMultiply(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {1, 1, 0}, {5, 7, 0}, {0, 5, 3}, {5, 0, 3}, {14, 32, 8}, {6, 16, 8}, {4, 4, 8}, {13, 31, 9}, {15, 33, 9},
		{28, 64, 1}, {29, 65, 2}, {12, 32, 255}, {17, 35, 256}, {17, 35, 257}, {17, 35, 400}, {40, 70, 773}, {29, 65, 781}, {30, 66, 390}, {31, 67, 1000}, {3, 5, 600}, {14, 32, 512}, {170, 40, 20}, {337, 7, 30},
		{7, 1030, 20}, {2, 2050, 3}, {20, 1024, 9}, {97, 50, 30}, {520, 70, 12}}
	src := philox.NewSource(philox.Stream{Seed: 1})
	for range 60 {
		sizes = append(sizes, [3]int{1 + src.Intn(70), 1 + src.Intn(70), 1 + src.Intn(70)})
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		ws := k.dirty() // shared, so that what one product leaves there meets the next
		for number, size := range sizes {
			seed := uint64(number)
			src := philox.NewSource(philox.Stream{Seed: seed, ID: 1})
			left, right := layouts[number%len(layouts)], layouts[number/2%len(layouts)]
			for _, accumulate := range []bool{false, true} {
				p := newProduct(src, size[0], size[1], size[2], src.Intn(3), left, right, accumulate)
				k.Multiply(ws, p.inner(), p.ldc, Block(0, p.rows, 0, p.cols), p.depth, p.a.Strided, p.b.Strided, accumulate)
				if err := p.check(0, p.rows, 0, p.cols); err != nil {
					t.Fatalf("%s: %d x %d x %d, A in %s, B in %s, ldc %d, accumulate %t, seed %d: %v",
						k.Name, size[0], size[1], size[2], left.name, right.name, p.ldc, accumulate, seed, err)
				}
			}
		}
	})
}

// Every layout with every other.
func TestMultiplyOfEveryLayout(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, left := range layouts {
			for _, right := range layouts {
				p := newProduct(philox.NewSource(philox.Stream{Seed: 3}), 19, 37, 270, 2, left, right, false)
				k.Multiply(k.dirty(), p.inner(), p.ldc, Block(0, p.rows, 0, p.cols), p.depth, p.a.Strided, p.b.Strided, false)
				require.NoError(t, p.check(0, p.rows, 0, p.cols), "%s: A in %s, B in %s", k.Name, left.name, right.name)
			}
		}
	})
}

// A part of C is computed without touching the rest.
func TestMultiplyOfAPart(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 5})
		for range 40 {
			rows, cols, depth := 1+src.Intn(70), 1+src.Intn(70), src.Intn(300)
			i0, j0 := src.Intn(rows+1), src.Intn(cols+1)
			i1, j1 := i0+src.Intn(rows-i0+1), j0+src.Intn(cols-j0+1)
			for _, accumulate := range []bool{false, true} {
				p := newProduct(src, rows, cols, depth, 1, layouts[0], layouts[2], accumulate)
				k.Multiply(k.dirty(), p.inner(), p.ldc, Block(i0, i1, j0, j1), depth, p.a, p.b, accumulate)
				require.NoError(t, p.check(i0, i1, j0, j1), "%s: rows [%d, %d) of %d, columns [%d, %d) of %d, depth %d, accumulate %t",
					k.Name, i0, i1, rows, j0, j1, cols, depth, accumulate)
			}
		}
	})
}

// However C is cut, each element has the same bits.
func TestPartsGiveTheSameBits(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 7})
		for range 20 {
			rows, cols, depth := 1+src.Intn(200), 1+src.Intn(120), 1+src.Intn(600)
			for _, accumulate := range []bool{false, true} {
				p := newProduct(src, rows, cols, depth, 0, layouts[src.Intn(len(layouts))], layouts[src.Intn(len(layouts))], accumulate)
				k.Multiply(k.dirty(), p.inner(), p.ldc, Block(0, rows, 0, cols), depth, p.a.Strided, p.b.Strided, accumulate)
				whole := append([]float32(nil), p.c...)
				copy(p.c, p.before)
				for _, i := range cuts(src, rows) {
					for _, j := range cuts(src, cols) {
						k.Multiply(k.dirty(), p.inner(), p.ldc, Block(i[0], i[1], j[0], j[1]), depth, p.a.Strided, p.b.Strided, accumulate)
					}
				}
				same := func(parts any) {
					for at, v := range whole {
						require.Equal(t, math.Float32bits(v), math.Float32bits(p.c[at]), "%s: %d x %d x %d, accumulate %t: element (%d, %d) is %v in parts %v, %v at once",
							k.Name, rows, cols, depth, accumulate, (at-band)/p.ldc, (at-band)%p.ldc, p.c[at], parts, v)
					}
				}
				same("that are blocks")
				copy(p.c, p.before)
				stretches := cuts(src, k.Steps(rows, cols))
				for _, s := range stretches {
					k.Multiply(k.dirty(), p.inner(), p.ldc, k.Stretch(rows, cols, s[0], s[1]), depth, p.a.Strided, p.b.Strided, accumulate)
				}
				same(stretches)
			}
		}
	})
}

// Where there are many rows, the first ones copy B as it lies for the others: all of it, or the stretches that a worker has.
func TestFirstRowsCopy(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 12})
		for number, cols := range []int{k.NR, 3 * k.NR, 2*k.NR + 3, 5*k.NR - 1, 5 * k.NR, blockCols + 2*k.NR + 1} {
			rows, depth := k.lie+1+src.Intn(2*k.MR), 1+src.Intn(40)
			if number%2 == 0 {
				depth += blockDepth
			}
			for _, left := range layouts {
				p := newProduct(src, rows, cols, depth, 1, left, layouts[2+number%2], number > 2)
				k.Multiply(k.dirty(), p.inner(), p.ldc, Block(0, rows, 0, cols), depth, p.a.Strided, p.b.Strided, p.accumulate)
				require.NoError(t, p.check(0, rows, 0, cols), "%s: %d x %d x %d, A in %s", k.Name, rows, cols, depth, left.name)
				whole := append([]float32(nil), p.c...)
				copy(p.c, p.before)
				stretches := cuts(src, k.Steps(rows, cols))
				for _, s := range stretches {
					k.Multiply(k.dirty(), p.inner(), p.ldc, k.Stretch(rows, cols, s[0], s[1]), depth, p.a.Strided, p.b.Strided, p.accumulate)
				}
				require.Equal(t, patterns(whole), patterns(p.c), "%s: %d x %d x %d, A in %s, by %v", k.Name, rows, cols, depth, left.name, stretches)
			}
		}
	})
}

// patterns are the numbers as they lie in memory, of which NaN equals itself.
func patterns(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

// However finely C is divided, each element is in one part and is finished by its worker alone.
func TestStretchesMeet(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 8})
		for range 200 {
			rows, cols := 1+src.Intn(70), 1+src.Intn(140)
			n, workers := k.Steps(rows, cols), 1+src.Intn(9)
			y := make([]float32, rows*cols)
			var parts []Part
			for w := range workers {
				parts = append(parts, k.Stretch(rows, cols, n*w/workers, n*(w+1)/workers))
				k.Finish(k.dirty(), y, cols, parts[w], filled(cols, 1), false)
			}
			require.Equal(t, filled(rows*cols, 1), y, "%s: %d x %d by %d: %v", k.Name, rows, cols, workers, parts)
		}
	})
}

// cuts divides [0, n) into at most five parts.
func cuts(src *philox.Source, n int) [][2]int {
	var parts [][2]int
	for from := 0; from < n; {
		to := n
		if len(parts) < 4 {
			to = from + 1 + src.Intn(n-from)
		}
		parts = append(parts, [2]int{from, to})
		from = to
	}
	return parts
}

// NaN and infinities stay in their row and column.
func TestNaNStaysInItsRowAndColumn(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 9})
		p := newProduct(src, 20, 40, 9, 0, layouts[0], layouts[0], false)
		p.a.Data[3*p.a.Row+5], p.b.Data[17*p.b.Row+2] = float32(math.NaN()), float32(math.Inf(1))
		k.Multiply(k.dirty(), p.inner(), p.ldc, Block(0, p.rows, 0, p.cols), p.depth, p.a.Strided, p.b.Strided, false)
		for i := range p.rows {
			for j := range p.cols {
				v := float64(p.inner()[i*p.ldc+j])
				require.Equal(t, i == 3, math.IsNaN(v), "%s: element (%d, %d) is %v", k.Name, i, j, v)
				require.Equal(t, i != 3 && j == 17, math.IsInf(v, 0), "%s: element (%d, %d) is %v", k.Name, i, j, v)
			}
		}
	})
}

func TestPack(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 11})
		for _, l := range layouts {
			m := draw(src, 70, 80, l)
			for _, c := range [][5]int{{0, 4, 0, 30, 4}, {3, 5, 7, 11, 8}, {69, 1, 79, 1, 6}, {0, 6, 0, 0, 6}, {6, 14, 1, 29, 14},
				{0, k.MR, 3, 77, k.MR}, {70 - k.MR, k.MR, 0, 80, k.MR}, {1, k.NR, 5, 33, k.NR}, {70 - k.NR, k.NR, 0, 80, k.NR}, {2, k.NR - 1, 0, 80, k.NR}} {
				row, n, depth, nk, width := c[0], c[1], c[2], c[3], c[4]
				dst := filled(nk*width+3, guard)
				// Strided.Pack, and what the kernel has in its place for its own widths.
				for name, pack := range map[string]func(dst []float32){
					"operand": func(dst []float32) { m.Pack(dst, row, n, depth, nk, width) },
					"kernel":  func(dst []float32) { k.pack(m.Strided, dst, row, n, depth, nk, width) },
				} {
					if name == "kernel" && width != k.MR && width != k.NR {
						continue
					}
					pack(dst[:nk*width])
					for at, v := range dst {
						want := 0.0
						switch kk, i := at/width, at%width; {
						case at >= nk*width:
							want = guard
						case i < n:
							want = m.at(row+i, depth+kk)
						}
						require.Equal(t, want, float64(v), "%s, %s, %s: rows %d+%d, depth %d+%d in lines of %d: number %d", k.Name, name, l.name, row, n, depth, nk, width, at)
					}
				}
			}
		}
	})
}

func TestKernelsFitTheirBlocks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		require.LessOrEqual(t, k.NR, blockCols)
	})
}

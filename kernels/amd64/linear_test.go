//go:build linux && amd64

package amd64_test

import (
	"fmt"
	"math"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/device/philox"
	"fovea/kernels/amd64"
)

// linear is a micro-kernel of one instruction set and the size of its tile.
type linear struct {
	name        string
	lanes       int
	rows, other int // rows of x and of w; rows of c
	do          func(p *byte)
}

var (
	dots = []linear{
		{"Dots4x6AVX512", 16, 4, 6, amd64.Dots4x6AVX512}, {"Dots2x6AVX512", 16, 2, 6, amd64.Dots2x6AVX512}, {"Dots1x6AVX512", 16, 1, 6, amd64.Dots1x6AVX512},
		{"Dots4x2AVX512", 16, 4, 2, amd64.Dots4x2AVX512}, {"Dots2x2AVX512", 16, 2, 2, amd64.Dots2x2AVX512}, {"Dots1x2AVX512", 16, 1, 2, amd64.Dots1x2AVX512},
		{"Dots4x1AVX512", 16, 4, 1, amd64.Dots4x1AVX512}, {"Dots2x1AVX512", 16, 2, 1, amd64.Dots2x1AVX512}, {"Dots1x1AVX512", 16, 1, 1, amd64.Dots1x1AVX512},
		{"Dots2x6AVX2", 8, 2, 6, amd64.Dots2x6AVX2}, {"Dots1x6AVX2", 8, 1, 6, amd64.Dots1x6AVX2},
		{"Dots4x2AVX2", 8, 4, 2, amd64.Dots4x2AVX2}, {"Dots2x2AVX2", 8, 2, 2, amd64.Dots2x2AVX2}, {"Dots1x2AVX2", 8, 1, 2, amd64.Dots1x2AVX2},
		{"Dots4x1AVX2", 8, 4, 1, amd64.Dots4x1AVX2}, {"Dots2x1AVX2", 8, 2, 1, amd64.Dots2x1AVX2}, {"Dots1x1AVX2", 8, 1, 1, amd64.Dots1x1AVX2},
	}
	outers = []linear{
		{"Outer8AVX512", 16, 8, 0, amd64.Outer8AVX512}, {"Outer4AVX512", 16, 4, 0, amd64.Outer4AVX512},
		{"Outer2AVX512", 16, 2, 0, amd64.Outer2AVX512}, {"Outer1AVX512", 16, 1, 0, amd64.Outer1AVX512},
		{"Outer4AVX2", 8, 4, 0, amd64.Outer4AVX2}, {"Outer2AVX2", 8, 2, 0, amd64.Outer2AVX2}, {"Outer1AVX2", 8, 1, 0, amd64.Outer1AVX2},
	}
	finishes = []linear{{"FinishAVX512", 16, 0, 0, amd64.FinishAVX512}, {"FinishAVX2", 8, 0, 0, amd64.FinishAVX2}}
)

func (k linear) needs(t *testing.T) {
	if (k.lanes == 16 && !cpu.X86.HasAVX512F) || !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		t.Skip("this machine has no such instructions")
	}
}

// mask is the first n lanes as the kernel is told them.
func (k linear) mask(n int) uintptr {
	if k.lanes == 16 {
		return 1<<n - 1
	}
	return uintptr(unsafe.Pointer(&amd64.Lanes[8-n]))
}

func (k linear) tail(n int) uintptr {
	if n == 0 {
		return 0
	}
	return k.mask(n)
}

// fencedNormal is fenced memory of normally distributed numbers.
func fencedNormal(t *testing.T, src *philox.Source, n int, atEnd bool) []float32 {
	x := fenced(t, n, atEnd)
	for i := range x {
		x[i] = float32(src.Normal(0, 1))
	}
	return x
}

// each runs a test of a kernel with the fence on either side, fresh and accumulating.
func each(t *testing.T, kernels []linear, test func(t *testing.T, k linear, src *philox.Source, atEnd bool, accumulate int)) {
	for number, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			k.needs(t)
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			for _, atEnd := range []bool{true, false} {
				for accumulate := range 2 {
					test(t, k, philox.NewSource(philox.Stream{Seed: uint64(number)}), atEnd, accumulate)
				}
			}
		})
	}
}

func TestDotsStayInside(t *testing.T) {
	each(t, dots, func(t *testing.T, k linear, src *philox.Source, atEnd bool, accumulate int) {
		for _, depth := range []int{1, k.lanes - 1, k.lanes, k.lanes + 1, 5*k.lanes + 3} {
			xRow, wRow := depth+src.Intn(3), depth+src.Intn(3)
			x, w := fencedNormal(t, src, (k.rows-1)*xRow+depth, atEnd), fencedNormal(t, src, (k.other-1)*wRow+depth, atEnd)
			sums := fencedNormal(t, src, k.rows*k.other*k.lanes, atEnd)
			before := append([]float32(nil), sums...)
			p := amd64.Dots{X: &x[0], XRow: 4 * xRow, W: &w[0], WRow: 4 * wRow, Sums: &sums[0], Steps: depth / k.lanes, Tail: k.tail(depth % k.lanes),
				Accumulate: accumulate, Ahead: uintptr(unsafe.Pointer(&w[0])) + 1<<20, AheadStep: 64} // to ask for what is not there is no fault
			at := fmt.Sprintf("depth %d, fence at the end %t, accumulate %d", depth, atEnd, accumulate)
			require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(&p))) }, at)
			for i, got := range sums {
				want := float64(accumulate) * float64(before[i])
				for s := i % k.lanes; s < depth; s += k.lanes {
					want += float64(x[i/k.lanes/k.other*xRow+s]) * float64(w[i/k.lanes%k.other*wRow+s])
				}
				require.InDelta(t, want, float64(got), 1e-5, "%s: lane %d of row %d and row %d", at, i%k.lanes, i/k.lanes/k.other, i/k.lanes%k.other)
			}
		}
	})
}

func TestOutersStayInside(t *testing.T) {
	each(t, outers, func(t *testing.T, k linear, src *philox.Source, atEnd bool, accumulate int) {
		tile := 2 * k.lanes
		for _, cols := range []int{1, k.lanes, k.lanes + 1, tile, 3*tile + k.lanes - 1, 2*tile + k.lanes, 2*tile + 1} {
			for _, past := range []int{0, 1} {
				depth, cRow := 1+src.Intn(5), cols
				if past == 1 { // aligned, and so are all rows
					cRow = (cols + k.lanes - 1) / k.lanes * k.lanes
				}
				a, b := fencedNormal(t, src, depth*k.rows, atEnd), fencedNormal(t, src, depth*cols, atEnd)
				c := fencedNormal(t, src, (k.rows-1)*cRow+cols, atEnd && past == 0)
				before := append([]float32(nil), c...)
				rest := cols % tile
				p := amd64.Outer{A: &a[0], AStep: 4 * k.rows, B: &b[0], BStep: 4 * cols, C: &c[0], CRow: 4 * cRow, Depth: depth, Tiles: cols / tile,
					Tail0: k.tail(min(rest, k.lanes)), Tail1: k.mask(max(0, rest-k.lanes)), Accumulate: accumulate, Past: past, Ahead: 1 << 20}
				at := fmt.Sprintf("%d columns, depth %d, fence at the end %t, accumulate %d, past the cache %d", cols, depth, atEnd, accumulate, past)
				require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(&p))) }, at)
				for i, got := range c {
					row, col := i/cRow, i%cRow
					if col >= cols {
						require.Equal(t, before[i], got, "%s: element (%d, %d) is beside the product", at, row, col)
						continue
					}
					want := float64(accumulate) * float64(before[i])
					for s := range depth {
						want += float64(a[s*k.rows+row]) * float64(b[s*cols+col])
					}
					require.InDelta(t, want, float64(got), 1e-5, "%s: element (%d, %d)", at, row, col)
				}
			}
		}
	})
}

func TestFinishStaysInside(t *testing.T) {
	each(t, finishes, func(t *testing.T, k linear, src *philox.Source, atEnd bool, relu int) {
		for _, cols := range []int{1, k.lanes - 1, k.lanes, 3*k.lanes + 5} {
			const rows = 3
			row := cols + src.Intn(2)
			y, bias := fencedNormal(t, src, (rows-1)*row+cols, atEnd), fencedNormal(t, src, cols, atEnd)
			y[0] = float32(math.NaN())
			before := append([]float32(nil), y...)
			p := amd64.Finish{Y: &y[0], YRow: 4 * row, Bias: &bias[0], Rows: rows, Steps: cols / k.lanes, Tail: k.tail(cols % k.lanes)}
			if relu == 0 {
				p.Floor = math.Float32bits(float32(math.Inf(-1)))
			}
			require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(&p))) })
			for i, got := range y {
				want := before[i]
				if i%row < cols {
					want += bias[i%row]
					if relu == 1 && want < 0 {
						want = 0
					}
				}
				require.Equal(t, math.Float32bits(want), math.Float32bits(got), "%d columns, fence at the end %t, ReLU %d: element (%d, %d) is %v, expected %v", cols, atEnd, relu, i/row, i%row, got, want)
			}
		}
	})
}

func TestDotsTotal(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for lanes, total := range map[int]func(sums, vectors *float32, n int){16: amd64.DotsTotalAVX512, 8: amd64.DotsTotalAVX2} {
		if lanes == 16 && !cpu.X86.HasAVX512F || !cpu.X86.HasAVX2 {
			continue // TestDotsStayInside says so
		}
		for _, n := range []int{1, 2, 24} {
			for _, atEnd := range []bool{true, false} {
				vectors, sums := fencedNormal(t, philox.NewSource(philox.Stream{Seed: 5}), n*lanes, atEnd), fenced(t, n, atEnd)
				require.NotPanics(t, func() { total(&sums[0], &vectors[0], n) }, "%d vectors of %d lanes", n, lanes)
				for i, got := range sums {
					want := 0.0
					for _, v := range vectors[i*lanes:][:lanes] {
						want += float64(v)
					}
					require.InDelta(t, want, float64(got), 1e-5, "vector %d of %d, %d lanes", i, n, lanes)
				}
			}
		}
	}
}

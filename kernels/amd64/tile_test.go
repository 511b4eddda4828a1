//go:build linux && amd64

package amd64_test

import (
	"math"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/device/philox"
	"fovea/kernels/amd64"
)

// tile is a micro-kernel, and the number of rows and columns that it computes.
type tile struct {
	name       string
	present    bool
	high, wide int // of the panels
	rows, cols int
	do         func(p *byte)
}

var tiles = []tile{
	{"avx512, 14 x 32", cpu.X86.HasAVX512F, 14, 32, 14, 32, amd64.Tile14x32AVX512},
	{"avx512, 8 x 32", cpu.X86.HasAVX512F, 14, 32, 8, 32, amd64.Tile8x32AVX512},
	{"avx512, 4 x 32", cpu.X86.HasAVX512F, 14, 32, 4, 32, amd64.Tile4x32AVX512},
	{"avx512, 14 x 16", cpu.X86.HasAVX512F, 14, 32, 14, 16, amd64.Tile14x16AVX512},
	{"avx512, 8 x 16", cpu.X86.HasAVX512F, 14, 32, 8, 16, amd64.Tile8x16AVX512},
	{"avx512, 4 x 16", cpu.X86.HasAVX512F, 14, 32, 4, 16, amd64.Tile4x16AVX512},
	{"avx2, 6 x 16", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 6, 16, 6, 16, amd64.Tile6x16AVX2},
	{"avx2, 3 x 16", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 6, 16, 3, 16, amd64.Tile3x16AVX2},
	{"avx2, 6 x 8", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 6, 16, 6, 8, amd64.Tile6x8AVX2},
	{"avx2, 3 x 8", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 6, 16, 3, 8, amd64.Tile3x8AVX2},
}

// fenced returns n float32s that touch the end of accessible memory, or its start: a step beyond is a fault.
func fenced(t *testing.T, n int, atEnd bool) []float32 {
	page := syscall.Getpagesize()
	pages := (4*n + page - 1) / page
	region, err := syscall.Mmap(-1, 0, (pages+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(region)) })
	require.NoError(t, syscall.Mprotect(region[:page], syscall.PROT_NONE))
	require.NoError(t, syscall.Mprotect(region[(pages+1)*page:], syscall.PROT_NONE))
	inner := region[page : (pages+1)*page]
	if atEnd {
		inner = inner[len(inner)-4*n:]
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(inner))), n)
}

// The tiles must read their panels and write their rows of C, and nothing beside them.
func TestTilesStayInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, k := range tiles {
		for _, atEnd := range []bool{true, false} {
			for _, size := range [][2]int{{0, 1}, {0, 2}, {1, 1}, {2, 3}, {3, 1}, {7, 2}, {11, 2}, {12, 2}, {41, 1}, {42, 3}, {43, 2}, {256, 2}} {
				depth, count := size[0], size[1]
				for _, spare := range []int{0, 5} {
					for option := range 4 {
						accumulate, lies := option%2 == 1, option >= 2
						t.Run(k.name, func(t *testing.T) {
							defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
							if !k.present {
								t.Skip("this machine has no " + k.name)
							}
							src := philox.NewSource(philox.Stream{Seed: uint64(depth)})
							ldc := count*k.cols + spare
							// Panels of B are packed one behind the other, or the columns of a matrix that has some more.
							ldb, next, sizeB := k.wide, depth*k.wide, count*depth*k.wide
							if lies {
								ldb, next = ldc, k.cols
								sizeB = (depth-1)*ldb + count*k.cols
							}
							a, b := fenced(t, max(1, depth*k.high), atEnd), fenced(t, max(1, sizeB), atEnd)
							c := fenced(t, (k.rows-1)*ldc+count*k.cols, atEnd)
							for _, x := range [][]float32{a, b, c} {
								for i := range x {
									x[i] = float32(src.Normal(0, 1))
								}
							}
							before := append([]float32(nil), c...)
							p := amd64.Tile{Depth: depth, Tiles: count, A: &a[0], B: &b[0], C: &c[0], BStep: 4 * ldb, BNext: 4 * (next - depth*ldb), CRow: 4 * ldc,
								Soon: &a[0], SoonRow: 1 << 20, SoonNext: 1 << 30} // to ask for what is not there is no fault
							if accumulate {
								p.Accumulate = 1
							}
							require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(&p))) },
								"%s: depth %d, %d tiles, ldb %d, ldc %d, accumulate %t, fence at the end %t", k.name, depth, count, ldb, ldc, accumulate, atEnd)
							for at, got := range c {
								i, j := at/ldc, at%ldc
								if j >= count*k.cols {
									require.Equal(t, before[at], got, "%s: depth %d, element (%d, %d) is beside the %d tiles", k.name, depth, i, j, count)
									continue
								}
								want := 0.0
								if accumulate {
									want = float64(before[at])
								}
								for step := range depth {
									want += float64(a[step*k.high+i]) * float64(b[j/k.cols*next+step*ldb+j%k.cols])
								}
								require.InDelta(t, want, float64(got), 1e-6*(1+math.Sqrt(float64(depth)))*4, "%s: depth %d, %d tiles, ldb %d, ldc %d, accumulate %t, element (%d, %d)",
									k.name, depth, count, ldb, ldc, accumulate, i, j)
							}
						})
					}
				}
			}
		}
	}
}

// The fence itself must work, or the test above shows nothing.
func TestFenceFaults(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, atEnd := range []bool{true, false} {
		x := fenced(t, 100, atEnd)
		beside := unsafe.Add(unsafe.Pointer(unsafe.SliceData(x)), -4)
		if atEnd {
			beside = unsafe.Add(beside, 4*101)
		}
		require.Panics(t, func() { *(*float32)(beside) = 1 })
	}
}

// The packers must read and write their elements, and nothing beside them.
func TestPackersStayInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	avx2, avx512 := cpu.X86.HasAVX2 && cpu.X86.HasFMA, cpu.X86.HasAVX512F
	for _, k := range []struct {
		name        string
		present     bool
		rows, lanes int
		transpose   func(dst *float32, width int, src *float32, stride, blocks int)
		lines       func(dst, src *float32, stride, steps int)
	}{
		{"Transpose14AVX512", avx512, 14, 16, amd64.Transpose14AVX512, nil},
		{"Transpose16AVX512", avx512, 16, 16, amd64.Transpose16AVX512, nil},
		{"Transpose6AVX2", avx2, 6, 8, amd64.Transpose6AVX2, nil},
		{"Transpose8AVX2", avx2, 8, 8, amd64.Transpose8AVX2, nil},
		{"Lines14AVX512", avx512, 14, 1, nil, amd64.Lines14AVX512},
		{"Lines32AVX512", avx512, 32, 1, nil, amd64.Lines32AVX512},
		{"Lines6AVX2", avx2, 6, 1, nil, amd64.Lines6AVX2},
		{"Lines16AVX2", avx2, 16, 1, nil, amd64.Lines16AVX2},
	} {
		t.Run(k.name, func(t *testing.T) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			if !k.present {
				t.Skip("this machine has no such instructions")
			}
			for _, atEnd := range []bool{true, false} {
				for _, blocks := range []int{1, 2, 5} {
					for _, spare := range []int{0, 3} {
						steps := blocks * k.lanes
						var src, dst []float32
						var do func()
						var want func(step, i int) float32
						width := k.rows + spare // of a line of the panel
						if k.transpose != nil {
							stride := steps + spare
							src, dst = fenced(t, (k.rows-1)*stride+steps, atEnd), fenced(t, (steps-1)*width+k.rows, atEnd)
							do = func() { k.transpose(&dst[0], width, &src[0], stride, blocks) }
							want = func(step, i int) float32 { return src[i*stride+step] }
						} else {
							stride := k.rows + spare
							width = k.rows
							src, dst = fenced(t, (steps-1)*stride+k.rows, atEnd), fenced(t, steps*width, atEnd)
							do = func() { k.lines(&dst[0], &src[0], stride, steps) }
							want = func(step, i int) float32 { return src[step*stride+i] }
						}
						for i := range src {
							src[i] = float32(i + 1)
						}
						for i := range dst {
							dst[i] = -1
						}
						require.NotPanics(t, do, "%d blocks, fence at the end %t, spare %d", blocks, atEnd, spare)
						for at, got := range dst {
							step, i, expected := at/width, at%width, float32(-1)
							if i < k.rows {
								expected = want(step, i)
							}
							require.Equal(t, expected, got, "%d blocks, spare %d: step %d, row %d", blocks, spare, step, i)
						}
					}
				}
			}
		})
	}
}

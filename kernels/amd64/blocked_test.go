//go:build linux && amd64

package amd64_test

import (
	"fmt"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/kernels/amd64"
)

// products are the kernels by pixels in a run and blocks of output channels.
var products = []struct {
	name        string
	present     bool
	run, blocks int
	do          func(*byte)
}{
	{"avx512", cpu.X86.HasAVX512F, 7, 2, amd64.ProductAVX512x7x2}, {"avx512", cpu.X86.HasAVX512F, 7, 1, amd64.ProductAVX512x7x1},
	{"avx512", cpu.X86.HasAVX512F, 6, 2, amd64.ProductAVX512x6x2}, {"avx512", cpu.X86.HasAVX512F, 6, 1, amd64.ProductAVX512x6x1},
	{"avx512", cpu.X86.HasAVX512F, 5, 2, amd64.ProductAVX512x5x2}, {"avx512", cpu.X86.HasAVX512F, 5, 1, amd64.ProductAVX512x5x1},
	{"avx512", cpu.X86.HasAVX512F, 4, 2, amd64.ProductAVX512x4x2}, {"avx512", cpu.X86.HasAVX512F, 4, 1, amd64.ProductAVX512x4x1},
	{"avx512", cpu.X86.HasAVX512F, 3, 2, amd64.ProductAVX512x3x2}, {"avx512", cpu.X86.HasAVX512F, 3, 1, amd64.ProductAVX512x3x1},
	{"avx512", cpu.X86.HasAVX512F, 2, 2, amd64.ProductAVX512x2x2}, {"avx512", cpu.X86.HasAVX512F, 2, 1, amd64.ProductAVX512x2x1},
	{"avx512", cpu.X86.HasAVX512F, 1, 2, amd64.ProductAVX512x1x2}, {"avx512", cpu.X86.HasAVX512F, 1, 1, amd64.ProductAVX512x1x1},
	{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 3, 1, amd64.ProductAVX2x3x1}, {"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 2, 1, amd64.ProductAVX2x2x1},
	{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 1, 1, amd64.ProductAVX2x1x1},
}

// Products read their pixels, taps, weights and bias, write their pixels, and touch nothing beside them.
func TestProductsStayInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, k := range products {
		for _, atEnd := range []bool{true, false} {
			for _, c := range []struct{ full, channels, tail int }{{0, 5, 0}, {0, 5, 2}, {3, 5, 0}, {3, 5, 2}, {3, 16, 0}, {3, 16, 2}} {
				t.Run(fmt.Sprintf("%s %dx%d", k.name, k.run, k.blocks), func(t *testing.T) {
					defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
					if !k.present {
						t.Skip("this machine has no " + k.name)
					}
					const tailChannels, tap = 2, 19
					full, channels, tail := c.full, c.channels, c.tail
					taps := full + tail
					offsets := make([]int, taps+1)
					for i := range offsets {
						offsets[i] = 4 * tap * i
					}
					reach := 1
					switch {
					case tail > 0:
						reach = tap*(taps-1) + tailChannels
					case full > 0:
						reach = tap*(taps-1) + channels
					}
					const tiles = 2
					pixels, width := tiles*2*k.run, 16*k.blocks
					rows := full*channels + tail*tailChannels
					x, w := fenced(t, (pixels-1)*3+reach, atEnd), fenced(t, max(1, rows*width), atEnd)
					y, add, bias := fenced(t, pixels*16*k.blocks, atEnd), fenced(t, pixels*16*k.blocks, atEnd), fenced(t, width, atEnd)
					for i, part := range [][]float32{x, w, y, add, bias} {
						for j := range part {
							part[j] = float32((i*7+j*3)%11) - 5
						}
					}
					block := pixels * 16
					p := &amd64.Product{X0: &x[0], X1: &x[k.run*3], W: &w[0], Y0: &y[0], Y1: &y[k.run*16], Add0: &add[0], Add1: &add[k.run*16], Bias: &bias[0],
						Offsets: &offsets[0], Taps: full, Channels: channels, TailTaps: tail, TailChannels: tailChannels,
						XStep: 12, YStep: 64, YBlock: 4 * block, ReLU: 1, Tiles: tiles, XNext: 2 * k.run * 12, YNext: 2 * k.run * 64, Ahead: 1}
					require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(p))) })
					for i := range pixels {
						for j := range width {
							at := j/16*block + i*16 + j%16
							want, row := bias[j]+add[at], 0
							for n := range taps {
								count := channels
								if n >= full {
									count = tailChannels
								}
								for c := range count {
									want += x[i*3+tap*n+c] * w[row*width+j]
									row++
								}
							}
							require.Equal(t, max(want, 0), y[at], "pixel %d, channel %d, %d and %d taps", i, j, full, tail) // small whole numbers: exact
						}
					}
				})
			}
		}
	}
}

// Gradients read their pixels, read and write their rows, and touch nothing beside them.
func TestGradientsStayInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, k := range []struct {
		name             string
		present          bool
		channels, blocks int
		do               func(*byte)
	}{
		{"avx512", cpu.X86.HasAVX512F, 8, 2, amd64.GradientAVX512x8x2}, {"avx512", cpu.X86.HasAVX512F, 16, 1, amd64.GradientAVX512x16x1},
		{"avx512", cpu.X86.HasAVX512F, 8, 1, amd64.GradientAVX512x8x1}, {"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, 4, 1, amd64.GradientAVX2x4x1},
	} {
		for _, atEnd := range []bool{true, false} {
			for accumulate := range 2 {
				t.Run(fmt.Sprintf("%s %dx%d", k.name, k.channels, k.blocks), func(t *testing.T) {
					defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
					if !k.present {
						t.Skip("this machine has no " + k.name)
					}
					const images, rows, cols = 2, 3, 5
					width := 16 * k.blocks
					x, dy, dw := fenced(t, images*rows*cols*k.channels, atEnd), fenced(t, images*rows*cols*width, atEnd), fenced(t, k.channels*width, atEnd)
					for i, part := range [][]float32{x, dy, dw} {
						for j := range part {
							part[j] = float32((i*7+j*3)%11) - 5
						}
					}
					before := append([]float32(nil), dw...)
					block := images * rows * cols * 16
					g := &amd64.Gradient{X: &x[0], DY: &dy[0], DW: &dw[0], Images: images, Rows: rows, Cols: cols,
						XImage: 4 * rows * cols * k.channels, XRow: 4 * cols * k.channels, XStep: 4 * k.channels,
						YImage: 64 * rows * cols, YRow: 64 * cols, YStep: 64, YBlock: 4 * block, WStep: 4 * width, Accumulate: accumulate}
					require.NotPanics(t, func() { k.do((*byte)(unsafe.Pointer(g))) })
					for c := range k.channels {
						for j := range width {
							want := float32(accumulate) * before[c*width+j]
							for p := range images * rows * cols {
								want += x[p*k.channels+c] * dy[j/16*block+p*16+j%16]
							}
							require.Equal(t, want, dw[c*width+j], "row %d, column %d", c, j)
						}
					}
				})
			}
		}
	}
}

// Gathers read the numbers that offsets and places name, and write their rows.
func TestGathersStayInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, k := range []struct {
		name    string
		present bool
		do      func(dst *float32, step int, src *float32, offsets *int32, places *int, rows int)
	}{{"avx512", cpu.X86.HasAVX512F, amd64.GatherAVX512}, {"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, amd64.GatherAVX2}} {
		for _, atEnd := range []bool{true, false} {
			t.Run(k.name, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				if !k.present {
					t.Skip("this machine has no " + k.name)
				}
				const rows, step, spread = 4, 19, 5
				src, dst := fenced(t, (rows-1)*3+15*spread+1, atEnd), fenced(t, (rows-1)*step+16, atEnd)
				for i := range src {
					src[i] = float32(i)
				}
				var offsets [16]int32
				for i := range offsets {
					offsets[i] = int32(i * spread)
				}
				places := []int{0, 3, 6, 9}
				require.NotPanics(t, func() { k.do(&dst[0], step, &src[0], &offsets[0], &places[0], rows) })
				for at, v := range dst {
					if r, i := at/step, at%step; i < 16 {
						require.Equal(t, float32(r*3+i*spread), v)
					} else {
						require.Zero(t, v)
					}
				}
			})
		}
	}
}

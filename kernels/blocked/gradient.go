package blocked

import (
	"unsafe"

	"fovea/kernels/amd64"
)

// Gradient is the sum over pixels of products of x and dy: rows c < Channels, columns j < 16*Blocks of
//
//	dw[c*16*Blocks+j] = sum over i < Images, r < Rows, q < Cols of x[i*XImage+r*XRow+q*XStep+c] * dy[i*YImage+r*YRow+q*YStep+(j/16)*YBlock+j%16]
//
// Channels is a multiple of 8. Steps are in float32s.
type Gradient struct {
	X, DY               []float32
	Images, Rows, Cols  int
	XImage, XRow, XStep int
	YImage, YRow, YStep int
	YBlock              int
	Channels, Blocks    int

	args   amd64.Gradient
	dw     []float32
	x, y   int
	block  int
	adding bool
}

// Sum computes the gradient of the pixels from x of X and y of DY on, or adds it to dw.
func (k *Kernel) Sum(g *Gradient, dw []float32, x, y int, accumulate bool) {
	if g.Images <= 0 || g.Rows <= 0 || g.Cols <= 0 {
		if !accumulate {
			clear(dw[:g.Channels*Lanes*g.Blocks])
		}
		return
	}
	lastX := (g.Images-1)*g.XImage + (g.Rows-1)*g.XRow + (g.Cols-1)*g.XStep + g.Channels - 1
	lastY := (g.Images-1)*g.YImage + (g.Rows-1)*g.YRow + (g.Cols-1)*g.YStep + (g.Blocks-1)*g.YBlock + Lanes - 1
	_, _, _, _, _ = g.X[x], g.X[x+lastX], g.DY[y], g.DY[y+lastY], dw[g.Channels*Lanes*g.Blocks-1]
	g.adding = accumulate
	for g.block = 0; g.block < g.Blocks; g.block += k.Blocks {
		for c := 0; c < g.Channels; {
			g.x, g.y, g.dw = x+c, y+g.block*g.YBlock, dw[(c*g.Blocks+g.block)*Lanes:]
			c += k.sum(g, g.Channels-c, min(k.Blocks, g.Blocks))
		}
	}
}

// fill readies the parameters for the assembly.
func (g *Gradient) fill() *byte {
	a := &g.args
	a.X, a.DY, a.DW = at(unsafe.SliceData(g.X), g.x), at(unsafe.SliceData(g.DY), g.y), unsafe.SliceData(g.dw)
	a.Images, a.Rows, a.Cols = g.Images, g.Rows, g.Cols
	a.XImage, a.XRow, a.XStep = 4*g.XImage, 4*g.XRow, 4*g.XStep
	a.YImage, a.YRow, a.YStep = 4*g.YImage, 4*g.YRow, 4*g.YStep
	a.YBlock, a.WStep, a.Accumulate = 4*g.YBlock, 4*Lanes*g.Blocks, 0
	if g.adding {
		a.Accumulate = 1
	}
	return (*byte)(unsafe.Pointer(a))
}

// genericSum is the kernel in plain Go: one row at a time.
func genericSum(g *Gradient, _, blocks int) int {
	for b := range blocks {
		var sums [Lanes]float32
		for image := range g.Images {
			for row := range g.Rows {
				x, y := g.x+image*g.XImage+row*g.XRow, g.y+image*g.YImage+row*g.YRow+b*g.YBlock
				for range g.Cols {
					v := g.X[x]
					for j, d := range g.DY[y:][:Lanes] {
						sums[j] += v * d
					}
					x, y = x+g.XStep, y+g.YStep
				}
			}
		}
		for j, v := range sums {
			if g.adding {
				v += g.dw[b*Lanes+j]
			}
			g.dw[b*Lanes+j] = v
		}
	}
	return 1
}

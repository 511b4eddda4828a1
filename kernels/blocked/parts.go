package blocked

import (
	"fmt"
	"slices"

	"fovea/kernels/amd64"
)

// parts are the functions of products by parts: float32s as sums of three bfloat16s each, six products for one, for a processor
// that multiplies those so much faster that it is worth it. They are as exact as float32s: package amd64's generator says how.
type parts struct {
	count   int // 3; or 1 where float32s are to be no more than bfloat16s
	pixels  func(dst []float32, x []float32, step, count int, t *Taps) bool
	weights func(dst, w []float32) bool
	lines   func(dst []float32, x []float32, places []int, half int) bool
	turn    func(dst, src []float32)
	product func(p *PartsProduct)
}

// Side is how many pixels and output channels a tile has; both are split in steps of two taps.
const Side = 32

// StepFloats is the memory that a step takes.
func (k *Kernel) StepFloats() int { return k.parts.count * Side * Side / 2 }

// Rounded are these kernels with the factors of products by parts rounded to bfloat16, the first of three parts; nil where those are not.
func (k *Kernel) Rounded() *Kernel { return k.rounded }

// ByParts says whether products by parts are there.
func (k *Kernel) ByParts() bool { return k.parts != nil }

// Steps is how many steps taps of Lanes channels each take. Of an odd number the last one counts twice, with weights of 0.
func (t *Taps) Steps() int { return (len(t.Offsets) + 1) / 2 }

// SplitPixels splits what the taps find from some of a tile's pixels: number first, at x[at], and the count-1 after it in steps from
// there. If it returns false then an element is infinite, no number or so large that it has no parts.
func (k *Kernel) SplitPixels(dst []float32, first int, x []float32, at, step, count int, t *Taps) bool {
	_, _ = x[at+t.least], x[at+(count-1)*step+t.most-1]
	if first+count > Side || len(dst) < t.Steps()*k.StepFloats() || t.Channels != Lanes || t.Full != len(t.Offsets) {
		panic(fmt.Sprintf("blocked: %d pixels from %d on, %d taps, of which %d have %d channels, in %d floats", count, first, len(t.Offsets), t.Full, t.Channels, len(dst)))
	}
	fine := true
	for count > 0 { // half of the pixels are in one tile, half in another
		n := min(count, Side/2-first%(Side/2))
		fine = k.parts.pixels(dst[first*Lanes:], x[at:], step, n, t) && fine
		first, at, count = first+n, at+n*step, count-n
	}
	return fine
}

// SplitWeights splits a step of weights: Side rows of Side output channels. The result is as SplitPixels'.
func (k *Kernel) SplitWeights(dst, w []float32) bool {
	_, _ = dst[k.StepFloats()-1], w[Side*Side-1]
	return k.parts.weights(dst, w)
}

// SplitLines splits a step of lines, as SplitWeights does: line i is two blocks, at x[places[i]] and at half floats after that.
// Places, Side of them, are in bytes, of multiples of a float's size.
func (k *Kernel) SplitLines(dst, x []float32, places []int, half int) bool {
	_, _, _ = dst[k.StepFloats()-1], x[slices.Min(places)/4], x[slices.Max(places)/4+max(half, 0)+Lanes-1]
	if len(places) != Side || half < 0 {
		panic(fmt.Sprintf("blocked: %d lines, half %d", len(places), half))
	}
	return k.parts.lines(dst, x, places, half)
}

// Turn makes of a step of Side lines that were split one of pixels: what stood in column i of all lines is then pixel i.
func (k *Kernel) Turn(dst, src []float32) {
	_, _ = dst[k.StepFloats()-1], src[k.StepFloats()-1]
	k.parts.turn(dst[:k.StepFloats()], src)
}

// PartsProduct is the computation of one or two blocks of output channels of some tiles of pixels:
//
//	y[Places[i]+b*YBlock+j] = bias[16b+j] + add[...] + sum of the products of pixel i and output channel 16b+j
//
// and then the larger of 0 and that, if ReLU is set. Add, if there is one, is laid out as Y and may be Y.
type PartsProduct struct {
	X, W   []float32 // split: panels of pixels of so many steps each, and one of weights
	Steps  int
	Y, Add []float32
	Places []int // of each pixel, in bytes
	YBlock int
	Bias   []float32 // Side
	ReLU   bool
	Blocks int
	Sums   []float32 // room for Side*Side, best at the start of a cache line

	y, add []float32
	args   amd64.ProductParts
}

// Compute does it for the output channels from y of Y on.
func (k *Kernel) Compute(p *PartsProduct, y int) {
	n := len(p.Places)
	last := y + slices.Max(p.Places)/4 + (p.Blocks-1)*p.YBlock + Lanes - 1
	_, _, _, _, _ = p.Y[y+slices.Min(p.Places)/4], p.Y[last], p.X[(n+Side-1)/Side*p.Steps*k.StepFloats()-1], p.W[p.Steps*k.StepFloats()-1], p.Sums[Side*Side-1]
	p.y, p.add = p.Y[y:], nil
	if p.Add != nil {
		_, p.add = p.Add[last], p.Add[y:]
	}
	if p.Blocks < 1 || p.Blocks > 2 || p.Steps < 1 || len(p.Bias) < Side {
		panic(fmt.Sprintf("blocked: %d blocks of output channels, %d steps, %d biases", p.Blocks, p.Steps, len(p.Bias)))
	}
	k.parts.product(p)
}

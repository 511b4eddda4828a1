package blocked

import (
	"fmt"
	"slices"
	"unsafe"

	"fovea/kernels/amd64"
)

// Taps are the places, relative to an output pixel's, where a product finds its inputs: first Full taps of Channels
// neighbouring numbers each, then the others of TailChannels each. Offsets and weights are in that order.
type Taps struct {
	Offsets            []int // in float32s
	Full, Channels     int
	TailChannels       int
	bytes              []int
	least, most, total int
}

// NewTaps makes a list of taps. There may be none of either kind.
func NewTaps(full, tail []int, channels, tailChannels int) *Taps {
	t := &Taps{Offsets: append(slices.Clone(full), tail...)}
	t.set(len(full), channels, tailChannels)
	return t
}

// Rows is how many rows of weights the taps have.
func (t *Taps) Rows() int { return t.total }

// set readies the taps at t.Offsets.
func (t *Taps) set(full, channels, tailChannels int) {
	t.Full, t.Channels, t.TailChannels = full, channels, tailChannels
	t.total = full*channels + (len(t.Offsets)-full)*tailChannels
	t.bytes = t.bytes[:0]
	for i, o := range t.Offsets {
		t.bytes = append(t.bytes, 4*o)
		n := channels
		if i >= full {
			n = tailChannels
		}
		if i == 0 {
			t.least, t.most = o, o+n
		}
		t.least, t.most = min(t.least, o), max(t.most, o+n)
	}
	if n := len(t.bytes); n > 0 {
		t.bytes = append(t.bytes, t.bytes[n-1]) // the assembly looks one ahead
	}
}

// Product is the computation of some blocks of output channels, at most Kernel.Blocks:
//
//	y[p*YStep + b*YBlock + j] = bias[16b+j] + add[...] + sum over taps t, channels c of x[p*XStep + offset(t) + c] * w[t][c][16b+j]
//
// and then the larger of 0 and that, if ReLU is set. W has a row of 16*Blocks weights for each tap and channel. Add, if
// there is one, is laid out as Y and may be Y. Steps are in float32s.
type Product struct {
	X, W, Y, Add, Bias []float32 // Add and Bias may be nil
	Taps               *Taps
	XStep, YStep       int
	YBlock             int
	Blocks             int
	ReLU               bool
	Ahead              bool // the weights are not in the caches yet; the next call asks for them ahead of its first tile, and sets this to false

	args           amd64.Product
	x0, x1, y0, y1 int // the runs of the first tile
	count          int // of tiles
}

// Line computes the pixels x, x+XStep, ... of X; they go to y, y+YStep, ... of Y.
func (k *Kernel) Line(p *Product, x, y, pixels int) {
	if pixels <= 0 {
		return
	}
	k.check(p, x, y, pixels)
	whole := 2 * k.Run
	count := pixels / whole
	if rest := pixels % whole; count > 0 && (rest == 1 || rest == 2) {
		count-- // a tile of so few has too few sums to keep the multiply-add units busy: better two of half the size
	}
	if count > 0 {
		k.tiles(p, x, x+k.Run*p.XStep, y, y+k.Run*p.YStep, k.Run, count)
	}
	for done := count * whole; done < pixels; {
		n := pixels - done
		if n > whole {
			n = (n + 3) / 4 * 2
		}
		run := (n + 1) / 2 // of an odd number the middle one is in both runs
		x, y := x+done*p.XStep, y+done*p.YStep
		k.tiles(p, x, x+(n-run)*p.XStep, y, y+(n-run)*p.YStep, run, 1)
		done += n
	}
}

// Pair computes two lines at once, each of at most Run pixels.
func (k *Kernel) Pair(p *Product, x0, x1, y0, y1, pixels int) {
	k.check(p, x0, y0, pixels)
	k.check(p, x1, y1, pixels)
	k.tiles(p, x0, x1, y0, y1, pixels, 1)
}

// check panics unless all that the assembly touches is there.
func (k *Kernel) check(p *Product, x, y, pixels int) {
	t := p.Taps
	if p.Blocks < 1 || p.Blocks > k.Blocks {
		panic(fmt.Sprintf("blocked: %d blocks of output channels, expected 1 to %d", p.Blocks, k.Blocks))
	}
	if len(t.Offsets) > 0 {
		_, _ = p.X[x+t.least], p.X[x+(pixels-1)*p.XStep+t.most-1]
	}
	if len(p.W) < t.total*Lanes*p.Blocks || p.Bias != nil && len(p.Bias) < Lanes*p.Blocks {
		panic(fmt.Sprintf("blocked: %d weights and %d biases for %d rows of %d channels", len(p.W), len(p.Bias), t.total, Lanes*p.Blocks))
	}
	last := y + (pixels-1)*p.YStep + (p.Blocks-1)*p.YBlock + Lanes - 1
	_, _ = p.Y[y], p.Y[last]
	if p.Add != nil {
		_ = p.Add[last]
	}
}

// tiles computes so many tiles of two runs, one behind the other.
func (k *Kernel) tiles(p *Product, x0, x1, y0, y1, run, count int) {
	p.x0, p.x1, p.y0, p.y1, p.count = x0, x1, y0, y1, count
	k.product(p, run)
}

// fill readies the parameters for the assembly.
func (p *Product) fill(run int) *byte {
	a, t := &p.args, p.Taps
	x := unsafe.SliceData(p.X)
	a.X0, a.X1 = at(x, p.x0), at(x, p.x1)
	a.W = unsafe.SliceData(p.W)
	y := unsafe.SliceData(p.Y)
	a.Y0, a.Y1 = at(y, p.y0), at(y, p.y1)
	a.Add0, a.Add1, a.Bias = nil, nil, nil
	if p.Add != nil {
		add := unsafe.SliceData(p.Add)
		a.Add0, a.Add1 = at(add, p.y0), at(add, p.y1)
	}
	if p.Bias != nil {
		a.Bias = unsafe.SliceData(p.Bias)
	}
	a.Offsets = unsafe.SliceData(t.bytes)
	a.Taps, a.Channels, a.TailTaps, a.TailChannels = t.Full, t.Channels, len(t.Offsets)-t.Full, t.TailChannels
	a.XStep, a.YStep, a.YBlock = 4*p.XStep, 4*p.YStep, 4*p.YBlock
	a.ReLU = 0
	if p.ReLU {
		a.ReLU = 1
	}
	a.Ahead = 0
	if p.Ahead {
		a.Ahead, p.Ahead = 1, false
	}
	a.Tiles, a.XNext, a.YNext = p.count, 2*run*a.XStep, 2*run*a.YStep
	return (*byte)(unsafe.Pointer(a))
}

func at(base *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(base), 4*i)) }

// genericProduct is the kernel in plain Go.
func genericProduct(p *Product, run int) {
	for range p.count {
		p.genericTile(run)
		p.x0, p.x1 = p.x0+2*run*p.XStep, p.x1+2*run*p.XStep
		p.y0, p.y1 = p.y0+2*run*p.YStep, p.y1+2*run*p.YStep
	}
}

func (p *Product) genericTile(run int) {
	var sums [Lanes]float32
	width := Lanes * p.Blocks
	for i := range 2 * run {
		x, y := p.x0+i*p.XStep, p.y0+i*p.YStep
		if i >= run {
			x, y = p.x1+(i-run)*p.XStep, p.y1+(i-run)*p.YStep
			// Lines of a pair may lie between each other's pixels.
			if y >= p.y0 && y < p.y0+run*p.YStep && (y-p.y0)%p.YStep == 0 {
				continue // done already, and what it was to be added to may be overwritten
			}
		}
		for b := range p.Blocks {
			sums = [Lanes]float32{}
			if p.Bias != nil {
				sums = [Lanes]float32(p.Bias[b*Lanes:])
			}
			row := b * Lanes
			for t, o := range p.Taps.Offsets {
				n := p.Taps.Channels
				if t >= p.Taps.Full {
					n = p.Taps.TailChannels
				}
				for _, v := range p.X[x+o:][:n] {
					for j, w := range p.W[row:][:Lanes] {
						sums[j] += v * w
					}
					row += width
				}
			}
			at := y + b*p.YBlock
			out := p.Y[at:][:Lanes]
			if p.Add != nil {
				for j, v := range p.Add[at:][:Lanes] {
					sums[j] += v
				}
			}
			for j, v := range sums {
				if p.ReLU && v <= 0 {
					v = 0
				}
				out[j] = v
			}
		}
	}
}

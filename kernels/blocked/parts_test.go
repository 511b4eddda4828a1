package blocked

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// byParts is the kernel that multiplies by parts, where this machine has it.
func byParts(t *testing.T) *Kernel {
	for _, set := range isa.Available() {
		if k := For(set); k.ByParts() {
			return k
		}
	}
	t.Skip("this machine has no AMX")
	return nil
}

// A product of pixels, split in runs of some, agrees with the sums in float64, and has the same bits however they are cut.
func TestPartsProduct(t *testing.T) { testParts(t, byParts(t), func([]float32) {}) }

// Products of bfloat16s are as exact without the parts that these do not have.
func TestRoundedProduct(t *testing.T) {
	testParts(t, byParts(t).Rounded(), func(x []float32) {
		for i, v := range x {
			x[i] = float32(devicetest.RoundBFloat16(float64(v)))
		}
	})
}

// testParts multiplies numbers that prepare has prepared.
func testParts(t *testing.T, k *Kernel, prepare func(x []float32)) {
	src := philox.NewSource(philox.Stream{Seed: 31})
	for trial := range 60 {
		d := draw(src, 2, 1+src.Intn(90))
		d.full = d.full[:0]
		for range 1 + src.Intn(7) {
			d.full = append(d.full, src.Intn(200)-100)
		}
		d.Taps = NewTaps(d.full, nil, Lanes, 0)
		prepare(d.X)
		steps := d.Taps.Steps()
		rows := make([]float32, 2*steps*Lanes*Side) // of weights, as many channels as there may be, and after an odd number of taps of 0
		d.W = normal(src, d.Taps.total*Lanes*d.Blocks)
		prepare(d.W)
		for row := range d.Taps.total {
			copy(rows[row*Side:][:Lanes*d.Blocks], d.W[row*Lanes*d.Blocks:])
		}
		w := make([]float32, steps*k.StepFloats())
		for s := range steps {
			require.True(t, k.SplitWeights(w[s*k.StepFloats():], rows[s*Side*Side:]))
		}
		bias := make([]float32, Side)
		copy(bias, d.Bias)
		var xs, ys []int
		for p := range d.pixels {
			xs, ys = append(xs, d.x+p*d.XStep), append(ys, d.y+p*d.YStep)
		}
		compute := func(y []float32, from, to int, add []float32) {
			n := to - from
			x := make([]float32, (n+Side-1)/Side*steps*k.StepFloats())
			for i := 0; i < n; {
				count := min(n-i, 1+src.Intn(Side), Side-i%Side)
				require.True(t, k.SplitPixels(x[i/Side*steps*k.StepFloats():], i%Side, d.X, xs[from+i], d.XStep, count, d.Taps))
				i += count
			}
			p := PartsProduct{X: x, W: w, Steps: steps, Y: y, Add: add, YBlock: d.YBlock, Bias: bias, ReLU: d.ReLU, Blocks: d.Blocks, Sums: make([]float32, Side*Side)}
			for i := range n {
				p.Places = append(p.Places, 4*(ys[from+i]-d.y))
			}
			k.Compute(&p, d.y)
		}
		before, other := slices.Clone(d.Y), slices.Clone(d.Add)
		var add []float32
		if d.Add != nil {
			if add = d.Add; &d.Add[0] != &d.Y[0] {
				other = d.Add
			}
		}
		compute(d.Y, 0, d.pixels, add)
		if add == nil {
			other = nil
		}
		d.check(t, before, other, xs, ys)
		again := slices.Clone(before)
		if d.Add != nil && &d.Add[0] == &d.Y[0] {
			add = again
		}
		cut := src.Intn(d.pixels + 1)
		if cut > 0 {
			compute(again, 0, cut, add)
		}
		if cut < d.pixels {
			compute(again, cut, d.pixels, add)
		}
		for at, v := range d.Y {
			require.Equal(t, math.Float32bits(v), math.Float32bits(again[at]), "trial %d: element %d is %v at once, %v cut at pixel %d", trial, at, v, again[at], cut)
		}
	}
}

// What has no parts is reported, wherever it is among what is read.
func TestPartsOfOddNumbers(t *testing.T) {
	k := byParts(t)
	src := philox.NewSource(philox.Stream{Seed: 33})
	taps := NewTaps([]int{0, 40, 17}, nil, Lanes, 0)
	dst := make([]float32, taps.Steps()*k.StepFloats())
	for _, odd := range []float32{float32(math.Inf(1)), float32(math.NaN()), -math.MaxFloat32} {
		for range 20 {
			x := normal(src, 31*100+60)
			require.True(t, k.SplitPixels(dst, 0, x, 0, 100, 32, taps))
			x[src.Intn(32)*100+taps.Offsets[src.Intn(3)]+src.Intn(Lanes)] = odd
			require.False(t, k.SplitPixels(dst, 0, x, 0, 100, 32, taps), "%v", odd)
			w := normal(src, Side*Side)
			w[src.Intn(len(w))] = odd
			require.False(t, k.SplitWeights(dst, w), "%v", odd)
		}
	}
}

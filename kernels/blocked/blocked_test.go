package blocked

import (
	"fmt"
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

func normal(src *philox.Source, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(src.Normal(0, 1))
	}
	return x
}

// drawn is a product with all it needs, drawn at random.
type drawn struct {
	Product
	x, y, pixels int
	full, tail   []int
}

func draw(src *philox.Source, blocks, pixels int) *drawn {
	d := &drawn{pixels: pixels}
	d.Blocks, d.ReLU = 1+src.Intn(blocks), src.Intn(2) == 0
	d.XStep, d.YStep = 1+src.Intn(40), Lanes*(1+src.Intn(3))
	d.YBlock = d.YStep*pixels*2 + src.Intn(50)
	channels, tailChannels := 1+src.Intn(24), 1+src.Intn(15)
	for range src.Intn(6) {
		d.full = append(d.full, src.Intn(200)-100)
	}
	for range src.Intn(3) {
		d.tail = append(d.tail, src.Intn(200)-100)
	}
	d.Taps = NewTaps(d.full, d.tail, channels, tailChannels)
	d.x = 100
	d.X = normal(src, 100+pixels*2*d.XStep+100+24)
	d.W = normal(src, d.Taps.total*Lanes*d.Blocks)
	d.y = src.Intn(20)
	d.Y = normal(src, d.y+d.YBlock+pixels*2*d.YStep+Lanes)
	if src.Intn(2) == 0 {
		d.Bias = normal(src, Lanes*d.Blocks)
	}
	switch src.Intn(3) {
	case 0:
		d.Add = d.Y
	case 1:
		d.Add = normal(src, len(d.Y))
	}
	return d
}

// want is element j of the pixel at x and y, in float64.
func (d *drawn) want(add []float32, x, y, j int) float64 {
	sum, row := 0.0, 0
	if d.Bias != nil {
		sum = float64(d.Bias[j])
	}
	for t, o := range d.Taps.Offsets {
		n := d.Taps.Channels
		if t >= d.Taps.Full {
			n = d.Taps.TailChannels
		}
		for c := range n {
			sum += float64(d.X[x+o+c]) * float64(d.W[row*Lanes*d.Blocks+j])
			row++
		}
	}
	if add != nil {
		sum += float64(add[y+j/Lanes*d.YBlock+j%Lanes])
	}
	if d.ReLU {
		sum = max(sum, 0)
	}
	return sum
}

// check compares Y with what it was before: the pixels that start at ys are products, all else is unchanged.
func (d *drawn) check(t *testing.T, before, add []float32, xs, ys []int) {
	t.Helper()
	written := map[int]bool{}
	for i, y := range ys {
		for j := range Lanes * d.Blocks {
			at := y + j/Lanes*d.YBlock + j%Lanes
			written[at] = true
			require.InDelta(t, d.want(add, xs[i], y, j), float64(d.Y[at]), 1e-5*math.Sqrt(float64(d.Taps.total+1)), "pixel %d of %d, channel %d of %d blocks, taps %v of %d, %v of %d, relu %t, bias %t",
				i, len(ys), j, d.Blocks, d.full, d.Taps.Channels, d.tail, d.Taps.TailChannels, d.ReLU, d.Bias != nil)
		}
	}
	for at, v := range d.Y {
		if !written[at] {
			require.Equal(t, before[at], v, "element %d is not a result", at)
		}
	}
}

func TestLine(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 1})
		for trial := range 300 {
			d := draw(src, k.Blocks, 1+trial%45)
			before := append([]float32(nil), d.Y...)
			add := append([]float32(nil), d.Add...)
			if d.Add == nil {
				add = nil
			}
			var xs, ys []int
			for p := range d.pixels {
				xs, ys = append(xs, d.x+p*d.XStep), append(ys, d.y+p*d.YStep)
			}
			k.Line(&d.Product, d.x, d.y, d.pixels)
			d.check(t, before, add, xs, ys)
		}
	})
}

func TestPair(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 2})
		for trial := range 100 {
			d := draw(src, k.Blocks, 1+trial%k.Run)
			before := append([]float32(nil), d.Y...)
			add := append([]float32(nil), d.Add...)
			if d.Add == nil {
				add = nil
			}
			x1, y1 := d.x+d.pixels*d.XStep/2, d.y+d.pixels*d.YStep
			if d.YStep > Lanes && trial%2 == 0 { // as in gradients of a stride across maps of odd width
				y1 -= Lanes
			}
			var xs, ys []int
			for p := range d.pixels {
				xs, ys = append(xs, d.x+p*d.XStep, x1+p*d.XStep), append(ys, d.y+p*d.YStep, y1+p*d.YStep)
			}
			k.Pair(&d.Product, d.x, x1, d.y, y1, d.pixels)
			d.check(t, before, add, xs, ys)
		}
	})
}

// However a line is cut, its bits are the same.
func TestPartsOfALineHaveTheSameBits(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 3})
		for range 50 {
			d := draw(src, k.Blocks, 40)
			d.Add = nil
			k.Line(&d.Product, d.x, d.y, 40)
			whole := append([]float32(nil), d.Y...)
			for at := 0; at < 40; {
				n := min(1+src.Intn(20), 40-at)
				k.Line(&d.Product, d.x+at*d.XStep, d.y+at*d.YStep, n)
				at += n
			}
			require.Equal(t, whole, d.Y)
		}
	})
}

func TestNaNPassesReLU(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		x, w, y := make([]float32, Lanes), normal(philox.NewSource(philox.Stream{}), Lanes*Lanes), make([]float32, Lanes)
		x[3] = float32(math.NaN())
		p := &Product{X: x, W: w, Y: y, Taps: NewTaps([]int{0}, nil, Lanes, 0), XStep: Lanes, YStep: Lanes, Blocks: 1, ReLU: true}
		k.Line(p, 0, 0, 1)
		for _, v := range y {
			require.True(t, math.IsNaN(float64(v)))
		}
	})
}

func TestSum(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 4})
		for range 120 {
			g := &Gradient{Images: 1 + src.Intn(3), Rows: 1 + src.Intn(4), Cols: 1 + src.Intn(9), XStep: 1 + src.Intn(40), YStep: Lanes * (1 + src.Intn(2)),
				Channels: 8 * (1 + src.Intn(4)), Blocks: 1 + src.Intn(2)}
			g.XRow, g.YRow = g.XStep*g.Cols+src.Intn(9), g.YStep*g.Cols+src.Intn(9)
			g.XImage, g.YImage = g.XRow*g.Rows+src.Intn(9), g.YRow*g.Rows+src.Intn(9)
			g.YBlock = g.YImage * g.Images
			x, y := src.Intn(9), src.Intn(9)
			g.X, g.DY = normal(src, x+g.XImage*g.Images+g.Channels), normal(src, y+g.Blocks*g.YBlock+Lanes)
			width := Lanes * g.Blocks
			dw := normal(src, g.Channels*width+3)
			before, accumulate := append([]float32(nil), dw...), src.Intn(2) == 0
			k.Sum(g, dw, x, y, accumulate)
			for at, v := range dw {
				want := float64(before[at])
				if at < g.Channels*width {
					c, j := at/width, at%width
					if !accumulate {
						want = 0
					}
					for i := range g.Images {
						for r := range g.Rows {
							for q := range g.Cols {
								want += float64(g.X[x+i*g.XImage+r*g.XRow+q*g.XStep+c]) * float64(g.DY[y+i*g.YImage+r*g.YRow+q*g.YStep+j/Lanes*g.YBlock+j%Lanes])
							}
						}
					}
				}
				require.InDelta(t, want, float64(v), 1e-4, "element %d of %d channels x %d, %d x %d x %d pixels, accumulate %t", at, g.Channels, width, g.Images, g.Rows, g.Cols, accumulate)
			}
		}
	})
}

// Sums of no pixels are 0, or add nothing.
func TestSumOfNothing(t *testing.T) {
	k := For(isa.Generic)
	dw := normal(philox.NewSource(philox.Stream{}), 8*Lanes)
	before := append([]float32(nil), dw...)
	g := &Gradient{Images: 1, Rows: 0, Cols: 3, Channels: 8, Blocks: 1}
	k.Sum(g, dw, 0, 0, true)
	require.Equal(t, before, dw)
	k.Sum(g, dw, 0, 0, false)
	require.Equal(t, make([]float32, 8*Lanes), dw)
}

func TestGather(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		src := philox.NewSource(philox.Stream{Seed: 6})
		for _, rows := range []int{0, 1, 5, rowsAtOnce + 3} {
			from, step := normal(src, 3000), Lanes+src.Intn(9)
			var offsets [Lanes]int32
			for i := range offsets {
				offsets[i] = int32(src.Intn(1000))
			}
			places := make([]int, rows)
			for r := range places {
				places[r] = src.Intn(2000)
			}
			to := normal(src, rows*step+Lanes)
			before := append([]float32(nil), to...)
			k.Gather(to, step, from, &offsets, places)
			for at, v := range to {
				want := before[at]
				if r, i := at/step, at%step; r < rows && i < Lanes {
					want = from[places[r]+int(offsets[i])]
				}
				if want != v {
					t.Fatalf("element %d of %d rows, step %d, is %v, expected %v", at, rows, step, v, want)
				}
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for _, set := range isa.Available() {
		for _, c := range []int{64, 256, 512} {
			b.Run(fmt.Sprint(set, " ", c), func(b *testing.B) {
				k := For(set)
				const pixels = 14 * 6
				var places []int
				for at := 0; at < c*pixels; at += Lanes * pixels {
					places = append(places, at)
				}
				p := &Product{X: make([]float32, c*pixels), W: make([]float32, c*k.Blocks*Lanes), Y: make([]float32, k.Blocks*Lanes*pixels), Taps: NewTaps(places, nil, Lanes, 0),
					XStep: Lanes, YStep: Lanes, YBlock: Lanes * pixels, Blocks: k.Blocks}
				for b.Loop() {
					k.Line(p, 0, 0, pixels)
				}
				b.ReportMetric(float64(b.N)*2*pixels*float64(c*k.Blocks)*Lanes/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, set := range isa.Available() {
		for _, pixels := range []int{42, 196} {
			b.Run(fmt.Sprint(set, " ", pixels), func(b *testing.B) {
				k := For(set)
				g := &Gradient{X: make([]float32, Lanes*pixels), DY: make([]float32, 2*Lanes*pixels), Images: 1, Rows: 1, Cols: pixels,
					XStep: Lanes, YStep: Lanes, YBlock: Lanes * pixels, Channels: Lanes, Blocks: 2}
				dw := make([]float32, Lanes*2*Lanes)
				for b.Loop() {
					k.Sum(g, dw, 0, 0, true)
				}
				b.ReportMetric(float64(b.N)*2*float64(pixels)*Lanes*2*Lanes/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}

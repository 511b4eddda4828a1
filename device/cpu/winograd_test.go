package cpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
	"fovea/kernels/isa"
)

// winogradCase is a convolution of n images with windows of 3x3.
type winogradCase struct {
	n, c, m, height, width int
	pad                    device.Padding
}

func (c winogradCase) spec() device.ConvSpec { return device.ConvSpec{Padding: c.pad}.Normal() }

func (c winogradCase) shapes(t *testing.T) (x, w, y tensor.Shape) {
	x, w = tensor.Shape{c.n, c.c, c.height, c.width}, tensor.Shape{c.m, c.c, 3, 3}
	y, err := c.spec().Output(x, w, nil)
	require.NoError(t, err, "%+v", c)
	return x, w, y
}

var winogradCases = []winogradCase{
	{3, 16, 16, 7, 7, device.Pad(1)}, {1, 8, 24, 13, 13, device.Pad(1)}, {3, 24, 8, 14, 14, device.Pad(1)}, {1, 48, 64, 15, 9, device.Pad(0)},
	{1, 64, 48, 4, 4, device.Pad(2)}, {3, 16, 24, 3, 3, device.Pad(0)}, {1, 24, 16, 1, 5, device.Pad(1)}, {3, 8, 8, 1, 1, device.Pad(2)},
	{1, 64, 64, 14, 14, device.Pad(1)}, {3, 48, 48, 7, 7, device.Pad(2)}, {1, 17, 33, 6, 10, device.Padding{Top: 1, Bottom: 0, Left: 2, Right: 1}},
	{3, 9, 31, 5, 8, device.Padding{Top: 0, Bottom: 2, Left: 0, Right: 2}}, {2, 40, 8, 12, 30, device.Padding{Top: 2, Bottom: 1, Left: 1, Right: 0}},
	{1, 300, 16, 4, 6, device.Pad(1)}, {1, 16, 300, 4, 6, device.Pad(1)},
}

// winogradRun is one pass: the shapes of what it reads and of what it writes, which is row-major if said, and how. A plan of
// nil is the device's own.
type winogradRun struct {
	name         string
	result, a, b tensor.Shape
	rows         [3]bool
	do           func(d *Device, p *winogradPlan, result, a, b *device.Tensor)
	correct      func(d device.Device, result, a, b *device.Tensor) error
}

// winogradRuns lists the passes of a convolution.
func winogradRuns(t *testing.T, c winogradCase, bias, add []float64) []winogradRun {
	x, w, y := c.shapes(t)
	s := c.spec()
	tensorOf := func(d device.Device, room func(tensor.Shape) (*device.Tensor, error), shape tensor.Shape, elements []float64) *device.Tensor {
		b, err := room(shape)
		require.NoError(t, err)
		require.NoError(t, d.Upload(b, elements))
		return b
	}
	row := func(d device.Device) func(tensor.Shape) (*device.Tensor, error) {
		return func(shape tensor.Shape) (*device.Tensor, error) { return d.New(shape, d.Float()) }
	}
	forward := func(d *Device, p *winogradPlan, y, x, w *device.Tensor, e epilogue) {
		if p == nil {
			d.convolveTiles(y, x, floats(w), e, s)
			return
		}
		c := newTiling(x, y, s.Padding.Top, s.Padding.Left)
		c.weights, c.bias, c.add, c.relu = floats(w), e.bias, floats(e.add), e.relu
		d.winograd(c, *p, floats(x), out(y))
	}
	return []winogradRun{
		{"forward", y, x, w, [3]bool{false, false, true}, func(d *Device, p *winogradPlan, y, x, w *device.Tensor) { forward(d, p, y, x, w, epilogue{}) },
			func(d device.Device, y, x, w *device.Tensor) error { return d.Conv(y, x, w, nil, s) }},
		{"forward with all that may follow", y, x, w, [3]bool{false, false, true}, func(d *Device, p *winogradPlan, y, x, w *device.Tensor) {
			b, other := tensorOf(d, row(d), tensor.Shape{c.m}, bias), tensorOf(d, blocksIn(d), y.Shape, add)
			forward(d, p, y, x, w, epilogue{bias: floats(b), add: other, relu: true})
			b.Release()
			other.Release()
		}, func(d device.Device, y, x, w *device.Tensor) error {
			if err := d.Conv(y, x, w, tensorOf(d, row(d), tensor.Shape{c.m}, bias), s); err != nil {
				return err
			}
			if err := d.Binary(y, y, tensorOf(d, row(d), y.Shape, add), device.Add); err != nil {
				return err
			}
			return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
		}},
		{"backward data", x, y, w, [3]bool{false, false, true}, func(d *Device, p *winogradPlan, dx, dy, w *device.Tensor) {
			if p == nil {
				d.winogradBackwardData(dx, dy, w, s)
				return
			}
			c := newTiling(dy, dx, 2-s.Padding.Top, 2-s.Padding.Left)
			c.weights, c.turned = floats(w), true
			d.winograd(c, *p, floats(dy), out(dx))
		}, func(d device.Device, dx, dy, w *device.Tensor) error { return d.ConvBackwardData(dx, dy, w, s) }},
		{"backward weights", w, x, y, [3]bool{true, false, false}, func(d *Device, p *winogradPlan, dw, x, dy *device.Tensor) {
			if p == nil {
				d.winogradBackwardWeights(dw, x, dy, s)
				return
			}
			d.winogradWeights(newTiling(x, dy, s.Padding.Top, s.Padding.Left), *p, floats(x), floats(dy), out(dw))
		}, func(d device.Device, dw, x, dy *device.Tensor) error { return d.ConvBackwardWeights(dw, x, dy, s) }},
	}
}

// blocksIn makes feature maps in blocks of any shape, of NaN.
func blocksIn(d *Device) func(shape tensor.Shape) (*device.Tensor, error) {
	return func(shape tensor.Shape) (*device.Tensor, error) {
		handle := d.floats.get(shape[0]*blocksOf(shape[1])*shape[2]*shape[3]*lanes, &d.stats)
		handle.blocked = true
		haunt(handle.data)
		return d.live(shape, tensor.Float32, handle), nil
	}
}

// compute runs a pass on a device, the lanes of blocks that are no channels being NaN, and returns the result row-major.
func (r winogradRun) compute(t *testing.T, d *Device, p *winogradPlan, a, b []float64) []float64 {
	h := haunted{d}
	room := func(shape tensor.Shape, rowMajor bool) *device.Tensor {
		x, err := blocksIn(d)(shape)
		if rowMajor {
			x.Release()
			x, err = h.New(shape, tensor.Float32)
		}
		require.NoError(t, err)
		return x
	}
	result, left, right := room(r.result, r.rows[0]), room(r.a, r.rows[1]), room(r.b, r.rows[2])
	require.NoError(t, h.Upload(left, a))
	require.NoError(t, h.Upload(right, b))
	r.do(d, p, result, left, right)
	elements := make([]float64, result.Size())
	require.NoError(t, d.Download(elements, result))
	for _, x := range []*device.Tensor{result, left, right} {
		x.Release()
	}
	return elements
}

// rounded is n normal numbers that float32 has.
func rounded(src *philox.Source, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(float32(src.Normal(0, 1)))
	}
	return x
}

// Every pass agrees with the reference, and has the same bits whatever the number of threads.
func TestWinograd(t *testing.T) {
	worst := map[isa.Set]float64{}
	devices := eachSet(t)
	for number, c := range winogradCases {
		src := philox.NewSource(philox.Stream{Seed: uint64(number)})
		_, _, y := c.shapes(t)
		for _, r := range winogradRuns(t, c, rounded(src, c.m), rounded(src, device.Size(y))) {
			a, b := rounded(src, device.Size(r.a)), rounded(src, device.Size(r.b))
			want := referenceResult(t, r, a, b)
			first := map[isa.Set][]float64{}
			for _, d := range devices {
				name := fmt.Sprintf("%s of %+v, case %d, %s", r.name, c, number, d.Describe())
				got := r.compute(t, d, nil, a, b)
				worst[d.set] = max(worst[d.set], near(t, name, got, want))
				sameBits(t, name, first, d.set, got)
			}
		}
	}
	t.Logf("worst relative errors %v", worst)
}

// sameBits compares a result with the first of its kind.
func sameBits[K comparable](t *testing.T, name string, first map[K][]float64, kind K, got []float64) {
	t.Helper()
	if first[kind] == nil {
		first[kind] = got
	}
	if at := differs(got, first[kind], 0); at < len(got) {
		t.Fatalf("%s: element %d is %v, was %v", name, at, got[at], first[kind][at])
	}
}

// Units of any size do. The bits depend on how the input channels are cut (and for the weights' gradient the tiles), nothing else.
func TestWinogradUnits(t *testing.T) {
	if testing.Short() {
		t.Skip("slow under the race detector, and TestWinograd shares as much memory")
	}
	type kind struct {
		set  isa.Set
		plan winogradPlan
	}
	devices := eachSet(t)
	for number, c := range []winogradCase{{3, 40, 56, 9, 6, device.Pad(1)}, {2, 56, 40, 5, 13, device.Padding{Top: 2, Left: 1, Right: 2}}} {
		src := philox.NewSource(philox.Stream{Seed: uint64(number), ID: 1})
		_, _, y := c.shapes(t)
		for _, r := range winogradRuns(t, c, rounded(src, c.m), rounded(src, device.Size(y))) {
			a, b := rounded(src, device.Size(r.a)), rounded(src, device.Size(r.b))
			want := referenceResult(t, r, a, b)
			first := map[kind][]float64{}
			for _, p := range []winogradPlan{{100, 64, 64}, {100, 64, 32}, {1, 64, 16}, {7, 64, 48}, {100, 32, 32}, {5, 32, 64}, {15, 16, 64}, {4, 48, 48}} {
				for _, d := range devices {
					name := fmt.Sprintf("%s of %+v, units of %+v, %s", r.name, c, p, d.Describe())
					got := r.compute(t, d, &p, a, b)
					near(t, name, got, want)
					alike := kind{d.set, winogradPlan{channels: p.channels}}
					if r.rows[0] {
						alike.plan = p
					}
					sameBits(t, name, first, alike, got)
				}
			}
		}
	}
}

// eachSet opens devices of 1, 2 and 3 threads for each instruction set.
func eachSet(t *testing.T) (devices []*Device) {
	for _, set := range isa.Available() {
		t.Setenv(isa.Variable, set.String())
		for threads := 1; threads <= 3; threads++ {
			d, err := New(threads)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			devices = append(devices, d)
		}
	}
	return devices
}

// near checks the relative error of all elements together, and returns it.
func near(t *testing.T, name string, got, want []float64) float64 {
	t.Helper()
	error, norm := 0.0, 0.0
	for i, v := range want {
		error += (v - got[i]) * (v - got[i])
		norm += v * v
	}
	relative := math.Sqrt(error / norm)
	if !(relative < 3e-6) {
		at := differs(got, want, 1e-4*math.Sqrt(norm/float64(len(want))))
		t.Fatalf("%s: relative error %.3g; element %d is %v, expected %v", name, relative, at, got[at], want[at])
	}
	return relative
}

// differs is the first element that is off by more than a bound, or the number of them.
func differs(a, b []float64, bound float64) int {
	for i, v := range a {
		if !(math.Abs(v-b[i]) <= bound) {
			return i
		}
	}
	return len(a)
}

func referenceResult(t *testing.T, r winogradRun, a, b []float64) []float64 {
	ref := reference.New()
	room := func(shape tensor.Shape, elements []float64) *device.Tensor {
		x, err := ref.New(shape, ref.Float())
		require.NoError(t, err)
		if elements != nil {
			require.NoError(t, ref.Upload(x, elements))
		}
		return x
	}
	result, left, right := room(r.result, nil), room(r.a, a), room(r.b, b)
	require.NoError(t, r.correct(ref, result, left, right))
	elements := make([]float64, result.Size())
	require.NoError(t, ref.Download(elements, result))
	return elements
}

// A device of any number of workers adds the input channels in the same order.
func TestWinogradPlans(t *testing.T) {
	for _, c := range []*tiling{{channels: 64, outputs: 64, tiles: 784}, {channels: 128, outputs: 128, tiles: 392}, {channels: 256, outputs: 256, tiles: 128},
		{channels: 512, outputs: 512, tiles: 64}, {channels: 512, outputs: 512, tiles: 4}, {channels: 8, outputs: 8, tiles: 1}, {channels: 24, outputs: 300, tiles: 7},
		{channels: 300, outputs: 24, tiles: 1000}, {channels: 1024, outputs: 17, tiles: 3}, {channels: 64, outputs: 64, tiles: 12544}, {channels: 2048, outputs: 2048, tiles: 49}} {
		name := fmt.Sprintf("%d to %d channels, %d tiles", c.channels, c.outputs, c.tiles)
		first := c.plan(1)
		plans := []winogradPlan{first, c.planWeights()}
		for _, workers := range []int{2, 3, 16} {
			p := c.plan(workers)
			require.Equal(t, first.channels, p.channels, "%s: %d workers must add in the same order", name, workers)
			plans = append(plans, p)
		}
		for _, p := range plans {
			require.LessOrEqual(t, p.coefficients(), coefficientsInCache, "%s: %+v", name, p)
			require.True(t, p.tiles > 0 && p.channels > 0 && p.outputs > 0 && p.channels%lanes == 0 && p.outputs%lanes == 0, "%s: %+v", name, p)
			require.True(t, c.parts(p) > 0 && c.parts(p) <= pieces(c.tiles, p.tiles), "%s: %+v: every part has tiles", name, p)
		}
	}
}

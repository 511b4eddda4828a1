package cpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// openerByParts opens devices that convolve by parts where they can, whatever the size.
func openerByParts(threads int, p device.Precision) func() (device.Device, error) {
	return func() (device.Device, error) {
		d, err := open(threads, p)
		if err != nil {
			return nil, err
		}
		d.always = byParts
		return d, nil
	}
}

// withParts opens devices of 1, 2 and 3 threads that convolve by parts, where the machine can.
func withParts(t *testing.T) (devices []*Device) {
	for _, set := range isa.Available() {
		t.Setenv(isa.Variable, set.String())
		for threads := 1; threads <= 3; threads++ {
			opened, err := openerByParts(threads, device.FP32)()
			require.NoError(t, err)
			d := opened.(*Device)
			if d.tiles.ByParts() {
				devices = append(devices, d)
				t.Cleanup(func() { require.NoError(t, d.Close()) })
				continue
			}
			require.NoError(t, d.Close())
		}
	}
	if len(devices) == 0 {
		t.Skip("this machine has no AMX")
	}
	return devices
}

// The conformance suite with convolutions by parts, whatever their size.
func TestConformanceByParts(t *testing.T) {
	set := withParts(t)[0].set
	t.Setenv(isa.Variable, set.String())
	open := openerByParts(3, device.FP32)
	devicetest.Run(t, open)
	t.Run("activations", func(t *testing.T) { devicetest.RunPrecision(t, open, devicetest.Precision{Activations: true}) })
}

// partsCase is a convolution with work for several groups of tiles, tiles of several images, several lists of taps.
type partsCase struct {
	x, w tensor.Shape
	s    device.ConvSpec
}

var partsCases = []partsCase{
	{tensor.Shape{3, 32, 7, 7}, tensor.Shape{64, 32, 1, 1}, device.ConvSpec{}},
	{tensor.Shape{2, 48, 20, 31}, tensor.Shape{272, 48, 1, 1}, device.ConvSpec{}},
	{tensor.Shape{1, 640, 5, 9}, tensor.Shape{96, 640, 1, 1}, device.ConvSpec{}},
	{tensor.Shape{2, 64, 14, 15}, tensor.Shape{160, 64, 1, 1}, device.ConvSpec{Stride: [2]int{2, 2}}},
	{tensor.Shape{2, 48, 13, 12}, tensor.Shape{80, 48, 3, 3}, device.ConvSpec{Stride: [2]int{2, 2}, Padding: device.Pad(1)}},
	{tensor.Shape{5, 32, 3, 3}, tensor.Shape{48, 32, 3, 3}, device.ConvSpec{Padding: device.Pad(1)}},
	{tensor.Shape{2, 64, 9, 10}, tensor.Shape{96, 32, 3, 3}, device.ConvSpec{Padding: device.Pad(2), Dilation: [2]int{2, 2}, Groups: 2}},
	{tensor.Shape{1, 96, 8, 8}, tensor.Shape{112, 96, 5, 5}, device.ConvSpec{Padding: device.Pad(2)}},
}

// partsPass is what a pass of a convolution reads and writes, and how.
type partsPass struct {
	result, a, b tensor.Shape
	do           func(d device.Device, result, a, b *device.Tensor) error
}

func (c partsCase) passes(t *testing.T) map[string]partsPass {
	s := c.s.Normal()
	y, err := s.Output(c.x, c.w, nil)
	require.NoError(t, err)
	return map[string]partsPass{
		"forward": {y, c.x, c.w, func(d device.Device, y, x, w *device.Tensor) error { return d.Conv(y, x, w, nil, s) }},
		"backward data": {c.x, y, c.w, func(d device.Device, dx, dy, w *device.Tensor) error {
			return d.ConvBackwardData(dx, dy, w, s)
		}},
		"backward weights": {c.w, c.x, y, func(d device.Device, dw, x, dy *device.Tensor) error {
			return d.ConvBackwardWeights(dw, x, dy, s)
		}},
	}
}

// directly is a pass by multiply-adds.
func directly(t *testing.T, d *Device, r winogradRun, do func(d device.Device, result, a, b *device.Tensor) error, a, b []float64) []float64 {
	use := func(a algorithm) {
		d.always = a
		clear(d.decided)
	}
	defer use(d.always)
	use(direct)
	r.do = func(d *Device, _ *winogradPlan, result, a, b *device.Tensor) { require.NoError(t, do(d, result, a, b)) }
	return r.compute(t, d, nil, a, b)
}

// rowMajor says which of the result and the operands of a pass are weights.
func rowMajor(pass string) [3]bool {
	return [3]bool{pass == "backward weights", false, pass != "backward weights"}
}

// Every pass agrees with the reference, has the same bits whatever the number of threads, and really is made by parts.
func TestConvolutionByParts(t *testing.T) {
	devices := withParts(t)
	for number, c := range partsCases {
		src := philox.NewSource(philox.Stream{Seed: uint64(number), ID: 7})
		for name, p := range c.passes(t) {
			r := winogradRun{name: name, result: p.result, a: p.a, b: p.b, rows: rowMajor(name), correct: p.do}
			a, b := rounded(src, device.Size(r.a)), rounded(src, device.Size(r.b))
			first := map[isa.Set][]float64{}
			want := referenceResult(t, r, a, b)
			for _, d := range devices {
				name := fmt.Sprintf("%s of %+v, %s", name, c, d.Describe())
				r.do = func(d *Device, _ *winogradPlan, result, a, b *device.Tensor) {
					require.NoError(t, p.do(d, result, a, b))
					for key := range b.Handle.(*buffer[float32]).forms {
						if len(key.order.rows) > 0 { // a phase of a stride may have no taps
							require.Equal(t, "parts", key.pass, "%s: weights are wanted in that form alone", name)
						}
					}
				}
				got := r.compute(t, d, nil, a, b)
				require.Less(t, near(t, name, got, want), 1e-6, name)
				sameBits(t, name, first, d.set, got)
				require.NotEqual(t, got, directly(t, d, r, p.do, a, b), "%s: the bits are those of multiply-adds", name)
			}
		}
	}
}

// What has no parts is convolved by multiply-adds, with the bits that these give.
func TestConvolutionOfWhatHasNoParts(t *testing.T) {
	c := partsCases[1]
	src := philox.NewSource(philox.Stream{Seed: 9, ID: 7})
	for name, p := range c.passes(t) {
		for _, odd := range []float64{math.Inf(1), math.NaN(), -math.MaxFloat32} {
			for operand := range 2 {
				operands := [2][]float64{rounded(src, device.Size(p.a)), rounded(src, device.Size(p.b))}
				at := src.Intn(len(operands[operand]))
				operands[operand][at] = odd
				var want []float64
				for _, d := range withParts(t) {
					r := winogradRun{result: p.result, a: p.a, b: p.b, rows: rowMajor(name), do: func(d *Device, _ *winogradPlan, result, a, b *device.Tensor) {
						require.NoError(t, p.do(d, result, a, b))
					}}
					if want == nil {
						want = directly(t, d, r, p.do, operands[0], operands[1])
					}
					for i, v := range r.compute(t, d, nil, operands[0], operands[1]) {
						require.Equal(t, math.Float64bits(want[i]), math.Float64bits(v), "%s, %v at %d of operand %d: element %d is %v by parts, %v directly", name, odd, at, operand, i, v, want[i])
					}
				}
			}
		}
	}
}

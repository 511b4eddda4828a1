package cpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// inBF16 opens a device that rounds to bfloat16 what it can, whatever the size.
func inBF16(t *testing.T, threads int) *Device {
	t.Helper()
	t.Setenv(isa.Variable, withParts(t)[0].set.String())
	d, err := openerByParts(threads, device.BF16)()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d.(*Device)
}

// brains are numbers rounded to bfloat16.
func brains(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = devicetest.RoundBFloat16(v)
	}
	return y
}

func TestConformanceInBF16(t *testing.T) {
	t.Setenv(isa.Variable, withParts(t)[0].set.String())
	devicetest.RunPrecision(t, openerByParts(3, device.BF16), inProducts)
}

// inProducts is what bfloat16 is held to.
var inProducts = devicetest.Precision{Relative: 5e-3, Why: "each factor of a product is off by up to 2^-9", Activations: true,
	Ops: []string{"conv2d", "conv2d_relu", "conv2d_batch_norm", "conv_transpose2d", "linear", "linear_relu", "matmul"}}

func TestSequencesInBF16(t *testing.T) {
	t.Setenv(isa.Variable, withParts(t)[0].set.String())
	devicetest.RunSequences(t, openerByParts(2, device.BF16), devicetest.Sequences{First: 300, Programs: 5, Precision: inProducts})
}

// A convolution of bfloat16s is as exact as one of float32s; other numbers are rounded to those, no more and no less; and the bits
// are the same whatever the number of threads.
func TestConvolutionInBF16(t *testing.T) {
	devices := []*Device{inBF16(t, 1), inBF16(t, 2), inBF16(t, 3)}
	for number, c := range partsCases {
		src := philox.NewSource(philox.Stream{Seed: uint64(number), ID: 8})
		for name, p := range c.passes(t) {
			r := winogradRun{name: name, result: p.result, a: p.a, b: p.b, rows: rowMajor(name), correct: p.do, do: func(d *Device, _ *winogradPlan, result, a, b *device.Tensor) {
				require.NoError(t, p.do(d, result, a, b))
			}}
			a, b := rounded(src, device.Size(r.a)), rounded(src, device.Size(r.b))
			first := map[isa.Set][]float64{}
			want := referenceResult(t, r, brains(a), brains(b))
			for _, d := range devices {
				name := fmt.Sprintf("%s of %+v, %s", name, c, d.Describe())
				got := r.compute(t, d, nil, a, b)
				require.Less(t, near(t, name, got, want), 1e-6, name)
				require.Equal(t, r.compute(t, d, nil, brains(a), brains(b)), got, name)
				sameBits(t, name, first, d.set, got)
			}
		}
	}
}

// The same of a product of matrices.
func TestProductInBF16(t *testing.T) {
	const rows, cols, depth = 300, 288, 256
	src := philox.NewSource(philox.Stream{Seed: 5, ID: 8})
	x, w := rounded(src, rows*depth), rounded(src, cols*depth)
	product := func(d device.Device, x, w []float64) []float64 {
		var tensors [3]*device.Tensor
		for i, of := range []struct {
			shape tensor.Shape
			data  []float64
		}{{tensor.Shape{rows, cols}, make([]float64, rows*cols)}, {tensor.Shape{rows, depth}, x}, {tensor.Shape{cols, depth}, w}} {
			var err error
			tensors[i], err = device.FromSlice(d, of.shape, of.data)
			require.NoError(t, err)
			defer tensors[i].Release()
		}
		require.NoError(t, d.Linear(tensors[0], tensors[1], tensors[2], nil))
		y := make([]float64, rows*cols)
		require.NoError(t, d.Download(y, tensors[0]))
		return y
	}
	exact, err := open(1, device.FP32)
	require.NoError(t, err)
	want := product(exact, brains(x), brains(w))
	require.NoError(t, exact.Close())
	var first []float64
	for threads := 1; threads <= 3; threads++ {
		d := inBF16(t, threads)
		got := product(d, x, w)
		require.Less(t, near(t, d.Describe(), got, want), 1e-6)
		require.Equal(t, product(d, brains(x), brains(w)), got, "%d threads", threads)
		if first == nil {
			first = got
		}
		require.Equal(t, first, got, "%d threads", threads)
	}
}

// A processor without AMX has no fast way to do it.
func TestBF16NeedsAMX(t *testing.T) {
	t.Setenv(isa.Variable, isa.Generic.String())
	_, err := device.Open("cpu", device.Options{Precision: device.BF16})
	require.ErrorIs(t, err, device.ErrPrecision)
	require.EqualError(t, err, "precision bf16 needs a processor with AMX, this one computes with generic: it offers fp32")
}

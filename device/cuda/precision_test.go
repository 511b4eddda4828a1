//go:build cuda

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/device/devicetest"
)

func opener(p device.Precision) func() (device.Device, error) {
	return func() (device.Device, error) {
		return New(0, device.Options{Deterministic: true, Precision: p})
	}
}

func TestConformanceInTF32(t *testing.T) {
	devicetest.RunPrecision(t, opener(device.TF32), devicetest.Precision{
		Relative: 1e-3, Why: "each factor of a product is off by up to 2^-11, the largest error found is 5.5e-4 in norm",
		Ops: []string{"conv2d", "conv2d_batch_norm", "conv_transpose2d", "linear", "matmul"},
	})
}

func TestConformanceInBF16(t *testing.T) {
	devicetest.RunPrecision(t, opener(device.BF16), devicetest.Precision{
		Relative: 5e-3, Why: "a result is off by up to 2^-9; the largest found is 2.5e-3 in norm", Activations: true, BFloat16: true,
	})
}

// Each precision sees as many digits of a product's factors as it should, and no more.
func TestDigits(t *testing.T) {
	const seen, half = 1 + 1.0/1024, 1.0 / 4096 // a number of 10 bits, and what is too small for TF32
	for p, want := range map[device.Precision]float64{device.FP32: seen + half, device.TF32: seen, device.BF16: 1} {
		if p == device.TF32 && !control.Present() {
			continue // a GPU may compute more exactly where that is faster
		}
		d := opened(t, p)
		for name, row := range map[string]struct {
			shape tensor.Shape
			do    func(y, x, w, b *device.Tensor) error
		}{
			"linear": {tensor.Shape{1, 1}, func(y, x, w, b *device.Tensor) error { return d.Linear(y, x, w, b) }},
			"conv": {tensor.Shape{1, 1, 1, 1}, func(y, x, w, _ *device.Tensor) error {
				return d.Conv(y, x, w, nil, device.ConvSpec{}.Normal())
			}},
			"conv with bias": {tensor.Shape{1, 1, 1, 1}, func(y, x, w, b *device.Tensor) error {
				return d.ConvReLU(y, x, w, b, device.ConvSpec{}.Normal())
			}},
			"conv with batch norm": {tensor.Shape{1, 1, 1, 1}, func(y, x, w, b *device.Tensor) error {
				one, err := device.FromSlice(d, tensor.Shape{1}, []float64{1})
				require.NoError(t, err)
				defer one.Release()
				return d.ConvBatchNorm(y, x, w, nil, one, b, b, one, nil, device.ConvSpec{}.Normal(), device.BatchNormSpec{}, false)
			}},
		} {
			x, err := device.FromSlice(d, row.shape, []float64{seen + half})
			require.NoError(t, err)
			b, err := device.FromSlice(d, tensor.Shape{1}, []float64{0})
			require.NoError(t, err)
			w, err := device.FromSlice(d, row.shape, []float64{1})
			require.NoError(t, err)
			y, err := d.New(row.shape, tensor.Float32)
			require.NoError(t, err)
			require.NoError(t, row.do(y, x, w, b))
			require.Equal(t, []float64{want}, floats(t, y), "%v: %s", p, name)
			for _, x := range []*device.Tensor{x, w, y, b} {
				x.Release()
			}
		}
	}
}

// A target of a regression is not rounded to the storage of what it is compared with.
func TestTargetsStayExact(t *testing.T) {
	d := opened(t, device.BF16)
	x, err := d.NewActivation(tensor.Shape{2})
	require.NoError(t, err)
	defer x.Release()
	require.NoError(t, d.Upload(x, []float64{1, 2}))
	target, err := device.FromSlice(d, tensor.Shape{2}, []float64{1 + 1.0/1024, 2})
	require.NoError(t, err)
	defer target.Release()
	loss, err := device.FromSlice(d, tensor.Shape{}, []float64{1})
	require.NoError(t, err)
	defer loss.Release()
	dx, err := d.NewActivation(tensor.Shape{2})
	require.NoError(t, err)
	defer dx.Release()
	require.NoError(t, d.ElementLossBackward(dx, loss, x, target, device.SquaredError))
	require.Equal(t, []float64{-1.0 / 1024, 0}, floats(t, dx))
	require.NoError(t, d.ElementLoss(loss, x, target, device.SquaredError))
	require.Equal(t, []float64{1.0 / (2 << 20)}, floats(t, loss))
}

// The largest element of a float32 map is found again when the maps of maxima are bfloat16, and so is the gradient.
func TestGradientOfRoundedMaximaArrives(t *testing.T) {
	d := opened(t, device.BF16)
	x, err := device.FromSlice(d, tensor.Shape{1, 1, 1, 2}, []float64{1 + 1.0/1024, 0.5})
	require.NoError(t, err)
	y, err := d.NewActivation(tensor.Shape{1, 1, 1, 2})
	require.NoError(t, err)
	dy, err := device.FromSlice(d, tensor.Shape{1, 1, 1, 2}, []float64{3, 4})
	require.NoError(t, err)
	dx, err := d.New(tensor.Shape{1, 1, 1, 2}, tensor.Float32)
	require.NoError(t, err)
	s := device.PoolSpec{Kind: device.MaxPool, Window: [2]int{1, 1}}.Normal()
	require.NoError(t, d.Pool(y, x, s))
	require.NoError(t, d.PoolBackward(dx, dy, x, y, s))
	require.Equal(t, []float64{3, 4}, floats(t, dx))
	for _, x := range []*device.Tensor{x, y, dy, dx} {
		x.Release()
	}
}

package nn_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
)

// plainly is a device without offers; folding has device.FoldedConvolution alone.
type plainly struct{ device.Device }

type folding struct{ plainly }

func (d plainly) adopt(self device.Device, t *device.Tensor, err error) (*device.Tensor, error) {
	if err == nil {
		t.Device = self
	}
	return t, err
}

func (d plainly) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	t, err := d.Device.New(shape, dtype)
	return d.adopt(d, t, err)
}

func (d plainly) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	t, err := d.Device.Reshape(x, shape)
	return d.adopt(d, t, err)
}

func (d folding) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	t, err := d.Device.New(shape, dtype)
	return d.adopt(d, t, err)
}

func (d folding) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	t, err := d.Device.Reshape(x, shape)
	return d.adopt(d, t, err)
}

// ConvBatchNorm computes the parts.
func (d folding) ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *device.Tensor, s device.ConvSpec, n device.BatchNormSpec, relu bool) error {
	convolved, err := d.New(y.Shape, d.Float())
	if err != nil {
		return err
	}
	defer convolved.Release()
	if err := d.Conv(convolved, x, w, b, s); err != nil {
		return err
	}
	if err := d.BatchNormInfer(y, convolved, scale, shift, mean, variance, n); err != nil {
		return err
	}
	if residual != nil {
		if err := d.Binary(y, y, residual, device.Add); err != nil {
			return err
		}
	}
	if relu {
		return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
	}
	return nil
}

// TestFolding lists the operations that containers ask for at inference on a device that folds, by layer; the result is that
// of a device which does not. Where anything is learned nothing is folded.
func TestFolding(t *testing.T) {
	body := func(last ...nn.Layer) *nn.Sequence {
		return nn.Sequential(append([]nn.Layer{nn.Named("conv1", nn.Conv(6, 3, nn.Padding(1))), nn.Named("bn1", nn.BatchNorm()), nn.Named("relu1", nn.ReLU())}, last...)...)
	}
	conv2, bn2 := func() nn.Layer { return nn.Named("conv2", nn.Conv(6, 1, nn.NoBias())) }, func() nn.Layer { return nn.Named("bn2", nn.BatchNorm()) }
	project := func() nn.Layer { return nn.Sequential(nn.Conv(6, 1, nn.NoBias()), nn.BatchNorm()) }
	for _, row := range []struct {
		name  string
		layer func() nn.Layer
		want  string
	}{
		{"conv, norm, ReLU", func() nn.Layer { return body() }, "conv1/conv2d_batch_norm_relu"},
		{"conv, norm", func() nn.Layer { return nn.Sequential(nn.Conv(6, 3), nn.BatchNorm()) }, "0/conv2d_batch_norm"},
		{"conv, norm, tanh", func() nn.Layer { return nn.Sequential(nn.Conv(6, 3), nn.BatchNorm(), nn.Tanh()) }, "0/conv2d_batch_norm 2/tanh"},
		{"conv, ReLU, norm", func() nn.Layer { return nn.Sequential(nn.Conv(6, 3), nn.ReLU(), nn.BatchNorm()) }, "0/conv2d 1/relu 2/batch_norm"},
		{"norm, conv", func() nn.Layer { return nn.Sequential(nn.BatchNorm(), nn.Conv(6, 3)) }, "0/batch_norm 1/conv2d"},
		{"linear, norm", func() nn.Layer { return nn.Sequential(nn.Flatten(), nn.Linear(6), nn.BatchNorm()) }, "0/reshape 1/linear 2/batch_norm"},
		{"turned masks", func() nn.Layer { return nn.Sequential(nn.TrueConv(6, 3), nn.BatchNorm()) }, "0/rotate180 0/conv2d 1/batch_norm"},
		{"transposed", func() nn.Layer { return nn.Sequential(nn.ConvTranspose(6, 3), nn.BatchNorm(), nn.ReLU()) }, "0/conv_transpose2d 1/batch_norm 2/relu"},
		{"two in a row", func() nn.Layer { return body(conv2(), bn2()) }, "conv1/conv2d_batch_norm_relu conv2/conv2d_batch_norm"},
		{"residual", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(body(conv2(), bn2()), project())), nn.Named("relu", nn.ReLU()))
		}, "conv1/conv2d_batch_norm_relu downsample.0/conv2d_batch_norm conv2/conv2d_batch_norm_relu"},
		{"residual, identity", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(nn.Sequential(nn.Conv(2, 3, nn.Same()), nn.BatchNorm()), nil)), nn.Named("relu", nn.ReLU()))
		}, "0/conv2d_batch_norm_relu"},
		{"residual without ReLU", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(body(conv2(), bn2()), project())))
		}, "conv1/conv2d_batch_norm_relu conv2/conv2d_batch_norm downsample.0/conv2d_batch_norm /add"},
		{"residual that ends in a norm alone", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(nn.Sequential(nn.BatchNorm()), nil)), nn.Named("relu", nn.ReLU()))
		}, "0/batch_norm /add relu/relu"},
		{"residual that ends in a convolution", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(body(conv2()), project())), nn.Named("relu", nn.ReLU()))
		}, "conv1/conv2d_batch_norm_relu conv2/conv2d downsample.0/conv2d_batch_norm /add relu/relu"},
		{"residual around one layer", func() nn.Layer {
			return nn.Sequential(nn.Named("", nn.Residual(nn.Conv(2, 3, nn.Same()), nil)), nn.Named("relu", nn.ReLU()))
		}, "/conv2d /add relu/relu"},
	} {
		inner := open(t, devicetest.Fast())
		compute := func(d device.Device, training, noGrad bool) (ops string, result []float64) {
			net := build(t, d, row.layer(), 2, 6, 5)
			for i, b := range net.Buffers { // statistics that make a difference
				require.NoError(t, d.Upload(b.Tensor, values(uint64(i), b.Tensor.Size())))
			}
			tape := tapeOn(t, d)
			tape.Training, tape.NoGrad = training, noGrad
			var seen []string
			tape.Observe = func(op, layer string, _ *autograd.Value) error { seen = append(seen, layer+"/"+op); return nil }
			y := net.Forward(tape.Input(random(3, 3, 2, 6, 5)))
			require.NoError(t, tape.Err(), row.name)
			require.Empty(t, tape.Layer(), "%s: Enter without Leave", row.name)
			if noGrad {
				turned := strings.Count(strings.Join(seen, " "), "rotate180")
				require.Equal(t, int64(len(net.State())+2+turned), d.Stats().LiveTensors, "%s: the state, the input, the result, turned masks", row.name)
			}
			result = floats(t, y.Tensor())
			tape.Reset()
			net.Release()
			return strings.Join(seen, " "), result
		}
		ops, got := compute(folding{plainly{inner}}, false, true)
		require.Equal(t, row.want, ops, row.name)
		plainOps, want := compute(plainly{inner}, false, true)
		require.Equal(t, want, got, row.name)
		require.NotContains(t, plainOps, "conv2d_batch_norm", row.name)
		for _, training := range []bool{true, false} {
			ops, got = compute(folding{plainly{inner}}, training, false)
			plainOps, want = compute(plainly{inner}, training, false)
			require.Equal(t, plainOps, ops, "%s, training %t", row.name, training)
			require.Equal(t, want, got, "%s, training %t", row.name, training)
		}
	}
}

// values are random numbers of at least 0.5: a variance may be one.
func values(seed uint64, n int) []float32 {
	v := random(seed, n).Data().([]float32)
	for i := range v {
		v[i] = 0.5 + max(v[i], -v[i])
	}
	return v
}

// TestInferenceAgreesWithReference: however a device computes layers together, the result is the reference's.
func TestInferenceAgreesWithReference(t *testing.T) {
	block := func() nn.Layer {
		return nn.Sequential(
			nn.Conv(16, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU(),
			nn.Named("", nn.Residual(nn.Sequential(
				nn.Named("conv1", nn.Conv(24, 3, nn.Padding(1), nn.Stride(2))), nn.Named("bn1", nn.BatchNorm()), nn.Named("relu1", nn.ReLU()),
				nn.Named("conv2", nn.Conv(32, 3, nn.Padding(1), nn.NoBias())), nn.Named("bn2", nn.BatchNorm())),
				nn.Sequential(nn.Conv(32, 1, nn.Stride(2), nn.NoBias()), nn.BatchNorm()))),
			nn.Named("relu", nn.ReLU()), nn.GlobalAvgPool(), nn.Flatten(), nn.Linear(20), nn.ReLU(), nn.Linear(10))
	}
	var want [][]float64
	for _, name := range devicetest.Names() {
		d := open(t, name)
		net, tape := build(t, d, block(), 3, 13, 14), tapeOn(t, d)
		for i, b := range net.Buffers {
			require.NoError(t, d.Upload(b.Tensor, values(uint64(i), b.Tensor.Size())))
		}
		tape.NoGrad = true
		var got [][]float64
		infer := func() {
			tape.Reset()
			y := net.Forward(tape.Input(random(3, 3, 3, 13, 14)))
			require.NoError(t, tape.Err())
			got = append(got, floats(t, y.Tensor()))
		}
		infer()
		infer()                         // the device may know the weights now
		for _, s := range net.State() { // those that change must not be remembered
			require.NoError(t, d.Scale(s.Tensor, s.Tensor, 1.5, 0.1))
			infer()
		}
		if want == nil {
			want = got
		}
		for i, w := range want {
			require.LessOrEqual(t, distance(got[i], w), 1e-5, "%s, inference %d", name, i)
			if i > 1 {
				require.Greater(t, distance(got[i], got[i-1]), 3e-5, "%s: the change of %s was not seen", name, net.State()[i-2].Name)
			}
		}
	}
}

package nn_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/optim"
)

// residual is a network with convolutions, normalisations and a sum.
func residual() nn.Layer {
	conv := func(name string) nn.Layer { return nn.Named(name, nn.Conv(4, 3, nn.Padding(1), nn.NoBias())) }
	return nn.Sequential(
		nn.Named("stem", nn.Sequential(conv("conv"), nn.Named("bn", nn.BatchNorm()), nn.ReLU())),
		nn.Named("block", nn.Sequential(
			nn.Named("", nn.Residual(nn.Sequential(conv("conv1"), nn.Named("bn1", nn.BatchNorm()), nn.ReLU(), conv("conv2"), nn.Named("bn2", nn.BatchNorm())), nil)),
			nn.ReLU())),
		nn.Flatten(),
		nn.Named("fc", nn.Linear(3)))
}

func TestFreeze(t *testing.T) {
	all := []string{"stem.conv.weight", "stem.bn.weight", "stem.bn.bias", "block.conv1.weight", "block.bn1.weight", "block.bn1.bias",
		"block.conv2.weight", "block.bn2.weight", "block.bn2.bias", "fc.weight", "fc.bias"}
	for _, row := range []struct {
		patterns []string
		frozen   []string
		want     string
	}{
		{nil, nil, ""},
		{[]string{"stem"}, all[:3], ""},
		{[]string{"stem.*"}, all[:3], ""},
		{[]string{"stem."}, all[:3], ""},
		{[]string{"stem", "block"}, all[:9], ""},
		{[]string{"fc.weight"}, all[9:10], ""},
		{[]string{"*.bias"}, []string{all[2], all[5], all[8], all[10]}, ""},
		{[]string{"block.bn?.*"}, []string{all[4], all[5], all[7], all[8]}, ""},
		{[]string{"ste"}, nil, `pattern "ste" matches none of the 11 parameters: stem.conv.weight, stem.bn.weight, stem.bn.bias, block.conv1.weight, ...`},
		{[]string{"stem", "head"}, nil, `pattern "head" matches none of the 11 parameters`},
		{[]string{""}, nil, `pattern "" matches none of the 11 parameters`},
		{[]string{"["}, nil, `pattern "[": syntax error in pattern`},
		{[]string{"*"}, nil, `patterns ["*"] leave none of the 11 parameters to train`},
	} {
		net, err := nn.Describe(residual(), tensor.Shape{4, 5, 5})
		require.NoError(t, err)
		count, err := net.Freeze(row.patterns...)
		var frozen []string
		for _, p := range net.Parameters {
			if p.Frozen {
				frozen = append(frozen, p.Name)
			}
		}
		require.Equal(t, row.frozen, frozen, "%q", row.patterns)
		if row.want != "" {
			require.ErrorContains(t, err, row.want, "%q", row.patterns)
			continue
		}
		require.NoError(t, err, "%q", row.patterns)
		require.Equal(t, len(row.frozen), count, "%q", row.patterns)
	}
}

// counting is a device that counts what backward asks for. It fuses nothing.
type counting struct {
	device.Device
	data, weights, products int
}

func (d *counting) adopt(x *device.Tensor, err error) (*device.Tensor, error) {
	if x != nil {
		x.Device = d
	}
	return x, err
}

func (d *counting) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return d.adopt(d.Device.New(shape, dtype))
}

func (d *counting) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return d.adopt(d.Device.Reshape(x, shape))
}

func (d *counting) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	d.data++
	return d.Device.ConvBackwardData(dx, dy, w, s)
}

func (d *counting) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	d.weights++
	return d.Device.ConvBackwardWeights(dw, x, dy, s)
}

func (d *counting) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	d.products++
	return d.Device.MatMul(c, a, b, transposeA, transposeB)
}

// Backward ends where only frozen layers are left, and skips the weights of those between.
func TestBackwardComputesNothingThatNobodyNeeds(t *testing.T) {
	for _, row := range []struct {
		patterns                []string
		data, weights, products int
	}{
		{nil, 2, 3, 2},
		{[]string{"stem"}, 1, 2, 2}, // the first block's input needs none
		{[]string{"stem", "block"}, 0, 0, 1},
		{[]string{"block"}, 2, 1, 2},
		{[]string{"block.conv2"}, 2, 2, 2},
		{[]string{"stem", "block", "fc.weight"}, 0, 0, 0},
		{[]string{"fc"}, 2, 3, 1},
	} {
		d := &counting{Device: open(t, "cpu")}
		net := build(t, d, residual(), 4, 5, 5)
		_, err := net.Freeze(row.patterns...)
		require.NoError(t, err)
		tape := tapeOn(t, d)
		tape.Training = true
		y := net.Forward(tape.Input(random(2, 2, 4, 5, 5)))
		require.NoError(t, tape.Backward(autograd.CrossEntropy(y, tape.Labels([]int32{0, 2}))))
		require.Equal(t, []int{row.data, row.weights, row.products}, []int{d.data, d.weights, d.products}, "%q: data, weights, products", row.patterns)
		for _, p := range net.Parameters {
			require.Equal(t, !p.Frozen, p.Grad() != nil, "%q: gradient of %s", row.patterns, p.Name)
		}
	}
}

// A frozen layer is after training what it was before, running statistics included; the others are trained as if it were
// in evaluation.
func TestFrozenLayersStay(t *testing.T) {
	for _, name := range append(devicetest.Names(), "cpu") {
		d := open(t, name)
		for _, row := range []struct {
			patterns, stay []string // of the state, in its order
		}{
			{[]string{"stem"}, []string{"stem.conv.weight", "stem.bn.weight", "stem.bn.bias", "stem.bn.running_mean", "stem.bn.running_var"}},
			{[]string{"block"}, []string{"block.conv1.weight", "block.bn1.weight", "block.bn1.bias", "block.conv2.weight", "block.bn2.weight", "block.bn2.bias",
				"block.bn1.running_mean", "block.bn1.running_var", "block.bn2.running_mean", "block.bn2.running_var"}},
			{[]string{"*.bn*.bias"}, []string{"stem.bn.bias", "block.bn1.bias", "block.bn2.bias"}}, // half of a normalisation is no frozen one
		} {
			net := build(t, d, residual(), 4, 5, 5)
			_, err := net.Freeze(row.patterns...)
			require.NoError(t, err)
			before := map[string][]float64{}
			for _, s := range net.State() {
				before[s.Name] = floats(t, s.Tensor)
			}
			o, err := optim.New(d, optim.Config{Method: "sgd", Rate: 0.1, Momentum: 0.9, WeightDecay: 0.1}, net.Parameters)
			require.NoError(t, err)
			t.Cleanup(o.Release)
			tape := tapeOn(t, d)
			for range 2 {
				tape.Reset()
				tape.Training = true
				y := net.Forward(tape.Input(random(2, 2, 4, 5, 5)))
				net.ZeroGrad()
				require.NoError(t, tape.Backward(autograd.CrossEntropy(y, tape.Labels([]int32{0, 2}))))
				require.NoError(t, o.Step())
			}
			var stayed []string
			for _, s := range net.State() {
				if slices.Equal(before[s.Name], floats(t, s.Tensor)) {
					stayed = append(stayed, s.Name)
				}
			}
			require.Equal(t, row.stay, stayed, "%s: %q", name, row.patterns)
		}
	}
}

// The gradient through a frozen normalisation is that of its evaluation.
func TestGradientThroughFrozenNormalisation(t *testing.T) {
	var want [][]float64
	for _, name := range append([]string{"reference"}, "cpu", devicetest.Fast()) {
		for _, training := range []bool{false, true} {
			d := open(t, name)
			net := build(t, d, residual(), 4, 5, 5)
			if training {
				_, err := net.Freeze("stem.bn", "block.bn1", "block.bn2")
				require.NoError(t, err)
			}
			tape := tapeOn(t, d)
			tape.Training = training
			y := net.Forward(tape.Input(random(2, 2, 4, 5, 5)))
			require.NoError(t, tape.Backward(autograd.CrossEntropy(y, tape.Labels([]int32{0, 2}))))
			var got [][]float64
			for _, p := range net.Parameters {
				if p.Shape().Dims() > 1 {
					got = append(got, floats(t, p.Grad()))
				}
			}
			if want == nil {
				want = got
			}
			for i := range want {
				require.LessOrEqual(t, distance(got[i], want[i]), 1e-5, "%s, training %v: gradient of weight %d", name, training, i)
			}
		}
	}
}

package nn_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
)

// kinds has every kind of layer, with the shape it makes of a sample and its state dictionary as PyTorch names it.
var kinds = []struct {
	kind   string
	layer  func() nn.Layer
	sample []int
	want   []int // of a batch of one
	state  string
}{
	{"Conv2D", func() nn.Layer { return nn.Conv(4, 3) }, []int{2, 7, 6}, []int{1, 4, 5, 4}, "weight[4 2 3 3] bias[4]"},
	{"Conv2D", func() nn.Layer { return nn.Conv(4, 3, nn.Stride(2), nn.Padding(1), nn.NoBias()) }, []int{2, 7, 6}, []int{1, 4, 4, 3}, "weight[4 2 3 3]"},
	{"Conv2D", func() nn.Layer { return nn.Conv(4, 3, nn.Dilation(2), nn.Groups(2)) }, []int{2, 7, 6}, []int{1, 4, 3, 2}, "weight[4 1 3 3] bias[4]"},
	{"Conv2D", func() nn.Layer { return nn.Conv(1, 4, nn.Same()) }, []int{2, 7, 6}, []int{1, 1, 7, 6}, "weight[1 2 4 4] bias[1]"},
	{"Conv2D", func() nn.Layer { return nn.Conv(1, 4, nn.Same(), nn.Dilation(3)) }, []int{2, 7, 6}, []int{1, 1, 7, 6}, "weight[1 2 4 4] bias[1]"},
	{"Conv2D", func() nn.Layer {
		return nn.Conv(1, 2, nn.PaddingSides(device.Padding{Top: 1, Bottom: 2, Left: 3, Right: 4}))
	}, []int{1, 5, 5}, []int{1, 1, 7, 11}, "weight[1 1 2 2] bias[1]"},
	{"TrueConv2D", func() nn.Layer { return nn.TrueConv(4, 3, nn.Same()) }, []int{2, 7, 6}, []int{1, 4, 7, 6}, "weight[4 2 3 3] bias[4]"},
	{"ConvTranspose2D", func() nn.Layer { return nn.ConvTranspose(4, 3, nn.Stride(2), nn.Padding(1), nn.OutputPadding(1)) },
		[]int{2, 7, 6}, []int{1, 4, 14, 12}, "weight[2 4 3 3] bias[4]"},
	{"ConvTranspose2D", func() nn.Layer { return nn.ConvTranspose(6, 2, nn.Groups(2), nn.NoBias()) }, []int{4, 3, 3}, []int{1, 6, 4, 4}, "weight[4 3 2 2]"},
	{"Linear", func() nn.Layer { return nn.Linear(5) }, []int{7}, []int{1, 5}, "weight[5 7] bias[5]"},
	{"BatchNorm", func() nn.Layer { return nn.BatchNorm() }, []int{3, 4, 4}, []int{1, 3, 4, 4}, "weight[3] bias[3] running_mean[3] running_var[3]"},
	{"BatchNorm", func() nn.Layer { return nn.BatchNorm() }, []int{3}, []int{1, 3}, "weight[3] bias[3] running_mean[3] running_var[3]"},
	{"MaxPool2D", func() nn.Layer { return nn.MaxPool(2) }, []int{3, 5, 4}, []int{1, 3, 2, 2}, ""},
	{"MaxPool2D", func() nn.Layer { return nn.MaxPool(3, nn.Stride(2), nn.CeilMode()) }, []int{3, 6, 6}, []int{1, 3, 3, 3}, ""},
	{"MinPool2D", func() nn.Layer { return nn.MinPool(2, nn.PaddingSides(device.Padding{Top: 1})) }, []int{3, 5, 4}, []int{1, 3, 3, 2}, ""},
	{"AvgPool2D", func() nn.Layer { return nn.AvgPool(3, nn.Stride(1), nn.Padding(1), nn.CountPadding()) }, []int{3, 5, 4}, []int{1, 3, 5, 4}, ""},
	{"GlobalAvgPool2D", func() nn.Layer { return nn.GlobalAvgPool() }, []int{3, 5, 4}, []int{1, 3, 1, 1}, ""},
	{"GlobalMaxPool2D", func() nn.Layer { return nn.GlobalMaxPool() }, []int{3, 5, 4}, []int{1, 3, 1, 1}, ""},
	{"GlobalMinPool2D", func() nn.Layer { return nn.GlobalMinPool() }, []int{3, 5, 4}, []int{1, 3, 1, 1}, ""},
	{"AdaptiveAvgPool2D", func() nn.Layer { return nn.AdaptiveAvgPool(3, 2) }, []int{3, 5, 4}, []int{1, 3, 3, 2}, ""},
	{"AdaptiveAvgPool2D", func() nn.Layer { return nn.AdaptiveAvgPool(3, 2) }, []int{3, 3, 2}, []int{1, 3, 3, 2}, ""},
	{"AdaptiveAvgPool2D", func() nn.Layer { return nn.AdaptiveAvgPool(6, 6) }, []int{3, 1, 2}, []int{1, 3, 6, 6}, ""},
	{"ZeroPadChannels", func() nn.Layer { return nn.ZeroPadChannels(1, 3) }, []int{3, 5, 4}, []int{1, 7, 5, 4}, ""},
	{"Auxiliary", func() nn.Layer { return nn.Auxiliary(0.3, nn.Sequential(nn.Named("fc", nn.Linear(2)))) }, []int{3}, []int{1, 3}, "fc.weight[2 3] fc.bias[2]"},
	{"Identity", func() nn.Layer { return nn.Identity() }, []int{3}, []int{1, 3}, ""},
	{"Step", func() nn.Layer { return nn.Step() }, []int{3}, []int{1, 3}, ""},
	{"Sigmoid", func() nn.Layer { return nn.Sigmoid() }, []int{3, 2, 2}, []int{1, 3, 2, 2}, ""},
	{"Tanh", func() nn.Layer { return nn.Tanh() }, []int{3}, []int{1, 3}, ""},
	{"ReLU", func() nn.Layer { return nn.ReLU() }, []int{3}, []int{1, 3}, ""},
	{"LeakyReLU", func() nn.Layer { return nn.LeakyReLU(0.1) }, []int{3}, []int{1, 3}, ""},
	{"ELU", func() nn.Layer { return nn.ELU(1) }, []int{3}, []int{1, 3}, ""},
	{"Maxout", func() nn.Layer { return nn.Maxout(3) }, []int{6, 2, 2}, []int{1, 2, 2, 2}, ""},
	{"Softmax", func() nn.Layer { return nn.Softmax() }, []int{3}, []int{1, 3}, ""},
	{"LogSoftmax", func() nn.Layer { return nn.LogSoftmax() }, []int{3, 2, 2}, []int{1, 3, 2, 2}, ""},
	{"Dropout", func() nn.Layer { return nn.Dropout(0.5) }, []int{3}, []int{1, 3}, ""},
	{"Flatten", func() nn.Layer { return nn.Flatten() }, []int{3, 4, 5}, []int{1, 60}, ""},
	{"LocalResponseNorm", func() nn.Layer {
		return nn.LocalResponseNorm(device.LRNSpec{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 2})
	}, []int{6, 2, 2}, []int{1, 6, 2, 2}, ""},
	{"ContrastNorm", func() nn.Layer { return nn.ContrastNorm(device.LRNSpec{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 2}) }, []int{6, 2, 2}, []int{1, 6, 2, 2}, ""},
	{"Upsample", func() nn.Layer { return nn.Upsample(3, device.UpsampleSpec{Bilinear: true}) }, []int{2, 2, 3}, []int{1, 2, 6, 9}, ""},
	{"ZeroPad", func() nn.Layer { return nn.ZeroPad(device.Padding{Top: 1, Left: 2}) }, []int{2, 2, 3}, []int{1, 2, 3, 5}, ""},
	{"Sequential", func() nn.Layer {
		return nn.Sequential(nn.Named("features", nn.Sequential(nn.Conv(2, 3), nn.ReLU(), nn.Conv(3, 1))), nn.Flatten(), nn.Named("fc", nn.Linear(2)))
	}, []int{1, 4, 4}, []int{1, 2},
		"features.0.weight[2 1 3 3] features.0.bias[2] features.2.weight[3 2 1 1] features.2.bias[3] fc.weight[2 12] fc.bias[2]"},
	{"Sequential", func() nn.Layer { return nn.Sequential() }, []int{3}, []int{1, 3}, ""},
	{"Residual", func() nn.Layer { return nn.Residual(nn.Conv(2, 3, nn.Same(), nn.NoBias()), nil) }, []int{2, 4, 4}, []int{1, 2, 4, 4}, "weight[2 2 3 3]"},
	{"Sequential", func() nn.Layer { // torchvision's basic block
		body := nn.Sequential(
			nn.Named("conv1", nn.Conv(4, 3, nn.Stride(2), nn.Padding(1), nn.NoBias())),
			nn.Named("relu", nn.ReLU()),
			nn.Named("conv2", nn.Conv(4, 3, nn.Padding(1), nn.NoBias())))
		return nn.Sequential(nn.Named("layer1", nn.Sequential(nn.Sequential(
			nn.Named("", nn.Residual(body, nn.Sequential(nn.Conv(4, 1, nn.Stride(2), nn.NoBias()), nn.BatchNorm()))),
			nn.Named("relu2", nn.ReLU())))))
	}, []int{2, 6, 6}, []int{1, 4, 3, 3}, "layer1.0.conv1.weight[4 2 3 3] layer1.0.conv2.weight[4 4 3 3] layer1.0.downsample.0.weight[4 2 1 1] " +
		"layer1.0.downsample.1.weight[4] layer1.0.downsample.1.bias[4] layer1.0.downsample.1.running_mean[4] layer1.0.downsample.1.running_var[4]"},
	{"Branches", func() nn.Layer {
		return nn.Branches(nn.Identity(), nn.Conv(3, 1, nn.NoBias()), nn.Named("pool", nn.Sequential(nn.MaxPool(3, nn.Stride(1), nn.Padding(1)), nn.Conv(1, 1, nn.NoBias()))))
	}, []int{2, 4, 5}, []int{1, 6, 4, 5}, "1.weight[3 2 1 1] pool.1.weight[1 2 1 1]"},
}

// TestLayers builds every kind, and compares what Build promised with what Forward gives.
func TestLayers(t *testing.T) {
	for _, device := range devicetest.Names() {
		for i, row := range kinds {
			t.Run(fmt.Sprintf("%s/%s-%d", device, row.kind, i), func(t *testing.T) {
				d := open(t, device)
				layer := row.layer()
				require.Equal(t, row.kind, layer.String())
				net := build(t, d, layer, row.sample...)
				require.Equal(t, append([]int{1}, row.sample...), []int(net.Input))
				require.Equal(t, row.want, []int(net.Output))
				var state []string
				for _, s := range net.State() {
					state = append(state, fmt.Sprint(s.Name, []int(s.Tensor.Shape)))
				}
				require.Equal(t, row.state, strings.Join(state, " "))

				for _, training := range []bool{false, true} {
					for _, batch := range []int{2, 1} {
						if batch == 1 && training && row.kind == "BatchNorm" && len(row.sample) == 1 {
							continue // one value per channel has no variance
						}
						tape := tapeOn(t, d)
						tape.Training = training
						y := net.Forward(tape.Input(random(3, append([]int{batch}, row.sample...)...)))
						require.NoError(t, tape.Err())
						want := append([]int{batch}, row.want[1:]...)
						require.Equal(t, want, []int(y.Shape()), "batch %d, training %t", batch, training)
						require.Empty(t, tape.Layer(), "Enter without Leave")
					}
				}
				parameters := 0
				for _, r := range net.Rows {
					parameters += r.Parameters
				}
				total := 0
				for _, p := range net.Parameters {
					total += p.Tensor().Size()
				}
				for _, b := range net.Buffers {
					total += b.Tensor.Size()
				}
				if len(net.Rows) > 0 { // a layer on its own is no row
					require.Equal(t, total, parameters, "the summary's rows")
				}
			})
		}
	}
}

// TestInitialValues: a parameter's first values depend on the seed and on its name, not on the device, the network or
// the order of building.
func TestInitialValues(t *testing.T) {
	values := func(device string, seed uint64, layer nn.Layer, name string) []float64 {
		d := open(t, device)
		net, err := nn.Build(d, layer, tensor.Shape{3, 6, 6}, seed)
		require.NoError(t, err)
		defer net.Release()
		for _, s := range net.State() {
			if s.Name == name {
				return floats(t, s.Tensor)
			}
		}
		t.Fatalf("no %s", name)
		return nil
	}
	conv := func() nn.Layer { return nn.Conv(4, 3) }
	alone := func() nn.Layer { return nn.Sequential(nn.Named("a", conv())) }
	first := values(devicetest.Fast(), 1, alone(), "a.weight")
	require.Equal(t, first, values(devicetest.Fast(), 1, alone(), "a.weight"), "again")
	require.Equal(t, first, values("reference", 1, alone(), "a.weight"), "on another device: to the bit, as float32")
	require.Equal(t, first, values(devicetest.Fast(), 1, nn.Sequential(nn.Conv(3, 1), nn.Named("a", conv())), "a.weight"), "in another network")
	require.NotEqual(t, first, values(devicetest.Fast(), 2, alone(), "a.weight"), "seed")
	require.NotEqual(t, first, values(devicetest.Fast(), 1, nn.Sequential(nn.Named("b", conv())), "b.weight"), "name")
	require.Equal(t, make([]float64, 4), values(devicetest.Fast(), 1, alone(), "a.bias"))
	norm := func() nn.Layer { return nn.BatchNorm() }
	require.Equal(t, []float64{1, 1, 1}, values(devicetest.Fast(), 1, norm(), "weight"))
	require.Equal(t, []float64{0, 0, 0}, values(devicetest.Fast(), 1, norm(), "bias"))
	require.Equal(t, []float64{0, 0, 0}, values(devicetest.Fast(), 1, norm(), "running_mean"))
	require.Equal(t, []float64{1, 1, 1}, values(devicetest.Fast(), 1, norm(), "running_var"))
}

// TestAllocate: what Build makes, with zeros where a seed would decide.
func TestAllocate(t *testing.T) {
	layer := func() nn.Layer { return nn.Sequential(nn.Conv(4, 3), nn.BatchNorm(), nn.Flatten(), nn.Linear(5)) }
	for _, device := range []string{"reference", devicetest.Fast()} {
		d := open(t, device)
		built := build(t, d, layer(), 3, 6, 6)
		net, err := nn.Allocate(d, layer(), tensor.Shape{3, 6, 6})
		require.NoError(t, err)
		defer net.Release()
		require.Equal(t, built.Output, net.Output)
		require.Len(t, net.Parameters, len(built.Parameters))
		for i, p := range net.Parameters {
			require.Equal(t, built.Parameters[i].Name, p.Name)
			require.Equal(t, built.Parameters[i].Shape(), p.Shape())
			require.Equal(t, make([]float64, p.Tensor().Size()), floats(t, p.Tensor()), p.Name)
		}
		for i, b := range net.Buffers {
			require.Equal(t, floats(t, built.Buffers[i].Tensor), floats(t, b.Tensor), b.Name)
		}
	}
	_, err := nn.Allocate(open(t, "reference"), layer(), tensor.Shape{3, 2, 2})
	require.ErrorIs(t, err, device.ErrShape)
}

// TestHeInitialDeviation: weights have mean 0 and variance 2 over the products in an output element.
func TestHeInitialDeviation(t *testing.T) {
	d := open(t, devicetest.Fast())
	for _, row := range []struct {
		layer    nn.Layer
		sample   []int
		products float64
	}{
		{nn.Linear(200), []int{300}, 300},
		{nn.Conv(64, 5), []int{16, 5, 5}, 16 * 5 * 5},
		{nn.Conv(64, 5, nn.Groups(4)), []int{16, 5, 5}, 4 * 5 * 5},
		{nn.TrueConv(64, 5), []int{16, 5, 5}, 16 * 5 * 5},
		{nn.ConvTranspose(16, 4), []int{64, 5, 5}, 64 * 4 * 4},
		{nn.ConvTranspose(16, 4, nn.Stride(2), nn.Groups(2)), []int{64, 5, 5}, 32 * 2 * 2}, // every second row and column meets the window
	} {
		w := floats(t, build(t, d, row.layer, row.sample...).Parameters[0].Tensor())
		mean, square := 0.0, 0.0
		for _, v := range w {
			mean += v / float64(len(w))
			square += v * v / float64(len(w))
		}
		want := math.Sqrt(2 / row.products)
		require.InEpsilon(t, want, math.Sqrt(square), 0.03, "%v: deviation of %d weights", row.layer, len(w))
		require.InDelta(t, 0, mean, 4*want/math.Sqrt(float64(len(w))), "%v: mean", row.layer)
	}
}

// TestBuildRefusals: the error names the layer by its path and kind, and gives nothing half-made away.
func TestBuildRefusals(t *testing.T) {
	d := open(t, devicetest.Fast())
	for _, row := range []struct {
		layer  nn.Layer
		sample []int
		want   string
	}{
		{nn.Sequential(nn.Conv(2, 3, nn.CeilMode())), []int{1, 5, 5},
			"layer 0 (Conv2D): option CeilMode means nothing here, expected one of [Stride Padding PaddingSides Dilation Groups NoBias Same]"},
		{nn.Conv(2, 3, nn.OutputPadding(1)), []int{1, 5, 5}, "option OutputPadding means nothing here"},
		{nn.ConvTranspose(2, 3, nn.Same()), []int{1, 5, 5}, "option Same means nothing here"},
		{nn.MaxPool(2, nn.CountPadding()), []int{1, 5, 5}, "option CountPadding means nothing here"},
		{nn.MaxPool(2, nn.Dilation(2)), []int{1, 5, 5}, "option Dilation means nothing here"},
		{nn.AvgPool(2, nn.Groups(2)), []int{1, 5, 5}, "option Groups means nothing here"},
		{nn.MinPool(2, nn.NoBias()), []int{1, 5, 5}, "option NoBias means nothing here"},
		{nn.Conv(2, 3, nn.Stride(0)), []int{1, 5, 5}, "wrong shape: option Stride below 1"},
		{nn.Conv(2, 3, nn.Dilation(0)), []int{1, 5, 5}, "wrong shape: option Dilation below 1"},
		{nn.Conv(2, 3, nn.Groups(-1)), []int{1, 5, 5}, "wrong shape: option Groups below 1"},
		{nn.Conv(2, 3, nn.Same(), nn.Padding(3)), []int{1, 5, 5}, "options Same and Padding exclude each other"},
		{nn.Conv(2, 3, nn.PaddingSides(device.Pad(1)), nn.Same()), []int{1, 5, 5}, "options Same and PaddingSides exclude each other"},
		{nn.Conv(2, 3, nn.Padding(-1)), []int{1, 5, 5}, "conv2d: wrong shape: padding {Top:-1 Bottom:-1 Left:-1 Right:-1}, expected at least 0"},
		{nn.Conv(3, 3, nn.Groups(2)), []int{2, 5, 5}, "wrong shape: 2 channels to 3 filters, expected multiples of 2 groups"},
		{nn.Conv(2, 3), []int{25}, "wrong shape: input (1, 25), expected [N, C, H, W]"},
		{nn.Conv(2, 6), []int{1, 5, 5}, "window of height 6 (dilation 1) does not fit the input's 5 + padding 0"},
		{nn.Conv(0, 3), []int{1, 5, 5}, "parameter weight: wrong shape: (0, 1, 3, 3) has no elements"},
		{nn.Conv(-2, 3), []int{1, 5, 5}, "parameter weight: wrong shape: (-2, 1, 3, 3) has a negative dimension"},
		{nn.Conv(2, 0), []int{1, 5, 5}, "window of height 0"},
		{nn.ConvTranspose(2, 0), []int{1, 5, 5}, "wrong shape: (1, 2, 0, 0) has no elements"},
		{nn.Sequential(nn.Conv(2, 3), nn.Linear(10)), []int{1, 5, 5}, "layer 1 (Linear): wrong shape: input (1, 2, 3, 3), expected [N, features]; Flatten comes before"},
		{nn.Linear(0), []int{4}, "parameter weight: wrong shape: (0, 4) has no elements"},
		{nn.Sequential(nn.Named("features", nn.Sequential(nn.ReLU(), nn.MaxPool(6)))), []int{1, 5, 5},
			"layer features.1 (MaxPool2D): max_pool2d: wrong shape: window [6 6] does not fit the input (1, 1, 5, 5)"},
		{nn.Sequential(nn.Named("a", nn.Sequential(nn.Named("b", nn.Sequential(nn.Maxout(2)))))), []int{3}, "layer a.b.0 (Maxout): maxout: wrong shape: input (1, 3) with 2 pieces"},
		{nn.GlobalAvgPool(), []int{3}, "wrong shape: input (1, 3), expected [N, C, H, W]"},
		{nn.AdaptiveAvgPool(0, 1), []int{1, 3, 3}, "adaptive_avg_pool2d: wrong shape: size [0 1], expected at least 1"},
		{nn.Sequential(nn.AdaptiveAvgPool(2, 2)), []int{3}, "layer 0 (AdaptiveAvgPool2D): adaptive_avg_pool2d: wrong shape: input is (1, 3)"},
		{nn.ZeroPadChannels(0, -1), []int{1, 3, 3}, "pad_channels: wrong shape: 0 channels before and -1 after"},
		{nn.Dropout(1), []int{3}, "dropout: rate 1, expected at least 0 and below 1"},
		{nn.Softmax(), nil, "softmax: wrong shape: input (1), expected [N, classes, ...]"},
		{nn.BatchNorm(), nil, "batch_norm: wrong shape: input is (1), expected at least two dimensions"},
		{nn.LocalResponseNorm(device.LRNSpec{}), []int{1, 2, 2}, "lrn: wrong shape: window of 0 maps"},
		{nn.ContrastNorm(device.LRNSpec{Size: 3}), []int{2}, "contrast_norm: wrong shape: input is (1, 2)"},
		{nn.Upsample(0, device.UpsampleSpec{}), []int{1, 2, 2}, "wrong shape: input (1, 1, 2, 2) by factor 0"},
		{nn.ZeroPad(device.Pad(-1)), []int{1, 2, 2}, "pad: wrong shape: padding"},
		{nn.Sequential(nn.Named("x", nn.Conv(2, 1)), nn.Named("x", nn.Conv(2, 1))), []int{1, 5, 5}, "layer x (Conv2D): two parameters or buffers are called x.weight"},
		{nn.Sequential(nn.Named("block", nn.Residual(nn.Sequential(nn.ReLU(), nn.Conv(2, 3)), nil))), []int{1, 5, 5},
			"layer block (Residual): wrong shape: the body turns (1, 1, 5, 5) into (1, 2, 3, 3), the identity shortcut into (1, 1, 5, 5)"},
		{nn.Residual(nn.Conv(2, 3), nn.Conv(3, 3)), []int{1, 5, 5}, "the body turns (1, 1, 5, 5) into (1, 2, 3, 3), the shortcut into (1, 3, 3, 3)"},
		{nn.Residual(nn.MaxPool(6), nil), []int{1, 5, 5}, "layer (MaxPool2D): max_pool2d"},
		{nn.Sequential(nn.Branches(nn.Conv(2, 3), nn.Conv(2, 1))), []int{1, 5, 5}, "layer 0 (Branches): concat: wrong shape: operands"},
		{nn.Sequential(nn.Branches()), []int{1, 5, 5}, "layer 0 (Branches): concat: wrong shape: no operands"},
	} {
		_, err := nn.Build(d, row.layer, row.sample, 1)
		require.ErrorContains(t, err, row.want)
		require.LessOrEqual(t, strings.Count(err.Error(), "layer "), 1, "%v: the path once", err)
		require.Zero(t, d.Stats().LiveTensors, "%v", err)
	}

	conv, linear, norm := nn.Conv(2, 3), nn.Linear(2), nn.BatchNorm()
	for _, row := range []struct {
		layer  nn.Layer
		sample []int
	}{{conv, []int{1, 5, 5}}, {linear, []int{3}}, {norm, []int{3}}} {
		build(t, d, row.layer, row.sample...)
		_, err := nn.Build(d, row.layer, row.sample, 1)
		require.EqualError(t, err, "the layer was built before; each network needs layers of its own", row.layer.String())
	}
}

// TestForwardErrorsNameTheLayer: an input that does not fit stops at the first layer that notices, by its path.
func TestForwardErrorsNameTheLayer(t *testing.T) {
	d := open(t, devicetest.Fast())
	net := build(t, d, nn.Sequential(
		nn.Named("features", nn.Sequential(nn.Conv(2, 3), nn.ReLU())),
		nn.Flatten(),
		nn.Named("head", nn.Sequential(nn.Dropout(0.5), nn.Linear(2)))), 1, 5, 5)
	for _, row := range []struct {
		shape []int
		want  string
	}{
		{[]int{2, 1, 6, 5}, "layer head.1: linear: wrong shape: input (2, 24) has 24 features, weights (2, 18) expect 18"},
		{[]int{2, 3, 5, 5}, "layer features.0: conv2d: wrong shape: input (2, 3, 5, 5) has 3 channels, weights (2, 1, 3, 3) with 1 groups expect 1"},
		{[]int{2, 25}, "layer features.0: conv2d: wrong shape: input is (2, 25), expected 4 dimensions [N, C, H, W]"},
	} {
		tape := tapeOn(t, d)
		net.Forward(tape.Input(random(1, row.shape...)))
		require.EqualError(t, tape.Err(), row.want)
		require.ErrorIs(t, tape.Err(), device.ErrShape)
	}
	// An input that is on no tape has none to put the error on; the result says it.
	loose, err := autograd.NewParameter(d, "loose", random(1, 2, 1, 5, 5))
	require.NoError(t, err)
	defer loose.Release()
	_, err = net.Forward(loose).Dense()
	require.ErrorContains(t, err, "no operand belongs to a tape")

	released := build(t, d, nn.Sequential(nn.Linear(2)), 3)
	released.Release()
	tape := tapeOn(t, d)
	released.Forward(tape.Input(random(1, 2, 3)))
	require.ErrorContains(t, tape.Err(), "layer 0: linear: operand 1: autograd: the value's memory was given back")
}

// TestZeroGradAndState: the state lists parameters, then buffers, with the live tensors.
func TestZeroGradAndState(t *testing.T) {
	d := open(t, devicetest.Fast())
	net := build(t, d, nn.Sequential(nn.BatchNorm(), nn.Linear(2)), 3)
	tape := tapeOn(t, d)
	tape.Training = true
	require.NoError(t, tape.Backward(autograd.Sum(net.Forward(tape.Input(random(1, 4, 3))), false)))
	for _, p := range net.Parameters {
		require.NotNil(t, p.Grad(), p.Name)
	}
	net.ZeroGrad()
	for _, p := range net.Parameters {
		require.Nil(t, p.Grad(), p.Name)
	}
	state := net.State()
	require.Len(t, state, 6)
	require.Equal(t, "1.bias", state[3].Name)
	require.Equal(t, "0.running_mean", state[4].Name)
	require.NotEqual(t, []float64{0, 0, 0}, floats(t, state[4].Tensor), "training moved the running mean")
	require.NoError(t, d.Fill(state[5].Tensor, 4))
	require.Equal(t, []float64{4, 4, 4}, floats(t, net.Buffers[1].Tensor))
}

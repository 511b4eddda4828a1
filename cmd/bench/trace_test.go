package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn"
	"fovea/nn/zoo"
)

func find(t *testing.T, name string) zoo.Model {
	t.Helper()
	m, err := zoo.Find(name)
	require.NoError(t, err)
	return m
}

func flopsOf(t *testing.T, m zoo.Model, batch int, training bool, o offers) (flops float64) {
	t.Helper()
	calls, err := trace(m, batch, training, o)
	require.NoError(t, err)
	for _, c := range calls {
		flops += c.flops
	}
	return flops
}

// Multiplications and additions as torchvision and the papers' followers count them; training makes each layer's three
// times, but for the first layer's gradient of its input, which nobody wants.
func TestFlops(t *testing.T) {
	for _, row := range []struct {
		model string
		giga  float64 // multiply-adds of one sample, to three digits
		first float64 // of those in the first layer, exactly
	}{
		{"alexnet", 0.714, 64 * 55 * 55 * 3 * 11 * 11},
		{"vgg16", 15.47, 64 * 224 * 224 * 3 * 3 * 3},
		{"resnet18", 1.81, 64 * 112 * 112 * 3 * 7 * 7},
		{"resnet50", 4.09, 64 * 112 * 112 * 3 * 7 * 7},
		{"mlp", 0.000622, 784 * 784},
		{"cnn-small", 0.00105, 32 * 24 * 24 * 25},
	} {
		for _, o := range []offers{parts, fused, folded} {
			t.Run(fmt.Sprint(row.model, " offers ", o), func(t *testing.T) {
				m := find(t, row.model)
				one := flopsOf(t, m, 1, false, o)
				require.InEpsilon(t, row.giga, one/2e9, 3e-3)
				require.Equal(t, 3*one, flopsOf(t, m, 3, false, o), "three samples")
				// Batch normalisation of one sample to one place is refused in training: two samples.
				require.Equal(t, 2*(3*one-2*row.first), flopsOf(t, m, 2, true, o), "training")
			})
		}
	}
}

// What a trace adds up is what a network's summary says, for every network; and each can be traced in training.
func TestFlopsAreTheSummarys(t *testing.T) {
	for _, name := range zoo.Names() {
		m := find(t, name)
		net, err := nn.Describe(m.New(m.Classes), m.Sample)
		require.NoError(t, err)
		for _, o := range []offers{parts, fused, folded} {
			require.Equal(t, 2*float64(net.MultiplyAdds), flopsOf(t, m, 1, false, o), "%s, offers %d", name, o)
		}
		require.Greater(t, flopsOf(t, m, 2, true, parts), 2*2*float64(net.MultiplyAdds), name)
	}
}

// varied is a small network with every kind of layer that the zoo has, and more.
func varied() zoo.Model {
	return zoo.Model{Name: "varied", Sample: tensor.Shape{3, 12, 12}, Classes: 5, New: func(classes int) nn.Layer {
		return nn.Sequential(
			nn.Conv(8, 3, nn.Padding(1)),
			nn.ReLU(),
			nn.LocalResponseNorm(device.LRNSpec{Size: 3, Alpha: 0.1, Beta: 0.75, K: 1}),
			nn.Residual(nn.Sequential(nn.Conv(8, 3, nn.Padding(1), nn.Groups(2), nn.NoBias()), nn.BatchNorm()), nil),
			nn.ReLU(),
			nn.Branches(nn.Conv(4, 1), nn.MaxPool(3, nn.Stride(1), nn.Padding(1)), nn.TrueConv(4, 3, nn.Same())),
			nn.ContrastNorm(device.LRNSpec{Size: 3, Alpha: 0.1, Beta: 0.5, K: 1}),
			nn.BatchNorm(),
			nn.ReLU(),
			nn.ConvTranspose(6, 2, nn.Stride(2)),
			nn.Upsample(2, device.UpsampleSpec{Bilinear: true}),
			nn.Maxout(2),
			nn.ELU(1),
			nn.AvgPool(4),
			nn.ZeroPad(device.Pad(1)),
			nn.Flatten(),
			nn.Dropout(0.5),
			nn.Linear(16),
			nn.ReLU(),
			nn.Softmax(),
			nn.Linear(classes))
	}}
}

// Every call of a trace can be made again on a real device: operands are in their places and have their shapes.
func TestCallsRunAgain(t *testing.T) {
	for _, name := range []string{"cpu", "reference"} {
		d, err := device.Open(name, device.Options{Threads: 2})
		require.NoError(t, err)
		for _, training := range []bool{false, true} {
			calls, err := trace(varied(), 3, training, parts)
			require.NoError(t, err)
			for _, c := range calls {
				operands, release, err := c.operands(d)
				require.NoError(t, err)
				require.NoError(t, c.run(d, operands), "%s %s (%s)", name, c.layer, c.pass)
				require.NoError(t, d.Synchronize())
				for i, x := range operands {
					if x != nil && x.DType == d.Float() {
						values, err := x.Floats()
						require.NoError(t, err)
						for e, v := range values {
							require.False(t, v != v, "%s %s (%s): operand %d element %d is NaN", name, c.layer, c.pass, i, e)
						}
					}
				}
				release()
			}
		}
		require.NoError(t, d.Close())
	}
}

// The real step and the trace ask the same of a device.
func TestTraceIsTheStep(t *testing.T) {
	texts := func(calls []call) (all []string) {
		for _, c := range calls {
			all = append(all, c.layer+" | "+c.pass)
		}
		return all
	}
	calls, err := trace(find(t, "cnn-small"), 4, true, parts)
	require.NoError(t, err)
	require.Equal(t, []string{
		"conv2d 1x28x28 to 32x24x24, 5x5 | forward", "relu 32x24x24 | forward", "max_pool2d 32x24x24 to 32x12x12, 2x2, stride 2 | forward",
		"dropout 32x12x12 | forward", "linear 4608 to 128 | forward", "relu 128 | forward", "linear 128 to 10 | forward", "cross_entropy 10 | forward",
		"cross_entropy 10 | backward", "sum_channels 10 | backward bias", "linear 128 to 10 | backward weights", "linear 128 to 10 | backward data",
		"relu 128 | backward", "sum_channels 128 | backward bias", "linear 4608 to 128 | backward weights", "linear 4608 to 128 | backward data",
		"dropout 32x12x12 | backward", "relu 32x12x12 | backward", "max_pool2d 32x24x24 to 32x12x12, 2x2, stride 2 | backward",
		"sum_channels 32x24x24 | backward bias", "conv2d 1x28x28 to 32x24x24, 5x5 | backward weights", "adam, 592074 parameters | update",
	}, texts(calls))
	require.Equal(t, "[4 32 24 24] [4 1 28 28] [32 1 5 5] [32]", shapes(calls[0]))
	require.Equal(t, float64(4*(32*24*24+28*28)+32*25+32), calls[0].traffic(1, device.FP32))

	calls, err = trace(find(t, "cnn-small"), 4, false, parts)
	require.NoError(t, err)
	require.Equal(t, []string{
		"conv2d 1x28x28 to 32x24x24, 5x5 | forward", "relu 32x24x24 | forward", "max_pool2d 32x24x24 to 32x12x12, 2x2, stride 2 | forward",
		"linear 4608 to 128 | forward", "relu 128 | forward", "linear 128 to 10 | forward"}, texts(calls))

	calls, err = trace(find(t, "resnet18"), 2, false, parts)
	require.NoError(t, err)
	require.Equal(t, "conv2d 3x224x224 to 64x112x112, 7x7, stride 2, pad 3 | forward", texts(calls)[0])
	count := func(calls []call, layer string) int {
		return len(calls) - len(slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return c.layer == layer }))
	}
	require.Equal(t, 8, count(calls, "add 64x56x56")+count(calls, "add 128x28x28")+count(calls, "add 256x14x14")+count(calls, "add 512x7x7"))
	calls, err = trace(find(t, "resnet18"), 2, false, fused)
	require.NoError(t, err)
	require.Equal(t, 2, count(calls, "batch_norm_add_relu 64x56x56"))
	require.Equal(t, 0, count(calls, "add 64x56x56"))
	calls, err = trace(find(t, "resnet18"), 2, false, folded)
	require.NoError(t, err)
	require.Equal(t, 1, count(calls, "conv2d_batch_norm_relu 3x224x224 to 64x112x112, 7x7, stride 2, pad 3"))
	require.Equal(t, 2, count(calls, "conv2d_batch_norm_add_relu 64x56x56 to 64x56x56, 3x3, pad 1"))
	require.Equal(t, 1, count(calls, "conv2d_batch_norm 64x56x56 to 128x28x28, 1x1, stride 2"))
	require.Len(t, calls, 20+3, "convolutions, two poolings and the classifier")
	calls, err = trace(find(t, "alexnet"), 2, true, fused)
	require.NoError(t, err)
	require.Equal(t, 1, count(calls, "conv2d_relu 3x224x224 to 64x55x55, 11x11, stride 4, pad 2"))
	require.Equal(t, 1, count(calls, "linear_relu 9216 to 4096"))
}

func shapes(c call) string {
	text := ""
	for _, t := range c.tensors {
		text += fmt.Sprint([]int(t.Shape), " ")
	}
	return text[:len(text)-1]
}

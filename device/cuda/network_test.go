//go:build cuda

package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/zoo"
)

// firstStep is the loss and all gradients, one after another, of a network's first training step.
func firstStep(t *testing.T, p device.Precision, layer nn.Layer, sample tensor.Shape) (loss float64, gradients []float64) {
	t.Helper()
	d := opened(t, p)
	net, err := nn.Build(d, layer, sample, 1)
	require.NoError(t, err)
	defer net.Release()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	tape.Training, tape.Random = true, philox.Stream{Seed: 5, ID: 1}
	const batch = 4
	random := philox.NewSource(philox.Stream{Seed: 3})
	x, labels := make([]float32, batch*device.Size(sample)), make([]int32, batch)
	for i := range x {
		x[i] = float32(random.Normal(0, 1))
	}
	for i := range labels {
		labels[i] = int32(random.Intn(10))
	}
	input := tape.Input(tensor.New(tensor.WithShape(append(tensor.Shape{batch}, sample...)...), tensor.WithBacking(x)))
	out := autograd.CrossEntropy(net.Forward(input), tape.Labels(labels))
	require.NoError(t, tape.Backward(out))
	loss, err = out.Item()
	require.NoError(t, err)
	for _, p := range net.Parameters {
		require.Equal(t, storage(p.Tensor()), storage(p.Grad()), p.Name)
		gradients = append(gradients, floats(t, p.Grad())...)
	}
	return loss, gradients
}

// A step in TF32 and in bfloat16 is not farther from the one in float32, which agrees with the reference, than about twice
// what was found. Gradients are farther off than a single operation: where a unit comes to lie on the other side of ReLU's kink,
// or another element of a window becomes the largest, all that follows from it changes.
func TestNetworksInEachPrecision(t *testing.T) {
	type bound struct{ loss, gradients float64 } // relative
	for _, row := range []struct {
		name       string
		layer      func() nn.Layer
		sample     tensor.Shape
		tf32, bf16 bound
	}{
		{"cnn-small", func() nn.Layer { return zoo.CNNSmall(10) }, tensor.Shape{1, 28, 28}, bound{5e-4, 2e-3}, bound{1e-3, 1e-2}},
		{"inception", inception, tensor.Shape{192, 5, 7}, bound{5e-4, 5e-3}, bound{1e-3, 3e-2}},
		{"residual blocks", residual, tensor.Shape{3, 16, 16}, bound{5e-4, 5e-2}, bound{1e-3, 1.5e-1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantLoss, want := firstStep(t, device.FP32, row.layer(), row.sample)
			for p, most := range map[device.Precision]bound{device.TF32: row.tf32, device.BF16: row.bf16} {
				loss, got := firstStep(t, p, row.layer(), row.sample)
				distance, norm := 0.0, 0.0
				for i, w := range want {
					distance += (got[i] - w) * (got[i] - w)
					norm += w * w
				}
				off, far := math.Abs(loss/wantLoss-1), math.Sqrt(distance/norm)
				t.Logf("%v: loss %.6f off by %.2g, gradients by %.2g", p, loss, off, far)
				require.LessOrEqual(t, off, most.loss, "%v: loss", p)
				require.LessOrEqual(t, far, most.gradients, "%v: gradients", p)
				require.Greater(t, far, 1e-4, "%v: nearer than it can be: this is fp32", p)
			}
		})
	}
}

func inception() nn.Layer {
	return nn.Sequential(zoo.Inception(64, 96, 128, 16, 32, 32), nn.GlobalAvgPool(), nn.Flatten(), nn.Linear(10))
}

// residual is a ResNet of three basic blocks, one of which reduces.
func residual() nn.Layer {
	block := func(width, stride int, shortcut nn.Layer) nn.Layer {
		return nn.Sequential(nn.Residual(nn.Sequential(nn.Conv(width, 3, nn.Stride(stride), nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU(),
			nn.Conv(width, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm()), shortcut), nn.ReLU())
	}
	return nn.Sequential(nn.Conv(16, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU(), block(16, 1, nil),
		block(32, 2, nn.Sequential(nn.Conv(32, 1, nn.Stride(2), nn.NoBias()), nn.BatchNorm())), block(32, 1, nil),
		nn.GlobalAvgPool(), nn.Flatten(), nn.Linear(10))
}

package zoo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
)

// TestInferenceAgreesWithReference: the logits of networks whose running statistics are not those they began with. Devices
// compute convolution, normalisation, sum and ReLU as they like.
func TestInferenceAgreesWithReference(t *testing.T) {
	for _, row := range []struct {
		name  string
		layer func() nn.Layer
		side  int
	}{
		{"vgg16_bn narrow", func() nn.Layer { return vgg(narrowed(vgg16), 256, true, classes) }, 32},
		{"resnet18 narrow", func() nn.Layer { return resnet(basicBlock, 16, [4]int{2, 2, 2, 2}, classes) }, 65},
		{"resnet50 narrow", func() nn.Layer { return resnet(bottleneck, 16, [4]int{3, 4, 6, 3}, classes) }, 65},
		{"googlenet narrow", func() nn.Layer { return googLeNet(16, classes, true) }, 65},
		{"googlenet-original narrow", func() nn.Layer { return googLeNetOriginal(16, classes, false) }, 65},
		{"resnet20-cifar", func() nn.Layer { return resnetCIFAR(20, classes) }, 16},
		{"resnet38-cifar, activated before", func() nn.Layer { return preactivatedCIFAR(38, classes) }, 16},
	} {
		t.Run(row.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("a second on the reference device, ten under the race detector")
			}
			var want []float64
			for _, name := range everyDevice() {
				d := open(t, name)
				net, err := nn.Build(d, row.layer(), tensor.Shape{3, row.side, row.side}, 1)
				require.NoError(t, err)
				t.Cleanup(net.Release)
				random := philox.NewSource(philox.Stream{Seed: 3})
				draw := func(low, high float64, n int) []float32 {
					values := make([]float32, n)
					for i := range values {
						values[i] = float32(random.Uniform(low, high))
					}
					return values
				}
				for i, b := range net.Buffers { // mean, variance, mean, ...
					low := []float64{-0.5, 0.5}[i%2]
					require.NoError(t, d.Upload(b.Tensor, draw(low, low+1, b.Tensor.Size())))
				}
				tape := autograd.NewTape(d)
				tape.NoGrad = true
				t.Cleanup(tape.Reset)
				shape := tensor.Shape{2, 3, row.side, row.side}
				y := net.Forward(tape.Input(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(draw(-1.5, 1.5, device.Size(shape))))))
				require.NoError(t, tape.Err())
				got, err := y.Tensor().Floats()
				require.NoError(t, err)
				if want == nil {
					want = got
				}
				off := distances(t, step{names: []string{"logits"}, gradients: [][]float64{got}}, step{names: []string{"logits"}, gradients: [][]float64{want}})[0]
				t.Logf("%s: off by %.2g", name, off)
				require.LessOrEqual(t, off, near, name)
			}
		})
	}
}

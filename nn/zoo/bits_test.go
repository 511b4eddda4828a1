package zoo

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
)

// everyDevice is the reference, the cpu and the device under test.
func everyDevice() []string {
	return slices.Compact([]string{"reference", "cpu", devicetest.Fast()})
}

func open(t *testing.T, name string) device.Device {
	t.Helper()
	d, err := device.Open(name, device.Options{Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// sameBits reports the first element that is not the very number wanted; -0 is not 0.
func sameBits(t *testing.T, got, want []float64, of string, shape tensor.Shape) {
	t.Helper()
	require.Len(t, got, len(want), "%s %v", of, shape)
	for i, w := range want {
		if math.Float64bits(got[i]) != math.Float64bits(w) {
			require.FailNow(t, "bits differ", "%s %v: element %d is %v, expected %v", of, shape, i, got[i], w)
		}
	}
}

// TestInitialWeightsAreTheSame builds each network, the large ones narrow, on every device and reads its state back.
func TestInitialWeightsAreTheSame(t *testing.T) {
	picture := tensor.Shape{3, 33, 33}
	for _, row := range []struct {
		name   string
		sample tensor.Shape
		layer  func() nn.Layer
	}{
		{"mlp", tensor.Shape{1, 28, 28}, func() nn.Layer { return MLP(classes) }},
		{"cnn-small", tensor.Shape{1, 28, 28}, func() nn.Layer { return CNNSmall(classes) }},
		{"cnn-large", tensor.Shape{1, 28, 28}, func() nn.Layer { return CNNLarge(classes) }},
		{"inception", tensor.Shape{192, 5, 5}, func() nn.Layer { return Inception(64, 96, 128, 16, 32, 32) }},
		{"inception, normalised", tensor.Shape{192, 5, 5}, func() nn.Layer { return normalisedInception(inceptions["3a"], 64) }},
		{"alexnet", tensor.Shape{3, 63, 63}, func() nn.Layer { return alexNet(64, classes) }},
		{"alexnet-original", tensor.Shape{3, 67, 67}, func() nn.Layer { return originalAlexNet(2, 64, classes) }},
		{"zfnet", tensor.Shape{3, 47, 47}, func() nn.Layer { return zfNet(64, classes) }},
		{"googlenet", picture, func() nn.Layer { return googLeNet(8, classes, true) }},
		{"googlenet-original", tensor.Shape{3, 80, 80}, func() nn.Layer { return googLeNetOriginal(8, classes, true) }},
		{"resnet56-cifar", picture, func() nn.Layer { return resnetCIFAR(56, classes) }},
		{"resnet38-cifar, activated before", picture, func() nn.Layer { return preactivatedCIFAR(38, classes) }},
		{"vgg11", picture, func() nn.Layer { return vgg(narrowed(vgg11), 32, false, classes) }},
		{"vgg13_bn", picture, func() nn.Layer { return vgg(narrowed(vgg13), 32, true, classes) }},
		{"vgg16", picture, func() nn.Layer { return vgg(narrowed(vgg16), 32, false, classes) }},
		{"vgg19_bn", picture, func() nn.Layer { return vgg(narrowed(vgg19), 32, true, classes) }},
		{"resnet18", picture, func() nn.Layer { return resnet(basicBlock, 8, [4]int{2, 2, 2, 2}, classes) }},
		{"resnet34", picture, func() nn.Layer { return resnet(basicBlock, 8, [4]int{3, 4, 6, 3}, classes) }},
		{"resnet50", picture, func() nn.Layer { return resnet(bottleneck, 5, [4]int{3, 4, 6, 3}, classes) }},
		{"resnet101", picture, func() nn.Layer { return resnet(bottleneck, 3, [4]int{3, 4, 23, 3}, classes) }},
		{"resnet152", picture, func() nn.Layer { return resnet(bottleneck, 3, [4]int{3, 8, 36, 3}, classes) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			var first [][]float64
			for _, name := range everyDevice() {
				net, err := nn.Build(open(t, name), row.layer(), row.sample, 7)
				require.NoError(t, err)
				t.Cleanup(net.Release)
				for i, s := range net.State() {
					values, err := s.Tensor.Floats()
					require.NoError(t, err)
					if name == "reference" {
						first = append(first, values)
						continue
					}
					sameBits(t, values, first[i], fmt.Sprintf("%s on %s", s.Name, name), s.Tensor.Shape)
				}
				require.Len(t, net.State(), len(first))
			}
		})
	}
}

// TestDropoutMasksAreTheSame holds every device to the definition: the mask is drawn for the logical, row-major position,
// however the device lays the elements out.
func TestDropoutMasksAreTheSame(t *testing.T) {
	var devices []device.Device
	for _, name := range everyDevice() {
		devices = append(devices, open(t, name))
	}
	for _, shape := range []tensor.Shape{
		{1}, {3}, {4}, {4099}, {3, 5}, {7, 1}, {2, 3, 5}, {1, 1, 1, 1}, {2, 3, 5, 7}, {1, 1, 9, 5}, {3, 33, 1, 1}, {2, 16, 4, 4}, {5, 32, 12, 12}, {1, 130, 3, 1}, {2, 2, 2, 3, 3},
	} {
		for _, rate := range []float64{0.001, 0.2, 0.5, 0.9} {
			stream := philox.Stream{Seed: 0xFEDCBA9876543210, ID: 0x0123456789ABCDEF}.Sub(uint64(device.Size(shape)), uint64(1000*rate))
			elements, mask := make([]float32, device.Size(shape)), make([]float64, device.Size(shape))
			random := philox.NewSource(philox.Stream{Seed: 9})
			for i := range elements {
				elements[i] = float32(random.Uniform(1, 2))
				if stream.Four(uint64(i / 4))[i%4] >= device.DropThreshold(rate) {
					mask[i] = 1
				}
			}
			var first [2][]float64 // forward and backward
			for _, d := range devices {
				who := fmt.Sprintf("%s, rate %v: ", d.Name(), rate)
				tape := autograd.NewTape(d)
				t.Cleanup(tape.Reset)
				x := tape.Variable(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(elements)))
				y := autograd.DropoutFrom(x, rate, stream).Keep()
				require.NoError(t, tape.Backward(autograd.Sum(y, false)))
				for pass, result := range []*device.Tensor{y.Tensor(), x.Grad()} {
					values, err := result.Floats()
					require.NoError(t, err)
					kept := make([]float64, len(values))
					for i, v := range values {
						if v != 0 {
							kept[i] = 1
						}
					}
					sameBits(t, kept, mask, who+[]string{"mask", "mask of the gradient"}[pass], shape)
					if d.Name() == "cpu" {
						first[pass] = values
					}
					if first[pass] != nil {
						sameBits(t, values, first[pass], who+"result", shape)
					}
				}
				tape.Reset()
			}
		}
	}
}

package zoo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn"
)

// The counts of ../shared/LECTURE.md, which are torchvision's too.
func TestParameterCounts(t *testing.T) {
	for name, want := range map[string]int{
		"alexnet": 61_100_840, "vgg11": 132_863_336, "vgg13": 133_047_848, "vgg16": 138_357_544, "vgg19": 143_667_240,
		"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160, "resnet152": 60_192_808,
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, parameters(t, name))
		})
	}
}

// A batch normalisation has a scale and a shift for each filter.
func TestParameterCountsWithBatchNorm(t *testing.T) {
	filters := 0
	for _, f := range vgg16 {
		filters += f
	}
	require.Equal(t, 138_357_544+2*filters, parameters(t, "vgg16_bn"))
}

func parameters(t *testing.T, name string) int {
	t.Helper()
	model, err := Find(name)
	require.NoError(t, err)
	net, err := nn.Describe(model.New(model.Classes), model.Sample)
	require.NoError(t, err)
	require.Equal(t, []int{1, model.Classes}, []int(net.Output))
	n := 0
	for _, p := range net.Parameters {
		n += device.Size(p.Shape())
	}
	return n
}

// Names are those of torchvision's state dictionaries, so that its weights load.
func TestNamesAreTorchvisions(t *testing.T) {
	for model, want := range map[string][]string{
		"alexnet": {"features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"},
		"resnet18": {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer1.1.bn2.bias", "layer2.0.downsample.0.weight",
			"layer2.0.downsample.1.running_mean", "layer4.1.conv2.weight", "fc.weight", "fc.bias"},
	} {
		m, err := Find(model)
		require.NoError(t, err)
		net, err := nn.Describe(m.New(m.Classes), m.Sample)
		require.NoError(t, err)
		have := map[string]bool{}
		for _, s := range net.State() {
			have[s.Name] = true
		}
		for _, name := range want {
			require.True(t, have[name], "%s has no %s", model, name)
		}
	}
}

// The module of table 1's row "inception (3a)": 28 x 28 x 256.
func TestInception(t *testing.T) {
	d, err := device.Open(devicetest.Fast(), device.Options{Deterministic: true})
	require.NoError(t, err)
	defer d.Close()
	net, err := nn.Build(d, Inception(64, 96, 128, 16, 32, 32), tensor.Shape{192, 28, 28}, 1)
	require.NoError(t, err)
	defer net.Release()
	require.Equal(t, []int{1, 256, 28, 28}, []int(net.Output))
	n := 0
	for _, p := range net.Parameters {
		n += device.Size(p.Shape())
	}
	weights, biases := 192*64+192*96+96*128*9+192*16+16*32*25+192*32, 64+96+128+16+32+32
	require.Equal(t, weights+biases, n) // the paper's 159K, and the biases
}

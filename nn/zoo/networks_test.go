package zoo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn"
)

// architectures has every network but the MNIST examples: parameters as in ../shared/LECTURE.md, the papers and torchvision
// (the rest by its formula: googlenet-original as Caffe's, resnet1001-cifar as pytorchcv's preresnet1001), the arithmetic of
// a sample (torchvision's figures to their three digits), and the output size of each stage of the paper's table.
var architectures = []struct {
	name                     string
	parameters, multiplyAdds int
	stages                   string
}{
	{"alexnet", 61_100_840, 714_188_480,
		"features.0 64x55x55, features.2 64x27x27, features.3 192x27x27, features.5 192x13x13, features.6 384x13x13, features.8 256x13x13, features.10 256x13x13, features.12 256x6x6, " +
			"flatten 9216, classifier.1 4096, classifier.4 4096, classifier.6 1000"},
	{"alexnet-original", 60_965_224, 724_406_816, alexNetStages},
	{"alexnet-ungrouped", 62_378_344, 1_135_256_096, alexNetStages},
	{"zfnet", 62_357_608, 1_168_032_896,
		"conv1 96x110x110, pool1 96x55x55, norm1 96x55x55, conv2 256x26x26, pool2 256x13x13, norm2 256x13x13, conv3 384x13x13, conv4 384x13x13, conv5 256x13x13, pool5 256x6x6, " +
			"flatten 9216, fc6 4096, fc7 4096, fc8 1000"},
	{"vgg11", 132_863_336, 7_609_090_048,
		"features.0 64x224x224, features.2 64x112x112, features.5 128x56x56, features.10 256x28x28, features.15 512x14x14, features.20 512x7x7, flatten 25088, classifier.0 4096, classifier.3 4096"},
	{"vgg13", 133_047_848, 11_308_466_176,
		"features.2 64x224x224, features.4 64x112x112, features.9 128x56x56, features.14 256x28x28, features.19 512x14x14, features.24 512x7x7, flatten 25088"},
	{"vgg16", 138_357_544, 15_470_264_320,
		"features.2 64x224x224, features.4 64x112x112, features.9 128x56x56, features.16 256x28x28, features.23 512x14x14, features.30 512x7x7, flatten 25088"},
	{"vgg19", 143_667_240, 19_632_062_464,
		"features.2 64x224x224, features.4 64x112x112, features.9 128x56x56, features.18 256x28x28, features.27 512x14x14, features.36 512x7x7, flatten 25088"},
	// A batch normalisation has a scale and a shift for each filter.
	{"vgg11_bn", 132_863_336 + 2*2752, 7_609_090_048, "features.28 512x7x7, flatten 25088"},
	{"vgg13_bn", 133_047_848 + 2*2944, 11_308_466_176, "features.34 512x7x7, flatten 25088"},
	{"vgg16_bn", 138_357_544 + 2*4224, 15_470_264_320, "features.43 512x7x7, flatten 25088"},
	{"vgg19_bn", 143_667_240 + 2*5504, 19_632_062_464, "features.52 512x7x7, flatten 25088"},
	{"googlenet", 13_004_888, 1_498_376_192, googLeNetStages + ", aux1.avgpool 512x4x4, aux1.flatten 2048, aux1.fc1 1024, aux1.fc2 1000, aux2.avgpool 528x4x4, aux2.flatten 2048, aux2.fc1 1024, aux2.fc2 1000"},
	{"googlenet-headless", 6_624_904, 1_498_376_192, googLeNetStages},
	{"googlenet-original", 13_378_280, 1_582_671_872, "conv1 64x112x112, norm1 64x56x56, norm2 192x56x56, " + inceptionStages +
		", aux1.avgpool 512x4x4, aux1.flatten 2048, aux1.fc1 1024, aux1.fc2 1000, aux2.avgpool 528x4x4, aux2.flatten 2048, aux2.fc1 1024, aux2.fc2 1000"},
	{"resnet18", 11_689_512, 1_814_073_344, "conv1 64x112x112, maxpool 64x56x56, layer1.1 64x56x56, layer2.1 128x28x28, layer3.1 256x14x14, layer4.1 512x7x7, avgpool 512x1x1"},
	{"resnet34", 21_797_672, 3_663_761_408, "conv1 64x112x112, maxpool 64x56x56, layer1.2 64x56x56, layer2.3 128x28x28, layer3.5 256x14x14, layer4.2 512x7x7, avgpool 512x1x1"},
	{"resnet50", 25_557_032, 4_089_184_256, "conv1 64x112x112, maxpool 64x56x56, layer1.2 256x56x56, layer2.3 512x28x28, layer3.5 1024x14x14, layer4.2 2048x7x7, avgpool 2048x1x1"},
	{"resnet101", 44_549_160, 7_801_405_440, "conv1 64x112x112, maxpool 64x56x56, layer1.2 256x56x56, layer2.3 512x28x28, layer3.22 1024x14x14, layer4.2 2048x7x7, avgpool 2048x1x1"},
	{"resnet152", 60_192_808, 11_513_626_624, "conv1 64x112x112, maxpool 64x56x56, layer1.2 256x56x56, layer2.7 512x28x28, layer3.35 1024x14x14, layer4.2 2048x7x7, avgpool 2048x1x1"},
	{"resnet20-cifar", 269_722, 40_551_040, "conv1 16x32x32, layer1.2 16x32x32, layer2.2 32x16x16, layer3.2 64x8x8, avgpool 64x1x1"},
	{"resnet32-cifar", 464_154, 68_862_592, "conv1 16x32x32, layer1.4 16x32x32, layer2.4 32x16x16, layer3.4 64x8x8, avgpool 64x1x1"},
	{"resnet44-cifar", 658_586, 97_174_144, "conv1 16x32x32, layer1.6 16x32x32, layer2.6 32x16x16, layer3.6 64x8x8, avgpool 64x1x1"},
	{"resnet56-cifar", 853_018, 125_485_696, "conv1 16x32x32, layer1.8 16x32x32, layer2.8 32x16x16, layer3.8 64x8x8, avgpool 64x1x1"},
	{"resnet110-cifar", 1_727_962, 252_887_680, "conv1 16x32x32, layer1.17 16x32x32, layer2.17 32x16x16, layer3.17 64x8x8, avgpool 64x1x1"},
	{"resnet1001-cifar", 10_327_706, 1_487_849_984, "conv1 16x32x32, layer1.0 64x32x32, layer1.110 64x32x32, layer2.110 128x16x16, layer3.110 256x8x8, avgpool 256x1x1"},
}

const (
	alexNetStages = "conv1 96x55x55, norm1 96x55x55, pool1 96x27x27, conv2 256x27x27, norm2 256x27x27, pool2 256x13x13, conv3 384x13x13, conv4 384x13x13, conv5 256x13x13, pool5 256x6x6, " +
		"flatten 9216, fc6 4096, fc7 4096, fc8 1000"
	inceptionStages = "maxpool1 64x56x56, maxpool2 192x28x28, inception3a 256x28x28, inception3b 480x28x28, maxpool3 480x14x14, inception4a 512x14x14, inception4b 512x14x14, inception4c 512x14x14, " +
		"inception4d 528x14x14, inception4e 832x14x14, maxpool4 832x7x7, inception5a 832x7x7, inception5b 1024x7x7, avgpool 1024x1x1, flatten 1024, fc 1000"
	googLeNetStages = "conv1.relu 64x112x112, conv2.relu 64x56x56, conv3.relu 192x56x56, " + inceptionStages
)

func describe(t *testing.T, name string) *nn.Network {
	t.Helper()
	model, err := Find(name)
	require.NoError(t, err)
	net, err := nn.Describe(model.New(model.Classes), model.Sample)
	require.NoError(t, err)
	require.Equal(t, []int{1, model.Classes}, []int(net.Output), name)
	return net
}

func TestArchitectures(t *testing.T) {
	known := map[string]bool{"mlp": true, "cnn-small": true, "cnn-large": true}
	for _, row := range architectures {
		known[row.name] = true
		t.Run(row.name, func(t *testing.T) {
			net := describe(t, row.name)
			require.Equal(t, row.parameters, net.ParameterCount(), "parameters")
			require.Equal(t, row.multiplyAdds, net.MultiplyAdds, "multiply-adds")
			sizes := map[string]string{}
			for _, r := range net.Rows {
				sizes[r.Name] = strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(r.Shape[1:])), " ", "x"), "[]")
			}
			for _, stage := range strings.Split(row.stages, ", ") {
				layer, size, _ := strings.Cut(stage, " ")
				require.Equal(t, size, sizes[layer], "output of %s", layer)
			}
		})
	}
	for _, name := range Names() {
		require.True(t, known[name], "%s is in no table", name)
	}
}

// TestDepths counts the layers with weights, as the networks' names do: convolutions (but not those of shortcuts and heads,
// one of the four side by side in an inception module's two steps) and fully connected layers.
func TestDepths(t *testing.T) {
	for name, want := range map[string]int{
		"vgg11": 11, "vgg16_bn": 16, "vgg19": 19, "googlenet": 22, "googlenet-original": 22, "resnet18": 18, "resnet34": 34, "resnet50": 50, "resnet101": 101, "resnet152": 152,
		"resnet20-cifar": 20, "resnet32-cifar": 32, "resnet44-cifar": 44, "resnet56-cifar": 56, "resnet110-cifar": 110, "resnet1001-cifar": 1001,
		"alexnet": 8, "alexnet-original": 8, "zfnet": 8,
	} {
		depth := 0
		for _, r := range describe(t, name).Rows {
			aside := r.Auxiliary || strings.Contains(r.Name, "downsample") || strings.Contains(r.Name, ".branch1") || strings.Contains(r.Name, ".branch3") || strings.Contains(r.Name, ".branch4")
			if (r.Kind == "Conv2D" || r.Kind == "Linear") && !aside {
				depth++
			}
		}
		require.Equal(t, want, depth, name)
	}
}

// TestOtherSizes: what a network makes of inputs of another size and number of classes; too small a one stops at the first
// layer whose window does not fit, by its name.
func TestOtherSizes(t *testing.T) {
	for _, row := range []struct {
		name       string
		sample     tensor.Shape
		parameters int // with 10 classes; the same as at the size it was designed for, but where it says else
		wrong      string
	}{
		{"alexnet", tensor.Shape{3, 63, 63}, 61_100_840 - 990*4097, ""},
		{"alexnet", tensor.Shape{3, 300, 260}, 61_100_840 - 990*4097, ""},
		{"alexnet", tensor.Shape{3, 62, 200}, 0, "layer features.12 (MaxPool2D): max_pool2d: wrong shape: window [3 3] does not fit the input (1, 256, 2, 11)"},
		{"vgg16", tensor.Shape{3, 32, 32}, 138_357_544 - 990*4097, ""},
		{"vgg16_bn", tensor.Shape{3, 288, 256}, 138_365_992 - 990*4097, ""},
		{"vgg16", tensor.Shape{3, 31, 32}, 0, "layer features.30 (MaxPool2D)"},
		{"alexnet-original", tensor.Shape{3, 67, 67}, 60_965_224 - 35*256*4096 - 990*4097, ""}, // fc6 sees 1x1 of 6x6 places
		{"alexnet-original", tensor.Shape{3, 66, 67}, 0, "layer pool5 (MaxPool2D)"},
		{"zfnet", tensor.Shape{3, 64, 64}, 62_357_608 - 35*256*4096 - 990*4097, ""},
		{"googlenet", tensor.Shape{3, 32, 32}, 13_004_888 - 3*990*1025, ""},
		{"googlenet", tensor.Shape{1, 32, 32}, 13_004_888 - 3*990*1025 - 2*64*49, ""},
		{"googlenet-original", tensor.Shape{3, 112, 112}, 0, ""},
		{"googlenet-original", tensor.Shape{3, 64, 64}, 0, "layer aux1.avgpool (AvgPool2D): avg_pool2d: wrong shape: window [5 5] does not fit the input (1, 512, 4, 4)"},
		{"resnet18", tensor.Shape{3, 33, 40}, 11_689_512 - 990*513, ""},
		{"resnet20-cifar", tensor.Shape{3, 224, 224}, 269_722, ""},
		{"resnet110-cifar", tensor.Shape{1, 28, 28}, 1_727_962 - 2*16*9, ""},
		{"cnn-large", tensor.Shape{3, 32, 32}, 59_933 + 2*30*25 + 15*(6*6-5*5)*128, ""},
		{"cnn-large", tensor.Shape{1, 8, 28}, 0, "layer 3 (Conv2D): conv2d: wrong shape: window of height 3"},
	} {
		model, err := Find(row.name)
		require.NoError(t, err)
		net, err := nn.Describe(model.New(classes), row.sample)
		if row.wrong != "" {
			require.ErrorContains(t, err, row.wrong, "%s on %v", row.name, row.sample)
			continue
		}
		require.NoError(t, err, "%s on %v", row.name, row.sample)
		require.Equal(t, []int{1, classes}, []int(net.Output))
		if row.parameters > 0 {
			require.Equal(t, row.parameters, net.ParameterCount(), "%s on %v", row.name, row.sample)
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
	weights, biases := 192*64+192*96+96*128*9+192*16+16*32*25+192*32, 64+96+128+16+32+32
	require.Equal(t, weights+biases, net.ParameterCount()) // the paper's 159K, and the biases
}

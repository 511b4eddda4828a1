package zoo

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/nn"
)

// The networks for CIFAR-10 of He et al. ("Deep Residual Learning for Image Recognition", 2015, section 4.2), and the one
// with a thousand layers of their "Identity Mappings in Deep Residual Networks" (2016).

func init() {
	picture := tensor.Shape{3, 32, 32}
	for _, depth := range []int{20, 32, 44, 56, 110} {
		register(Model{Name: fmt.Sprintf("resnet%d-cifar", depth), Paper: "He et al. 2015", Sample: picture, Classes: 10,
			New: func(classes int) nn.Layer { return resnetCIFAR(depth, classes) }})
	}
	register(Model{Name: "resnet1001-cifar", Paper: "He et al. 2016", Sample: picture, Classes: 10,
		New: func(classes int) nn.Layer { return preactivatedCIFAR(1001, classes) }})
}

// resnetCIFAR has depth layers with weights, 6n+2: n basic blocks in each of three stages.
func resnetCIFAR(depth, classes int) nn.Layer {
	n := (depth - 2) / 6
	channels := 16
	stage := func(width, stride int) nn.Layer {
		var layers []nn.Layer
		for range n {
			layers = append(layers, basicBlockWith(zeroPadded(channels, width, stride), width, stride))
			channels, stride = width, 1
		}
		return nn.Sequential(layers...)
	}
	return nn.Sequential(
		nn.Named("conv1", nn.Conv(16, 3, nn.Padding(1), nn.NoBias())), // 16 x 32 x 32
		nn.Named("bn1", nn.BatchNorm()),
		nn.Named("relu", nn.ReLU()),
		nn.Named("layer1", stage(16, 1)),        // 16 x 32 x 32
		nn.Named("layer2", stage(32, 2)),        // 32 x 16 x 16
		nn.Named("layer3", stage(64, 2)),        // 64 x 8 x 8
		nn.Named("avgpool", nn.GlobalAvgPool()), // 64 x 1 x 1
		nn.Named("flatten", nn.Flatten()),       // 64
		nn.Named("fc", nn.Linear(classes)))
}

// zeroPadded is the shortcut without parameters (option A): every stride-th element, and zeros for the channels that the
// body has more. nil is the identity.
func zeroPadded(in, out, stride int) nn.Layer {
	if in == out && stride == 1 {
		return nil
	}
	return nn.Sequential(nn.MaxPool(1, nn.Stride(stride)), nn.ZeroPadChannels(0, out-in))
}

// preactivatedCIFAR has depth layers with weights, 9n+2: n bottlenecks in each of three stages, whose normalisations and
// ReLUs come before the convolutions (figure 4e of the second paper).
func preactivatedCIFAR(depth, classes int) nn.Layer {
	n := (depth - 2) / 9
	channels := 16
	stage := func(width, stride int) nn.Layer {
		var layers []nn.Layer
		for range n {
			layers = append(layers, preactivatedBottleneck(channels, width, stride))
			channels, stride = 4*width, 1
		}
		return nn.Sequential(layers...)
	}
	return nn.Sequential(
		nn.Named("conv1", nn.Conv(16, 3, nn.Padding(1), nn.NoBias())), // 16 x 32 x 32
		nn.Named("layer1", stage(16, 1)),                              // 64 x 32 x 32
		nn.Named("layer2", stage(32, 2)),                              // 128 x 16 x 16
		nn.Named("layer3", stage(64, 2)),                              // 256 x 8 x 8
		nn.Named("bn", nn.BatchNorm()),
		nn.Named("relu", nn.ReLU()),
		nn.Named("avgpool", nn.GlobalAvgPool()), // 256 x 1 x 1
		nn.Named("flatten", nn.Flatten()),       // 256
		nn.Named("fc", nn.Linear(classes)))
}

// preactivatedBottleneck reduces the channels, convolves, and restores four times as many. Where the number of channels
// changes the shortcut, a projection, begins after the first activation too (appendix of the second paper).
func preactivatedBottleneck(in, width, stride int) nn.Layer {
	before := []nn.Layer{
		nn.Named("bn1", nn.BatchNorm()),
		nn.Named("relu1", nn.ReLU()),
	}
	body := []nn.Layer{
		nn.Named("conv1", nn.Conv(width, 1, nn.Stride(stride), nn.NoBias())),
		nn.Named("bn2", nn.BatchNorm()),
		nn.Named("relu2", nn.ReLU()),
		nn.Named("conv2", nn.Conv(width, 3, nn.Padding(1), nn.NoBias())),
		nn.Named("bn3", nn.BatchNorm()),
		nn.Named("relu3", nn.ReLU()),
		nn.Named("conv3", nn.Conv(4*width, 1, nn.NoBias())),
	}
	if in == 4*width {
		return nn.Residual(nn.Sequential(append(before, body...)...), nil)
	}
	projection := nn.Conv(4*width, 1, nn.Stride(stride), nn.NoBias())
	return nn.Sequential(append(before, nn.Named("", nn.Residual(nn.Sequential(body...), projection)))...)
}

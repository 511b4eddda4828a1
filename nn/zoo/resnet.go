package zoo

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

// The ImageNet networks of table 1 of He et al. ("Deep Residual Learning for Image Recognition", 2015), in torchvision's
// form: a bottleneck has its stride in the 3x3 convolution.

func init() {
	picture := tensor.Shape{3, 224, 224}
	for _, r := range []struct {
		name   string
		block  func(in, width, stride int) (nn.Layer, int)
		blocks [4]int
	}{
		{"resnet18", basicBlock, [4]int{2, 2, 2, 2}},
		{"resnet34", basicBlock, [4]int{3, 4, 6, 3}},
		{"resnet50", bottleneck, [4]int{3, 4, 6, 3}},
		{"resnet101", bottleneck, [4]int{3, 4, 23, 3}},
		{"resnet152", bottleneck, [4]int{3, 8, 36, 3}},
	} {
		register(Model{Name: r.name, Paper: "He et al. 2015", Sample: picture, Classes: 1000,
			New: func(classes int) nn.Layer { return resnet(r.block, 64, r.blocks, classes) }})
	}
}

// resnet builds a column of the table; width is the stem's and the first stage's, 64 there.
func resnet(block func(in, width, stride int) (nn.Layer, int), width int, blocks [4]int, classes int) nn.Layer {
	channels := width
	stage := func(width, count, stride int) nn.Layer {
		var layers []nn.Layer
		for range count {
			var l nn.Layer
			l, channels = block(channels, width, stride)
			layers = append(layers, l)
			stride = 1
		}
		return nn.Sequential(layers...)
	}
	return nn.Sequential(
		nn.Named("conv1", nn.Conv(width, 7, nn.Stride(2), nn.Padding(3), nn.NoBias())), // 64 x 112 x 112
		nn.Named("bn1", nn.BatchNorm()),
		nn.Named("relu", nn.ReLU()),
		nn.Named("maxpool", nn.MaxPool(3, nn.Stride(2), nn.Padding(1))), //                64 x 56 x 56
		nn.Named("layer1", stage(width, blocks[0], 1)),                  //                64 (256) x 56 x 56
		nn.Named("layer2", stage(2*width, blocks[1], 2)),                //                128 (512) x 28 x 28
		nn.Named("layer3", stage(4*width, blocks[2], 2)),                //                256 (1024) x 14 x 14
		nn.Named("layer4", stage(8*width, blocks[3], 2)),                //                512 (2048) x 7 x 7
		nn.Named("avgpool", nn.GlobalAvgPool()),
		nn.Named("flatten", nn.Flatten()),
		nn.Named("fc", nn.Linear(classes)))
}

// basicBlock is two 3x3 convolutions (figure 5, left). It returns the number of channels it makes too.
func basicBlock(in, width, stride int) (nn.Layer, int) {
	return basicBlockWith(projection(in, width, stride), width, stride), width
}

func basicBlockWith(shortcut nn.Layer, width, stride int) nn.Layer {
	return nn.Sequential(
		nn.Named("", nn.Residual(nn.Sequential(
			nn.Named("conv1", nn.Conv(width, 3, nn.Stride(stride), nn.Padding(1), nn.NoBias())),
			nn.Named("bn1", nn.BatchNorm()),
			nn.Named("relu1", nn.ReLU()),
			nn.Named("conv2", nn.Conv(width, 3, nn.Padding(1), nn.NoBias())),
			nn.Named("bn2", nn.BatchNorm())),
			shortcut)),
		nn.Named("relu", nn.ReLU()))
}

// bottleneck reduces the channels, convolves, and restores four times as many (figure 5, right).
func bottleneck(in, width, stride int) (nn.Layer, int) {
	return nn.Sequential(
		nn.Named("", nn.Residual(nn.Sequential(
			nn.Named("conv1", nn.Conv(width, 1, nn.NoBias())),
			nn.Named("bn1", nn.BatchNorm()),
			nn.Named("relu1", nn.ReLU()),
			nn.Named("conv2", nn.Conv(width, 3, nn.Stride(stride), nn.Padding(1), nn.NoBias())),
			nn.Named("bn2", nn.BatchNorm()),
			nn.Named("relu2", nn.ReLU()),
			nn.Named("conv3", nn.Conv(4*width, 1, nn.NoBias())),
			nn.Named("bn3", nn.BatchNorm())),
			projection(in, 4*width, stride))),
		nn.Named("relu", nn.ReLU())), 4 * width
}

// projection is the shortcut where the sum's operands would differ in shape (option B); nil is the identity.
func projection(in, out, stride int) nn.Layer {
	if in == out && stride == 1 {
		return nil
	}
	return nn.Sequential(nn.Conv(out, 1, nn.Stride(stride), nn.NoBias()), nn.BatchNorm())
}

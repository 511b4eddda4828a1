package zoo

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn"
)

// GoogLeNet is table 1 of Szegedy et al. ("Going Deeper with Convolutions", 2014), 22 layers with weights deep: in
// torchvision's form and in the paper's own.

func init() {
	for name, layer := range map[string]func(classes int) nn.Layer{
		"googlenet":          func(classes int) nn.Layer { return GoogLeNet(classes, true) },
		"googlenet-headless": func(classes int) nn.Layer { return GoogLeNet(classes, false) },
		"googlenet-original": func(classes int) nn.Layer { return GoogLeNetOriginal(classes, true) },
	} {
		register(Model{Name: name, Paper: "Szegedy et al. 2014", Sample: tensor.Shape{3, 224, 224}, Classes: 1000, New: layer})
	}
}

// inceptions are the rows of the table that are modules: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
var inceptions = map[string][6]int{
	"3a": {64, 96, 128, 16, 32, 32},
	"3b": {128, 128, 192, 32, 96, 64},
	"4a": {192, 96, 208, 16, 48, 64},
	"4b": {160, 112, 224, 24, 64, 64},
	"4c": {128, 128, 256, 24, 64, 64},
	"4d": {112, 144, 288, 32, 64, 64},
	"4e": {256, 160, 320, 32, 128, 128},
	"5a": {256, 160, 320, 32, 128, 128},
	"5b": {384, 192, 384, 48, 128, 128},
}

// headWeight is what the loss of an auxiliary classifier counts.
const headWeight = 0.3

// GoogLeNet is torchvision's, with its names: normalised convolutions, and 3x3 where the paper has 5x5 (its authors' mistake,
// which the weights have kept). With heads it has the two auxiliary classifiers, which training alone computes: 13,004,888
// parameters, and 6,624,904 without. Its input is normalised as that of torchvision's other networks (transform_input=False).
func GoogLeNet(classes int, heads bool) nn.Layer { return googLeNet(64, classes, heads) }

// googLeNet is as wide as its first convolution (64 in the table): all that has filters is so in proportion.
func googLeNet(width, classes int, heads bool) nn.Layer {
	module := func(row string) nn.Layer { return normalisedInception(inceptions[row], width) }
	head := func() nn.Layer {
		return nn.Auxiliary(headWeight, nn.Sequential(
			nn.Named("avgpool", nn.AdaptiveAvgPool(4, 4)), // 512 (528) x 4 x 4
			nn.Named("conv", normalisedConv(2*width, 1)),  // 128 x 4 x 4
			nn.Named("flatten", nn.Flatten()),             // 2048
			nn.Named("fc1", nn.Linear(16*width)),          // 1024
			nn.Named("relu", nn.ReLU()),
			nn.Named("dropout", nn.Dropout(0.7)),
			nn.Named("fc2", nn.Linear(classes))))
	}
	layers := []nn.Layer{
		nn.Named("conv1", normalisedConv(width, 7, nn.Stride(2), nn.Padding(3))), // 64 x 112 x 112
		nn.Named("maxpool1", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())),         // 64 x 56 x 56
		nn.Named("conv2", normalisedConv(width, 1)),                              // 64 x 56 x 56
		nn.Named("conv3", normalisedConv(3*width, 3, nn.Padding(1))),             // 192 x 56 x 56
		nn.Named("maxpool2", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())),         // 192 x 28 x 28
	}
	return nn.Sequential(append(layers, modules(module, head, heads, 2, 0.2, classes)...)...)
}

// modules are the table's rows from inception (3a) to the end, with a classifier after (4a) and (4d) if heads are wanted.
func modules(module func(row string) nn.Layer, head func() nn.Layer, heads bool, lastPool int, dropout float64, classes int) []nn.Layer {
	layers := []nn.Layer{
		nn.Named("inception3a", module("3a")),                            // 256 x 28 x 28
		nn.Named("inception3b", module("3b")),                            // 480 x 28 x 28
		nn.Named("maxpool3", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 480 x 14 x 14
		nn.Named("inception4a", module("4a")),                            // 512 x 14 x 14
	}
	if heads {
		layers = append(layers, nn.Named("aux1", head()))
	}
	layers = append(layers,
		nn.Named("inception4b", module("4b")), // 512 x 14 x 14
		nn.Named("inception4c", module("4c")), // 512 x 14 x 14
		nn.Named("inception4d", module("4d"))) // 528 x 14 x 14
	if heads {
		layers = append(layers, nn.Named("aux2", head()))
	}
	return append(layers,
		nn.Named("inception4e", module("4e")),                                   // 832 x 14 x 14
		nn.Named("maxpool4", nn.MaxPool(lastPool, nn.Stride(2), nn.CeilMode())), // 832 x 7 x 7
		nn.Named("inception5a", module("5a")),                                   // 832 x 7 x 7
		nn.Named("inception5b", module("5b")),                                   // 1024 x 7 x 7
		nn.Named("avgpool", nn.GlobalAvgPool()),                                 // 1024 x 1 x 1
		nn.Named("flatten", nn.Flatten()),                                       // 1024
		nn.Named("dropout", nn.Dropout(dropout)),
		nn.Named("fc", nn.Linear(classes)))
}

// normalisedConv is torchvision's BasicConv2d.
func normalisedConv(filters, size int, options ...nn.Option) nn.Layer {
	norm := nn.BatchNorm()
	norm.Epsilon = 0.001
	return nn.Sequential(
		nn.Named("conv", nn.Conv(filters, size, append(options, nn.NoBias())...)),
		nn.Named("bn", norm),
		nn.Named("relu", nn.ReLU()))
}

// GoogLeNetOriginal is the paper's: 5x5 convolutions, local response normalisation (where its figure 3 has it, with the
// constants of AlexNet's descendants in Caffe, since the paper names none) and no batch normalisation. 13,378,280 parameters
// with the auxiliary classifiers and 6,998,552 without.
func GoogLeNetOriginal(classes int, heads bool) nn.Layer {
	return googLeNetOriginal(64, classes, heads)
}

// googLeNetOriginal is as wide as its first convolution (64 in the table).
func googLeNetOriginal(width, classes int, heads bool) nn.Layer {
	module := func(row string) nn.Layer { return inception(inceptions[row], width) }
	norm := func() nn.Layer {
		return nn.LocalResponseNorm(device.LRNSpec{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1})
	}
	head := func() nn.Layer {
		return nn.Auxiliary(headWeight, nn.Sequential(
			nn.Named("avgpool", nn.AvgPool(5, nn.Stride(3))), // 512 (528) x 4 x 4
			nn.Named("conv", nn.Conv(2*width, 1)),            // 128 x 4 x 4
			nn.Named("relu1", nn.ReLU()),
			nn.Named("flatten", nn.Flatten()),    //             2048
			nn.Named("fc1", nn.Linear(16*width)), //             1024
			nn.Named("relu2", nn.ReLU()),
			nn.Named("dropout", nn.Dropout(0.7)),
			nn.Named("fc2", nn.Linear(classes))))
	}
	layers := []nn.Layer{
		nn.Named("conv1", nn.Conv(width, 7, nn.Stride(2), nn.Padding(3))), // 64 x 112 x 112
		nn.Named("relu1", nn.ReLU()),
		nn.Named("maxpool1", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 64 x 56 x 56
		nn.Named("norm1", norm()),
		nn.Named("conv2", nn.Conv(width, 1)), // 64 x 56 x 56
		nn.Named("relu2", nn.ReLU()),
		nn.Named("conv3", nn.Conv(3*width, 3, nn.Padding(1))), // 192 x 56 x 56
		nn.Named("relu3", nn.ReLU()),
		nn.Named("norm2", norm()),
		nn.Named("maxpool2", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 192 x 28 x 28
	}
	return nn.Sequential(append(layers, modules(module, head, heads, 3, 0.4, classes)...)...)
}

package zoo

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

// The columns of table 1 of Simonyan and Zisserman ("Very Deep Convolutional Networks for Large-Scale Image Recognition",
// 2014): filters of 3x3 convolutions, pool being a 2x2 max pooling.
var (
	vgg11 = []int{64, pool, 128, pool, 256, 256, pool, 512, 512, pool, 512, 512, pool}
	vgg13 = []int{64, 64, pool, 128, 128, pool, 256, 256, pool, 512, 512, pool, 512, 512, pool}
	vgg16 = []int{64, 64, pool, 128, 128, pool, 256, 256, 256, pool, 512, 512, 512, pool, 512, 512, 512, pool}
	vgg19 = []int{64, 64, pool, 128, 128, pool, 256, 256, 256, 256, pool, 512, 512, 512, 512, pool, 512, 512, 512, 512, pool}
)

const pool = 0

func init() {
	picture := tensor.Shape{3, 224, 224}
	for _, v := range []struct {
		name   string
		column []int
	}{{"vgg11", vgg11}, {"vgg13", vgg13}, {"vgg16", vgg16}, {"vgg19", vgg19}} {
		for _, normalised := range []bool{false, true} {
			name := v.name
			if normalised {
				name += "_bn"
			}
			register(Model{Name: name, Paper: "Simonyan and Zisserman 2014", Sample: picture, Classes: 1000,
				New: func(classes int) nn.Layer { return vgg(v.column, 4096, normalised, classes) }})
		}
	}
}

// vgg builds a column, and a classifier whose hidden layers are that wide (4096 in the paper), with torchvision's names;
// normalised puts a batch normalisation after each convolution.
func vgg(column []int, hidden int, normalised bool, classes int) nn.Layer {
	var features []nn.Layer
	for _, filters := range column {
		if filters == pool {
			features = append(features, nn.MaxPool(2)) // 112, 56, 28, 14, 7
			continue
		}
		features = append(features, nn.Conv(filters, 3, nn.Padding(1)))
		if normalised {
			features = append(features, nn.BatchNorm())
		}
		features = append(features, nn.ReLU())
	}
	return nn.Sequential(
		nn.Named("features", nn.Sequential(features...)), // 512 x 7 x 7
		nn.Named("avgpool", nn.AdaptiveAvgPool(7, 7)),    // 512 x 7 x 7, whatever the input's size
		nn.Named("flatten", nn.Flatten()),                // 25088
		nn.Named("classifier", nn.Sequential(
			nn.Linear(hidden),
			nn.ReLU(),
			nn.Dropout(0.5),
			nn.Linear(hidden),
			nn.ReLU(),
			nn.Dropout(0.5),
			nn.Linear(classes))))
}

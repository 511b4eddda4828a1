package zoo

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

func init() {
	register(Model{Name: "zfnet", Paper: "Zeiler and Fergus 2013", Sample: tensor.Shape{3, 224, 224}, Classes: 1000, New: ZFNet})
}

// ZFNet is figure 3 of Zeiler and Fergus ("Visualizing and Understanding Convolutional Networks", 2013), with which
// Clarifai won ImageNet 2013: 62,357,608 parameters. Its sizes follow from one row and column of padding around the input
// and poolings whose last window may hang over. The paper names no constants of the normalisation: AlexNet's are taken.
func ZFNet(classes int) nn.Layer { return zfNet(4096, classes) }

// zfNet has hidden fully connected layers of that width (4096 in the paper).
func zfNet(hidden, classes int) nn.Layer {
	return nn.Sequential(
		nn.Named("conv1", nn.Conv(96, 7, nn.Stride(2), nn.Padding(1))), // 96 x 110 x 110
		nn.Named("relu1", nn.ReLU()),
		nn.Named("pool1", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 96 x 55 x 55
		nn.Named("norm1", nn.ContrastNorm(acrossMaps)),
		nn.Named("conv2", nn.Conv(256, 5, nn.Stride(2))), // 256 x 26 x 26
		nn.Named("relu2", nn.ReLU()),
		nn.Named("pool2", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 256 x 13 x 13
		nn.Named("norm2", nn.ContrastNorm(acrossMaps)),
		nn.Named("conv3", nn.Conv(384, 3, nn.Padding(1))), // 384 x 13 x 13
		nn.Named("relu3", nn.ReLU()),
		nn.Named("conv4", nn.Conv(384, 3, nn.Padding(1))), // 384 x 13 x 13
		nn.Named("relu4", nn.ReLU()),
		nn.Named("conv5", nn.Conv(256, 3, nn.Padding(1))), // 256 x 13 x 13
		nn.Named("relu5", nn.ReLU()),
		nn.Named("pool5", nn.MaxPool(3, nn.Stride(2), nn.CeilMode())), // 256 x 6 x 6
		nn.Named("flatten", nn.Flatten()),                             // 9216
		nn.Named("fc6", nn.Linear(hidden)),                            // 4096
		nn.Named("relu6", nn.ReLU()),
		nn.Named("drop6", nn.Dropout(0.5)),
		nn.Named("fc7", nn.Linear(hidden)), // 4096
		nn.Named("relu7", nn.ReLU()),
		nn.Named("drop7", nn.Dropout(0.5)),
		nn.Named("fc8", nn.Linear(classes)))
}

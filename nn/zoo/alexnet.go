package zoo

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn"
)

func init() {
	register(Model{Name: "alexnet", Paper: "Krizhevsky 2014", Sample: tensor.Shape{3, 224, 224}, Classes: 1000, New: AlexNet})
	original := tensor.Shape{3, 227, 227}
	register(Model{Name: "alexnet-original", Paper: "Krizhevsky et al. 2012", Sample: original, Classes: 1000, New: AlexNetOriginal})
	register(Model{Name: "alexnet-ungrouped", Paper: "Krizhevsky et al. 2012", Sample: original, Classes: 1000, New: AlexNetUngrouped})
}

// AlexNet is torchvision's, after Krizhevsky ("One weird trick for parallelizing convolutional neural networks", 2014):
// 61,100,840 parameters with 1000 classes.
func AlexNet(classes int) nn.Layer { return alexNet(4096, classes) }

// alexNet has hidden fully connected layers of that width (4096 in the paper).
func alexNet(hidden, classes int) nn.Layer {
	return nn.Sequential(
		nn.Named("features", nn.Sequential(
			nn.Conv(64, 11, nn.Stride(4), nn.Padding(2)), // 64 x 55 x 55
			nn.ReLU(),
			nn.MaxPool(3, nn.Stride(2)),    //    64 x 27 x 27
			nn.Conv(192, 5, nn.Padding(2)), //    192 x 27 x 27
			nn.ReLU(),
			nn.MaxPool(3, nn.Stride(2)),    //    192 x 13 x 13
			nn.Conv(384, 3, nn.Padding(1)), //    384 x 13 x 13
			nn.ReLU(),
			nn.Conv(256, 3, nn.Padding(1)), //    256 x 13 x 13
			nn.ReLU(),
			nn.Conv(256, 3, nn.Padding(1)), //    256 x 13 x 13
			nn.ReLU(),
			nn.MaxPool(3, nn.Stride(2)))), //     256 x 6 x 6
		nn.Named("avgpool", nn.AdaptiveAvgPool(6, 6)), // 256 x 6 x 6, whatever the input's size
		nn.Named("flatten", nn.Flatten()),             // 9216
		nn.Named("classifier", nn.Sequential(
			nn.Dropout(0.5),
			nn.Linear(hidden), //                 4096
			nn.ReLU(),
			nn.Dropout(0.5),
			nn.Linear(hidden), //                 4096
			nn.ReLU(),
			nn.Linear(classes))))
}

// AlexNetOriginal is that of Krizhevsky, Sutskever and Hinton ("ImageNet Classification with Deep Convolutional Neural
// Networks", 2012): the convolutions 2, 4 and 5 are in two groups, one per GPU of theirs. 60,965,224 parameters.
func AlexNetOriginal(classes int) nn.Layer { return originalAlexNet(2, 4096, classes) }

// AlexNetUngrouped is the same network on one GPU: 62,378,344 parameters.
func AlexNetUngrouped(classes int) nn.Layer { return originalAlexNet(1, 4096, classes) }

// acrossMaps are the constants of the paper's section 3.3. Its alpha is not divided by the number of maps in the window,
// as that of LRNSpec is: 1e-4 there is 5e-4 here.
var acrossMaps = device.LRNSpec{Size: 5, Alpha: 5e-4, Beta: 0.75, K: 2}

// originalAlexNet is figure 2 of the paper, with hidden fully connected layers of that width (4096 there). Its input is 227 x 227:
// the 224 of the text do not give 55.
func originalAlexNet(groups, hidden, classes int) nn.Layer {
	return nn.Sequential(
		nn.Named("conv1", nn.Conv(96, 11, nn.Stride(4))), // 96 x 55 x 55
		nn.Named("relu1", nn.ReLU()),
		nn.Named("norm1", nn.LocalResponseNorm(acrossMaps)),
		nn.Named("pool1", nn.MaxPool(3, nn.Stride(2))),                       // 96 x 27 x 27
		nn.Named("conv2", nn.Conv(256, 5, nn.Padding(2), nn.Groups(groups))), // 256 x 27 x 27
		nn.Named("relu2", nn.ReLU()),
		nn.Named("norm2", nn.LocalResponseNorm(acrossMaps)),
		nn.Named("pool2", nn.MaxPool(3, nn.Stride(2))),    // 256 x 13 x 13
		nn.Named("conv3", nn.Conv(384, 3, nn.Padding(1))), // 384 x 13 x 13
		nn.Named("relu3", nn.ReLU()),
		nn.Named("conv4", nn.Conv(384, 3, nn.Padding(1), nn.Groups(groups))), // 384 x 13 x 13
		nn.Named("relu4", nn.ReLU()),
		nn.Named("conv5", nn.Conv(256, 3, nn.Padding(1), nn.Groups(groups))), // 256 x 13 x 13
		nn.Named("relu5", nn.ReLU()),
		nn.Named("pool5", nn.MaxPool(3, nn.Stride(2))), // 256 x 6 x 6
		nn.Named("flatten", nn.Flatten()),              // 9216
		nn.Named("fc6", nn.Linear(hidden)),             // 4096
		nn.Named("relu6", nn.ReLU()),
		nn.Named("drop6", nn.Dropout(0.5)),
		nn.Named("fc7", nn.Linear(hidden)), // 4096
		nn.Named("relu7", nn.ReLU()),
		nn.Named("drop7", nn.Dropout(0.5)),
		nn.Named("fc8", nn.Linear(classes)))
}

package zoo

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

func init() { register(Model{"alexnet", tensor.Shape{3, 224, 224}, 1000, AlexNet}) }

// AlexNet is torchvision's, after Krizhevsky ("One weird trick for parallelizing convolutional neural networks", 2014):
// 61,100,840 parameters with 1000 classes.
func AlexNet(classes int) nn.Layer {
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
		nn.Named("flatten", nn.Flatten()), //         9216
		nn.Named("classifier", nn.Sequential(
			nn.Dropout(0.5),
			nn.Linear(4096), //                   4096
			nn.ReLU(),
			nn.Dropout(0.5),
			nn.Linear(4096), //                   4096
			nn.ReLU(),
			nn.Linear(classes))))
}

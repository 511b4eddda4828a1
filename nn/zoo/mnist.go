package zoo

import (
	"gorgonia.org/tensor"

	"fovea/nn"
)

// The three MNIST examples of the lecture, as its Keras examples build them.

func init() {
	digits := tensor.Shape{1, 28, 28}
	register(Model{Name: "mlp", Paper: "the lecture's", Sample: digits, Classes: 10, New: MLP})
	register(Model{Name: "cnn-small", Paper: "the lecture's", Sample: digits, Classes: 10, New: CNNSmall})
	register(Model{Name: "cnn-large", Paper: "the lecture's", Sample: digits, Classes: 10, New: CNNLarge})
}

// MLP is a classic dense network: 623,290 parameters on MNIST.
func MLP(classes int) nn.Layer {
	return nn.Sequential(
		nn.Flatten(),   //    784
		nn.Linear(784), //  784
		nn.ReLU(),
		nn.Linear(classes))
}

// CNNSmall is a small convolutional network: 592,074 parameters on MNIST.
func CNNSmall(classes int) nn.Layer {
	return nn.Sequential(
		nn.Conv(32, 5), //  32 x 24 x 24
		nn.ReLU(),
		nn.MaxPool(2), //   32 x 12 x 12
		nn.Dropout(0.2),
		nn.Flatten(),   //    4608
		nn.Linear(128), //  128
		nn.ReLU(),
		nn.Linear(classes))
}

// CNNLarge is a deeper one: 59,933 parameters on MNIST.
func CNNLarge(classes int) nn.Layer {
	return nn.Sequential(
		nn.Conv(30, 5), //  30 x 24 x 24
		nn.ReLU(),
		nn.MaxPool(2),  //   30 x 12 x 12
		nn.Conv(15, 3), //  15 x 10 x 10
		nn.ReLU(),
		nn.MaxPool(2), //   15 x 5 x 5
		nn.Dropout(0.2),
		nn.Flatten(),   //    375
		nn.Linear(128), //  128
		nn.ReLU(),
		nn.Linear(50), //   50
		nn.ReLU(),
		nn.Linear(classes))
}

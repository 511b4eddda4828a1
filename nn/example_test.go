package nn_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/cpu"
	"fovea/nn"
)

// Example builds a small network, lists its layers and classifies an empty picture.
func Example() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	net, err := nn.Build(d, nn.Sequential(
		nn.Conv(8, 3, nn.Same()), // 8 x 8 x 8
		nn.ReLU(),
		nn.MaxPool(2), //            8 x 4 x 4
		nn.Flatten(),  //            128
		nn.Linear(3)), tensor.Shape{1, 8, 8}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer net.Release()
	for _, row := range net.Rows {
		fmt.Println(row.Name, row.Kind, row.Shape, row.Parameters)
	}

	tape := autograd.NewTape(d)
	defer tape.Reset()
	tape.NoGrad = true
	y := autograd.Softmax(net.Forward(tape.Input(tensor.New(tensor.WithShape(1, 1, 8, 8), tensor.Of(tensor.Float32)))))
	probabilities, err := y.Dense()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", probabilities.Data())
	// Output:
	// 0 Conv2D (1, 8, 8, 8) 80
	// 1 ReLU (1, 8, 8, 8) 0
	// 2 MaxPool2D (1, 8, 4, 4) 0
	// 3 Flatten (1, 128) 0
	// 4 Linear (1, 3) 387
	// [0.33 0.33 0.33]
}

// ExampleResidual is a block whose names are those of torchvision's ResNets.
func ExampleResidual() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	block := nn.Sequential(
		nn.Named("", nn.Residual(
			nn.Sequential(
				nn.Named("conv1", nn.Conv(8, 3, nn.Stride(2), nn.Padding(1), nn.NoBias())),
				nn.Named("bn1", nn.BatchNorm()),
				nn.Named("relu1", nn.ReLU()),
				nn.Named("conv2", nn.Conv(8, 3, nn.Padding(1), nn.NoBias())),
				nn.Named("bn2", nn.BatchNorm())),
			nn.Sequential(nn.Conv(8, 1, nn.Stride(2), nn.NoBias()), nn.BatchNorm()))),
		nn.Named("relu", nn.ReLU()))
	net, err := nn.Build(d, nn.Sequential(nn.Named("layer2", nn.Sequential(block))), tensor.Shape{4, 8, 8}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer net.Release()
	for _, p := range net.Parameters {
		fmt.Println(p.Name, p.Shape())
	}
	fmt.Println("from", net.Input, "to", net.Output)
	// Output:
	// layer2.0.conv1.weight (8, 4, 3, 3)
	// layer2.0.bn1.weight (8)
	// layer2.0.bn1.bias (8)
	// layer2.0.conv2.weight (8, 8, 3, 3)
	// layer2.0.bn2.weight (8)
	// layer2.0.bn2.bias (8)
	// layer2.0.downsample.0.weight (8, 4, 1, 1)
	// layer2.0.downsample.1.weight (8)
	// layer2.0.downsample.1.bias (8)
	// from (1, 4, 8, 8) to (1, 8, 4, 4)
}

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

// ExampleAuxiliary is a network of one's own, with a second output that helps its first layers to learn.
func ExampleAuxiliary() {
	block := func(filters int) nn.Layer {
		return nn.Sequential(nn.Conv(filters, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU())
	}
	head := func(classes int) nn.Layer {
		return nn.Sequential(nn.AdaptiveAvgPool(2, 2), nn.Flatten(), nn.Linear(classes))
	}
	network := nn.Sequential(
		nn.Named("stem", block(16)),                            //      16 x 32 x 32
		nn.Named("pool1", nn.MaxPool(2)),                       //      16 x 16 x 16
		nn.Named("aux", nn.Auxiliary(0.3, head(10))),           //      computed in training only
		nn.Named("sum", nn.Residual(block(16), nil)),           //      16 x 16 x 16
		nn.Named("pool2", nn.MaxPool(2)),                       //      16 x 8 x 8
		nn.Named("join", nn.Branches(nn.Conv(8, 1), block(8))), //     16 x 8 x 8
		nn.Named("head", head(10)))
	net, err := nn.Describe(network, tensor.Shape{3, 32, 32}) // nn.Build makes it on a device
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range net.Rows {
		if row.Parameters > 0 {
			fmt.Println(row.Name, row.Kind, row.Shape[1:], row.Parameters)
		}
	}
	fmt.Println(net.ParameterCount(), "parameters,", net.MultiplyAdds, "multiply-adds")
	// Output:
	// stem.0 Conv2D (16, 32, 32) 432
	// stem.1 BatchNorm (16, 32, 32) 64
	// aux.2 Linear (10) 650
	// sum.0 Conv2D (16, 16, 16) 2304
	// sum.1 BatchNorm (16, 16, 16) 64
	// join.0 Conv2D (8, 8, 8) 136
	// join.1.0 Conv2D (8, 8, 8) 1152
	// join.1.1 BatchNorm (8, 8, 8) 32
	// head.2 Linear (10) 650
	// 5404 parameters, 1114752 multiply-adds
}

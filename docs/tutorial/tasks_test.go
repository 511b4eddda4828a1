package tutorial

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

// A perceptron with the step activation computes the logical and of its two inputs.
func Example_perceptron() {
	onTape(func(tape *autograd.Tape) {
		inputs := tape.Input(array([]int{4, 2}, 0, 0, 0, 1, 1, 0, 1, 1))
		w, b := tape.Input(array([]int{1, 2}, 1, 1)), tape.Input(array([]int{1}, -1.5))
		step := device.ActivationSpec{Kind: device.Step}
		print("and:", autograd.Activate(autograd.Linear(inputs, w, b), step))
	})
	// Output: and: [0 0 0 1]
}

// A regression: y = 2x + 1 is found from five points, by squared error and gradient descent.
func Example_regression() {
	dev := must(device.Open("cpu", device.Options{}))
	defer dev.Close()
	info := data.Info{Name: "line", Sample: tensor.Shape{1, 1, 1}, Targets: 1}
	set := must(data.NewMemory(info, []float32{-2, -1, 0, 1, 2}, nil, []float32{-3, -1, 1, 3, 5}))
	net := must(nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(1)), info.Sample, 1))
	defer net.Release()
	sgd := must(optim.New(dev, optim.Config{Method: "sgd", Rate: 0.1}, net.Parameters))
	defer sgd.Release()
	trainer := &fit.Trainer{Network: net, Optimizer: sgd, Train: &data.Loader{Set: set, Batch: 5}, Epochs: 100}
	must(0, trainer.Run(context.Background()))
	for _, p := range net.Parameters {
		fmt.Printf("%s %.3f\n", p.Name, must(p.Tensor().Floats()))
	}
	// Output:
	// 1.weight [2.000]
	// 1.bias [1.000]
}

package fit_test

import (
	"context"
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	_ "fovea/device/cpu" // registers cpu
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

// A perceptron learns the logical and of two inputs.
func Example() {
	x := []float32{0, 0, 0, 1, 1, 0, 1, 1}
	set, err := data.NewMemory(data.Info{Name: "and", Sample: tensor.Shape{2, 1, 1}, Classes: 2}, x, []int32{0, 0, 0, 1}, nil)
	if err != nil {
		log.Fatal(err)
	}
	dev, err := device.Open("cpu", device.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	net, err := nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(2)), set.Info().Sample, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer net.Release()
	optimizer, err := optim.New(dev, optim.Config{Method: "sgd", Rate: 0.5}, net.Parameters)
	if err != nil {
		log.Fatal(err)
	}
	defer optimizer.Release()
	trainer := &fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: set, Batch: 4}, Epochs: 100}
	if err := trainer.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	m, err := fit.Evaluate(context.Background(), net, set, 4)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("accuracy %.0f%% on %d samples\n", 100*m.Accuracy, m.Samples)
	// Output: accuracy 100% on 4 samples
}

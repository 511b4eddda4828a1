// Digits learns to read MNIST's digits, says how well, keeps the weights, and reads the digit in a picture.
package main

import (
	"context"
	"fmt"
	"log"
	"slices"

	"fovea/data"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/infer"
	"fovea/nn/optim"
	"fovea/nn/weights"
)

func main() {
	ctx := context.Background()
	dev := must(device.Open("auto", device.Options{}))
	sets := must(data.Open(ctx, "mnist", data.Options{}))
	net := must(nn.Build(dev, nn.Sequential(nn.Conv(32, 5), nn.ReLU(), nn.MaxPool(2), nn.Flatten(), nn.Linear(10)), sets.Train.Info().Sample, 1))
	adam := must(optim.New(dev, must(optim.Defaults("adam")), net.Parameters))
	trainer := &fit.Trainer{Network: net, Optimizer: adam, Epochs: 1, Train: &data.Loader{Set: sets.Train, Batch: 100, Shuffle: true}}
	must(0, trainer.Run(ctx))
	fmt.Printf("accuracy on the test set: %.1f %%\n", 100*must(fit.Evaluate(ctx, net, sets.Test, 100)).Accuracy)
	must(0, weights.Save("digits.safetensors", net.State(), nil))
	outputs := must(infer.NewEvaluator(net).Evaluate(must(sets.Train.Info().ReadPicture("digit.png"))))
	fmt.Println("the digit in digit.png:", slices.Index(outputs, slices.Max(outputs)))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

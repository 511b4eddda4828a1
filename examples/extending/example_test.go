package extending_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/data/augment"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/philox"
	"fovea/examples/extending"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// A layer of one's own stands in a network as any other does.
func ExamplePReLU() {
	dev := must(device.Open("cpu", device.Options{}))
	defer dev.Close()
	net := must(nn.Build(dev, nn.Sequential(nn.Named("activation", &extending.PReLU{})), tensor.Shape{2}, 1))
	defer net.Release()
	slopes := net.Parameters[0]
	fmt.Println(slopes.Name, slopes.Shape(), must(slopes.Tensor().Floats()))

	tape := autograd.NewTape(dev)
	defer tape.Reset()
	x := tape.Variable(tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float32{-4, 3, 2, -6})))
	y := net.Forward(x).Keep()
	if err := tape.Backward(autograd.Sum(y, false)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("values", must(y.Tensor().Floats()))
	fmt.Println("gradient of x", must(x.Grad().Floats()), "of the slopes", must(slopes.Grad().Floats()))
	// Output:
	// activation.weight (2) [0.25 0.25]
	// values [-1 3 2 -1.5]
	// gradient of x [0.25 1 1 0.25] of the slopes [-4 -6]
}

// An operation of one's own has the gradient that one says.
func ExampleBinarize() {
	dev := must(device.Open("cpu", device.Options{}))
	defer dev.Close()
	tape := autograd.NewTape(dev)
	defer tape.Reset()
	x := tape.Variable(tensor.New(tensor.WithBacking([]float32{-2, 0.5, 3})))
	y := extending.Binarize(x).Keep()
	if err := tape.Backward(autograd.Sum(autograd.Mul(y, tape.Input(tensor.New(tensor.WithBacking([]float32{1, 2, 3})))), false)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(must(y.Tensor().Floats()), must(x.Grad().Floats()))
	// Output: [0 1 1] [1 2 3]
}

// The line y = 2x is learned from nine points, of which the last is far off: Huber's loss lets it count less than squared error
// does.
func ExampleHuber() {
	info := data.Info{Name: "line", Sample: tensor.Shape{1, 1, 1}, Targets: 1}
	set := must(data.NewMemory(info, []float32{-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1},
		nil, []float32{-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 10}))
	for _, row := range []struct {
		name string
		loss fit.Loss
	}{{"squared error", nil}, {"Huber", extending.Huber}} {
		dev := must(device.Open("cpu", device.Options{}))
		net := must(nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(1)), info.Sample, 1))
		sgd := must(optim.New(dev, optim.Config{Method: "sgd", Rate: 0.2}, net.Parameters))
		trainer := &fit.Trainer{Network: net, Optimizer: sgd, Train: &data.Loader{Set: set, Batch: 9}, Epochs: 300, Loss: row.loss}
		if err := trainer.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
		metrics := must(fit.EvaluateLoss(context.Background(), net, set, 9, row.loss))
		fmt.Printf("%s: slope %.2f, loss %.2f\n", row.name, must(net.Parameters[0].Tensor().Floats())[0], metrics.Loss)
		sgd.Release()
		net.Release()
		dev.Close()
	}
	// Output:
	// squared error: slope 4.13, loss 4.42
	// Huber: slope 2.43, loss 0.80
}

// A data set of one's own is opened by its name, by --data of the programs too once they import its package.
func Example_dataSet() {
	sets := must(data.Open(context.Background(), "stripes:4", data.Options{}))
	for b, err := range (&data.Loader{Set: sets.Train, Batch: 4}).Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(b.X.Shape(), b.Labels)
	}
	_, err := data.Open(context.Background(), "stripes:many", data.Options{})
	fmt.Println(err)
	// Output:
	// (4, 1, 16, 16) [0 1 0 1]
	// stripes: "many" samples, expected a whole number from 1 to 1000000
}

// A transform of one's own has a name in --augment.
func ExampleSalt() {
	transforms := must(augment.Parse("salt:0.5"))
	p := data.Picture{C: 1, H: 1, W: 8, Values: []float32{.5, .5, .5, .5, .5, .5, .5, .5}}
	transforms[0].Apply(p, philox.NewSource(philox.Stream{Seed: 1}))
	fmt.Println(augment.Text(transforms), p.Values)
	// Output: salt:0.5 [0.5 0.5 0.5 0.5 0.5 0.5 1 1]
}

// Everything together: the layer, the operation and the data set in a training that the callback ends.
func ExampleStopAt() {
	dev := must(device.Open("cpu", device.Options{}))
	defer dev.Close()
	sets := must(data.Open(context.Background(), "stripes:400", data.Options{}))
	net := must(nn.Build(dev, nn.Sequential(
		nn.Conv(8, 5), &extending.PReLU{}, nn.MaxPool(4), nn.Flatten(), nn.Linear(16), extending.Binary{}, nn.Linear(2)),
		sets.Train.Info().Sample, 1))
	defer net.Release()
	adam := must(optim.New(dev, must(optim.Defaults("adam")), net.Parameters))
	defer adam.Release()
	trainer := &fit.Trainer{Network: net, Optimizer: adam, Epochs: 100,
		Train: &data.Loader{Set: sets.Train, Batch: 20, Shuffle: true}, Validation: sets.Test,
		OnEpoch: extending.StopAt(0.95)}
	err := trainer.Run(context.Background())
	fmt.Println(errors.Is(err, extending.ErrReached), err)
	fmt.Println("in less than 100 epochs:", len(trainer.Losses) < 100)
	// Output:
	// true the accuracy that was asked for is reached
	// in less than 100 epochs: true
}

package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/checkpoint"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

// exampleTrainer makes a trainer of two epochs of two updates, always the same.
func exampleTrainer(d device.Device, epochs int) (*fit.Trainer, error) {
	set, err := data.NewMemory(data.Info{Name: "two", Sample: []int{1, 1, 2}, Classes: 2}, []float32{0, 1, 1, 0, 0, 1, 1, 0}, []int32{0, 1, 0, 1}, nil)
	if err != nil {
		return nil, err
	}
	net, err := nn.Build(d, nn.Sequential(nn.Flatten(), nn.Linear(2)), set.Info().Sample, 1)
	if err != nil {
		return nil, err
	}
	config, err := optim.Defaults("adam")
	if err != nil {
		return nil, err
	}
	optimizer, err := optim.New(d, config, net.Parameters)
	if err != nil {
		return nil, err
	}
	return &fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: set, Batch: 2}, Epochs: epochs}, nil
}

// run trains, and goes on where it was stopped if it was.
func run(ctx context.Context, trainer *fit.Trainer, dir string) error {
	folder := &checkpoint.Folder{Dir: dir}
	trainer.OnCheckpoint, trainer.CheckpointSteps = folder.Write, 1000
	last, err := checkpoint.Latest(dir)
	if err == nil {
		defer last.Close()
		trainer.Resume = last.State
	} else if !errors.Is(err, checkpoint.ErrNone) {
		return err
	}
	return trainer.Run(ctx)
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, epochs := range []int{1, 3} { // the second goes on after the first epoch
		d, err := device.Open("cpu", device.Options{})
		if err != nil {
			panic(err)
		}
		trainer, err := exampleTrainer(d, epochs)
		if err != nil {
			panic(err)
		}
		trainer.OnEpoch = func(e fit.Epoch) error {
			fmt.Println("epoch", e.Epoch, "ended after update", e.Step)
			return nil
		}
		if err := run(context.Background(), trainer, filepath.Join(dir, "checkpoints")); err != nil {
			panic(err)
		}
		trainer.Optimizer.Release()
		trainer.Network.Release()
		if err := d.Close(); err != nil {
			panic(err)
		}
	}
	// Output:
	// epoch 1 ended after update 2
	// epoch 2 ended after update 4
	// epoch 3 ended after update 6
}

package infer_test

import (
	"context"
	"fmt"
	"time"

	"fovea/device"
	_ "fovea/device/cpu"
	"fovea/nn"
	"fovea/nn/infer"
)

// A network that gives its samples back answers two callers.
func Example() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		panic(err)
	}
	defer d.Close()
	net, err := nn.Build(d, nn.Flatten(), []int{1, 1, 2}, 1)
	if err != nil {
		panic(err)
	}
	defer net.Release()
	b, err := infer.Start(infer.Config{Batch: 8, Delay: time.Millisecond, Capacity: 64}, net)
	if err != nil {
		panic(err)
	}
	defer b.Close()
	answers := make(chan []float64)
	ask := func(samples ...float32) {
		room, err := b.Reserve(len(samples) / 2)
		if err != nil { // full: ask again later
			panic(err)
		}
		defer room.Release()
		outputs, err := room.Compute(context.Background(), samples)
		if err != nil {
			panic(err)
		}
		answers <- outputs
	}
	go ask(1, 2)
	go ask(3, 4, 5, 6)
	for range 2 {
		fmt.Println(<-answers)
	}
	// Unordered output:
	// [1 2]
	// [3 4 5 6]
}

package data_test

import (
	"context"
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/philox"
)

func ExampleOpen() {
	ctx := context.Background()
	sets, err := data.Open(ctx, "npz:testdata/classes.npz", data.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := data.CheckLabels(sets.Train, 3); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sets.Train.Len(), "samples of", sets.Train.Info().Sample, "and", sets.Test.Len(), "to test on")
	loader := data.Loader{Set: sets.Train, Batch: 4}
	for batch, err := range loader.Epoch(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.X.Shape(), "labels", batch.Labels)
	}
	// Output:
	// 6 samples of (1, 2, 2) and 2 to test on
	// (4, 1, 2, 2) labels [0 1 2 0]
	// (2, 1, 2, 2) labels [1 2]
}

func ExampleLoader() {
	info := data.Info{Name: "squares", Sample: tensor.Shape{1, 1, 1}, Targets: 1}
	set, err := data.NewMemory(info, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, []float32{0, 1, 4, 9, 16, 25, 36, 49, 64, 81})
	if err != nil {
		log.Fatal(err)
	}
	train, held, err := data.Split(set, 0.2, philox.Stream{Seed: 1}, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(train.Len(), "to train on,", held.Len(), "held out")
	loader := data.Loader{Set: train, Batch: 3, Shuffle: true, Seed: 1}
	fmt.Println(loader.Steps(), "batches per epoch")
	for epoch := range 2 {
		for batch, err := range loader.Epoch(context.Background(), epoch) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(epoch, batch.X.Data(), "->", batch.Targets.Data())
		}
	}
	// Output:
	// 8 to train on, 2 held out
	// 3 batches per epoch
	// 0 [7 6 4] -> [49 36 16]
	// 0 [2 3 1] -> [4 9 1]
	// 0 [5 0] -> [25 0]
	// 1 [5 0 2] -> [25 0 4]
	// 1 [6 7 3] -> [36 49 9]
	// 1 [4 1] -> [16 1]
}

// Pictures of any size: the crop of training draws, the one of evaluation does not.
func ExampleReadPicture() {
	sample := tensor.Shape{3, 32, 32}
	x := make([]float32, sample.TotalSize())
	random := philox.NewSource(philox.Stream{Seed: 1})
	for _, crop := range []data.Crop{data.Centred{Shorter: 40}, data.Resized{Low: 0.08, High: 1}} {
		if err := data.ReadPicture("testdata/pictures/420.jpg", x, sample, crop, random); err != nil {
			log.Fatal(err)
		}
		low, high := x[0], x[0]
		for _, v := range x {
			low, high = min(low, v), max(high, v)
		}
		fmt.Println(crop, low >= 0, high <= 1)
	}
	// Output:
	// centred:40 true true
	// resized:0.08:1 true true
}

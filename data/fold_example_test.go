package data_test

import (
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/philox"
)

// Each sample is validated with once, and each fold has as many of each class.
func ExampleNewFoldsStratified() {
	info := data.Info{Name: "letters", Sample: tensor.Shape{1, 1, 1}, Classes: 2}
	set, err := data.NewMemory(info, make([]float32, 9), []int32{0, 0, 0, 0, 0, 0, 1, 1, 1}, nil)
	if err != nil {
		log.Fatal(err)
	}
	folds, err := data.NewFoldsStratified(set, 3, philox.Stream{Seed: 1}, true)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		train, held := folds.Fold(i)
		fmt.Print(train.Len(), " to train on, validating with classes")
		for sample := range held.Len() {
			fmt.Print(" ", held.Label(sample))
		}
		fmt.Println()
	}
	// Output:
	// 6 to train on, validating with classes 0 0 1
	// 6 to train on, validating with classes 0 0 1
	// 6 to train on, validating with classes 0 0 1
}

package augment_test

import (
	"context"
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/data/augment"
	"fovea/device/philox"
)

func ExampleParse() {
	transforms, err := augment.Parse("crop:1,flip:1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(augment.Text(transforms))
	p := data.Picture{C: 1, H: 3, W: 3, Values: []float32{.1, .2, .3, .4, .5, .6, .7, .8, .9}}
	for _, t := range transforms {
		t.Apply(p, philox.NewSource(philox.Stream{Seed: 1}))
	}
	for row := range 3 {
		fmt.Println(p.Values[3*row : 3*row+3])
	}
	_, err = augment.Parse("rotate:400")
	fmt.Println(err)
	// Output:
	// crop:1,flip:1
	// [0 0.6 0.5]
	// [0 0.9 0.8]
	// [0 0 0]
	// augmentation "rotate:400": DEGREES is "400", expected a number from 0 to 180 (rotate:DEGREES)
}

// A loader changes and mixes what it reads, for training; what one validates on has a loader without.
func ExampleMixup() {
	info := data.Info{Name: "greys", Sample: tensor.Shape{1, 1, 2}, Classes: 2}
	set, err := data.NewMemory(info, []float32{0, 0.2, 0.8, 1}, []int32{0, 1}, nil)
	if err != nil {
		log.Fatal(err)
	}
	loader := data.Loader{Set: set, Batch: 2, Seed: 1, Transforms: []data.Transform{augment.Flip{P: 0.5}}, Mixer: augment.Mixup{Alpha: 1}}
	for epoch := range 3 {
		for b, err := range loader.Epoch(context.Background(), epoch) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%.2f labels %v by %.2f, %v by %.2f\n", b.X.Data(), b.Labels, b.Mix.Share, b.Mix.Labels, 1-b.Mix.Share)
		}
	}
	// Output:
	// [0.23 0.05 0.77 0.95] labels [0 1] by 0.95, [1 0] by 0.05
	// [0.71 0.63 0.29 0.37] labels [1 0] by 0.71, [0 1] by 0.29
	// [0.81 0.69 0.19 0.31] labels [1 0] by 0.81, [0 1] by 0.19
}

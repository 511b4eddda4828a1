package reference_test

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/reference"
)

// What a primitive means can be tried here: ReLU keeps NaN.
func Example() {
	d := reference.New()
	x, _ := device.FromSlice(d, tensor.Shape{4}, []float64{-1, 0, 2, math.NaN()})
	if err := d.Activate(x, x, device.ActivationSpec{Kind: device.ReLU}); err != nil {
		panic(err)
	}
	fmt.Println(x.Floats())
	x.Release()
	fmt.Println(d.Close())
	// Output:
	// [0 0 2 NaN] <nil>
	// <nil>
}

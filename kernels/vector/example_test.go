package vector_test

import (
	"fmt"

	"fovea/device/philox"
	"fovea/kernels/isa"
	"fovea/kernels/vector"
)

// Softmax of one sample: exponentials about the largest, divided by their sum.
func ExampleKernels() {
	k := vector.For(isa.Generic)
	x := []float32{1, 3, 1}
	y := make([]float32, len(x))
	sum := k.ExpSum(y, x, k.Max(x))
	k.Scale(y, y, float32(1/sum), 0)
	fmt.Printf("%.3f\n", y)
	// Output: [0.107 0.787 0.107]
}

// Half of the elements are dropped; which, is said by the stream alone, so that pieces of an array may be given separately.
func ExampleDropout() {
	k := vector.For(isa.Generic)
	d := vector.NewDropout(philox.Stream{Seed: 1, ID: 2}, 1<<31, 2)
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	y := make([]float32, len(x))
	k.Dropout(d, y[:4], x[:4], 0)
	k.Dropout(d, y[4:], x[4:], 4)
	fmt.Println(y)
	// Output: [2 4 0 0 10 12 0 0]
}

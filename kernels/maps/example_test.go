package maps_test

import (
	"fmt"

	"fovea/kernels/isa"
	"fovea/kernels/maps"
)

// The largest of each 2x2 window in a map of 2x4 pixels, of which all channels are alike.
func ExampleKernels_Largest() {
	var x []float32
	for _, v := range []float32{1, 4, 0, -1, 3, 2, -2, -3} {
		for range maps.Lanes {
			x = append(x, v)
		}
	}
	y := make([]float32, 2*maps.Lanes)
	maps.For(isa.Generic).Largest(y, x, &maps.Windows{Count: 2, Rows: 2, Cols: 2, Line: 4, Step: 2})
	fmt.Println(y[0], y[maps.Lanes])
	// Output: 4 0
}

package winograd_test

import (
	"fmt"

	"fovea/kernels/isa"
	"fovea/kernels/winograd"
)

// One tile of one channel: a window of ones over the numbers of a 6x6 map sums nine neighbours.
func Example() {
	const lanes = winograd.Lanes
	k := winograd.For(isa.Generic)
	x := &winograd.Map{Data: make([]float32, 6*6*lanes), Height: 6, Width: 6}
	for i := range 36 {
		x.Data[i*lanes] = float32(i)
	}
	w := []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}

	u, v := make([]float32, winograd.Coefficients*lanes), make([]float32, winograd.Coefficients*lanes)
	k.Weights(u, lanes, lanes, w, 0, winograd.Windows{Tap: 1, Lanes: 1}, 1)
	k.Input(v, lanes, x, 0, 0, 1)
	for i := range v {
		v[i] *= u[i]
	}
	y := &winograd.Map{Data: make([]float32, 4*4*lanes), Height: 4, Width: 4}
	e := winograd.NewEpilogue(nil, false)
	k.Output(y, 0, 0, 1, v, lanes, &e, nil)
	fmt.Printf("%.2f %.2f\n", y.Data[0], y.Data[15*lanes])
	// Output: 63.00 252.00
}

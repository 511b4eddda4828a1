package blocked_test

import (
	"fmt"

	"fovea/kernels/blocked"
	"fovea/kernels/isa"
)

// A window of two pixels slides over a line of three, with one input channel and one output channel: a block each.
func ExampleKernel_Line() {
	k := blocked.For(isa.Generic)
	x, y := make([]float32, 3*blocked.Lanes), make([]float32, 2*blocked.Lanes)
	x[0], x[blocked.Lanes], x[2*blocked.Lanes] = 1, 2, 3
	w := make([]float32, 2*blocked.Lanes) // a row of output channels for each tap
	w[0], w[blocked.Lanes] = 10, 1
	p := &blocked.Product{X: x, W: w, Y: y, Taps: blocked.NewTaps([]int{0, blocked.Lanes}, nil, 1, 0), XStep: blocked.Lanes, YStep: blocked.Lanes, Blocks: 1}
	k.Line(p, 0, 0, 2)
	fmt.Println(y[0], y[blocked.Lanes])
	// Output: 12 23
}

package tutorial

import (
	"fmt"

	"fovea/autograd"
	"fovea/device"
)

// Pooling of a 4x4 map by a 2x2 window that moves by 2.
func Example_pooling() {
	onTape(func(tape *autograd.Tape) {
		x := tape.Input(array([]int{1, 1, 4, 4},
			1, 1, 2, 4,
			5, 6, 7, 8,
			3, 2, 1, 0,
			1, 2, 3, 4))
		window := device.PoolSpec{Window: [2]int{2, 2}, Stride: [2]int{2, 2}}
		for _, kind := range []device.PoolKind{device.MaxPool, device.MinPool, device.AveragePool} {
			window.Kind = kind
			print(fmt.Sprint(kind), autograd.Pool(x, window))
		}
		print("mean of the map", autograd.GlobalPool(x, device.AveragePool))
	})
	// Output:
	// max_pool2d [6 8 3 4]
	// min_pool2d [1 2 1 0]
	// avg_pool2d [3.25 5.25 2 2]
	// mean of the map [3.125]
}

// Windows of 3x3 that move by 2 overlap, as in AlexNet: of 55x55 they make 27x27. Ceil mode keeps what is left over at the edge.
func Example_overlappingPooling() {
	overlapping := device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}}
	for _, side := range []int{55, 6} {
		for _, ceil := range []bool{false, true} {
			overlapping.CeilMode = ceil
			fmt.Println("side", side, "ceil", ceil, must(overlapping.Output([]int{1, 96, side, side})))
		}
	}
	// Output:
	// side 55 ceil false (1, 96, 27, 27)
	// side 55 ceil true (1, 96, 27, 27)
	// side 6 ceil false (1, 96, 2, 2)
	// side 6 ceil true (1, 96, 3, 3)
}

// The gradient of max pooling goes to the element that was the largest; that of the mean is shared.
func Example_poolingGradient() {
	onTape(func(tape *autograd.Tape) {
		for _, kind := range []device.PoolKind{device.MaxPool, device.AveragePool} {
			tape.Reset()
			x := tape.Variable(array([]int{1, 1, 2, 2}, 1, 4, 3, 2))
			must(0, tape.Backward(autograd.Sum(autograd.Pool(x, device.PoolSpec{Kind: kind, Window: [2]int{2, 2}}), false)))
			fmt.Println(kind, must(x.Grad().Floats()))
		}
	})
	// Output:
	// max_pool2d [0 1 0 0]
	// avg_pool2d [0.25 0.25 0.25 0.25]
}

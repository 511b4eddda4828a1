package tutorial

import (
	"fmt"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
)

// Dropout drops elements while it trains and enlarges the others, so that their mean stays; in evaluation it does nothing.
func Example_dropout() {
	onTape(func(tape *autograd.Tape) {
		tape.Random = philox.Stream{Seed: 1}
		elements := make([]float32, 10000)
		for i := range elements {
			elements[i] = 1
		}
		for _, training := range []bool{true, false} {
			tape.Training = training
			kept, sum := 0, 0.0
			for _, v := range must(autograd.Dropout(tape.Input(array([]int{10000}, elements...)), 0.2).Tensor().Floats()) {
				if v != 0 {
					kept++
				}
				sum += v
			}
			fmt.Printf("training %v: %d of 10000 kept, mean %.3f\n", training, kept, sum/10000)
		}
	})
	// Output:
	// training true: 8031 of 10000 kept, mean 1.004
	// training false: 10000 of 10000 kept, mean 1.000
}

// Batch normalisation: in training with the batch's mean and variance, in evaluation with those of all batches that were seen.
func Example_batchNormalisation() {
	onTape(func(tape *autograd.Tape) {
		running := func(value float64) *device.Tensor {
			t := must(tape.Device().New([]int{1}, tape.Device().Float()))
			must(0, tape.Device().Fill(t, value))
			return t
		}
		mean, variance := running(0), running(1)
		defer mean.Release()
		defer variance.Release()
		scale, shift := tape.Input(array([]int{1}, 10)), tape.Input(array([]int{1}, 100))
		for _, training := range []bool{true, false} {
			tape.Training = training
			x := tape.Input(array([]int{4, 1}, 1, 2, 3, 4))
			print(fmt.Sprint("training ", training), autograd.BatchNorm(x, scale, shift, mean, variance, device.BatchNormSpec{Momentum: 0.1, Epsilon: 1e-5}))
		}
		fmt.Printf("running mean %.3f, variance %.3f\n", must(mean.Floats()), must(variance.Floats()))
	})
	// Output:
	// training true [86.58 95.53 104.5 113.4]
	// training false [107.3 116.9 126.6 136.3]
	// running mean [0.250], variance [1.067]
}

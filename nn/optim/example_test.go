package optim_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/cpu"
	"fovea/nn/optim"
)

// Example takes a step down the slope of w^2: from w = 3 with gradient 6 and rate 0.25 to 1.5.
func Example() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	w, _ := autograd.NewParameter(d, "w", tensor.New(tensor.WithBacking([]float32{3})))
	defer w.Release()
	sgd, err := optim.New(d, optim.Config{Method: "sgd", Rate: 0.25}, []*autograd.Value{w})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sgd.Release()

	tape := autograd.NewTape(d)
	defer tape.Reset()
	x := tape.Use(w)
	if err := tape.Backward(autograd.Sum(autograd.Mul(x, x), false)); err != nil {
		fmt.Println(err)
		return
	}
	if err := sgd.Step(); err != nil {
		fmt.Println(err)
		return
	}
	gradient, _ := w.Grad().Floats()
	after, _ := w.Tensor().Floats()
	fmt.Println("gradient", gradient, "step to", after)
	// Output: gradient [6] step to [1.5]
}

package autograd_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/cpu"
)

// Example computes y = sum of w*x with a parameter w and its gradient x, twice: gradients add up until ZeroGrad.
func Example() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	w, err := autograd.NewParameter(d, "w", tensor.New(tensor.WithBacking([]float32{1, 2, 3})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Release()

	tape := autograd.NewTape(d)
	defer tape.Reset()
	for range 2 {
		tape.Reset() // the step before gives its memory back
		x := tape.Input(tensor.New(tensor.WithBacking([]float32{10, 20, 30})))
		y := autograd.Sum(autograd.Mul(w, x), false)
		if err := tape.Backward(y); err != nil {
			fmt.Println(err)
			return
		}
		value, _ := y.Item()
		gradient, _ := w.Grad().Floats()
		fmt.Println(value, gradient)
	}
	// Output:
	// 140 [10 20 30]
	// 140 [20 40 60]
}

// ExampleTape_Variable asks for the gradient of an input, which lives until Reset.
func ExampleTape_Variable() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	x := tape.Variable(tensor.New(tensor.WithBacking([]float32{-2, 0.5, 3})))
	y := autograd.Mul(autograd.ReLU(x), x) // x^2 above 0
	if err := tape.Backward(autograd.Sum(y, false)); err != nil {
		fmt.Println(err)
		return
	}
	gradient, _ := x.Grad().Floats()
	fmt.Println(gradient)
	// Output: [0 1 6]
}

// ExampleTape_Err: operations return no error; the first failure stays on the tape.
func ExampleTape_Err() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	a := tape.Input(tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Float32)))
	y := autograd.ReLU(autograd.MatMul(a, a))
	fmt.Println(y.Shape() == nil, tape.Err())
	// Output: true matmul: wrong shape: operands (2, 3) (transposed false) and (2, 3) (transposed false): inner sizes 3 and 2 differ
}

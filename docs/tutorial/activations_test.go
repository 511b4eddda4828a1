package tutorial

import (
	"fmt"

	"fovea/autograd"
	"fovea/device"
)

// The activations of the lecture at five places.
func Example_activations() {
	onTape(func(tape *autograd.Tape) {
		x := tape.Input(array([]int{5}, -2, -1, 0, 1, 2))
		for _, s := range []device.ActivationSpec{
			{Kind: device.Identity}, {Kind: device.Step}, {Kind: device.Sigmoid}, {Kind: device.Tanh},
			{Kind: device.ReLU}, {Kind: device.LeakyReLU, Alpha: 0.1}, {Kind: device.ELU, Alpha: 1},
		} {
			print(fmt.Sprintf("%-10v", s.Kind), autograd.Activate(x, s))
		}
	})
	// Output:
	// identity   [-2 -1 0 1 2]
	// step       [0 0 0 1 1]
	// sigmoid    [0.1192 0.2689 0.5 0.7311 0.8808]
	// tanh       [-0.964 -0.7616 0 0.7616 0.964]
	// relu       [0 0 0 1 2]
	// leaky_relu [-0.2 -0.1 0 1 2]
	// elu        [-0.8647 -0.6321 0 1 2]
}

// Maxout takes the larger of two linear functions; softmax turns any numbers into probabilities.
func Example_maxoutAndSoftmax() {
	onTape(func(tape *autograd.Tape) {
		x := tape.Input(array([]int{1, 1}, 3))
		w, b := tape.Input(array([]int{2, 1}, 1, -2)), tape.Input(array([]int{2}, -5, 1)) // x - 5 and -2x + 1
		pieces := autograd.Linear(x, w, b)
		print("pieces", pieces)
		print("maxout", autograd.Maxout(pieces, 2))
		print("softmax", autograd.Softmax(tape.Input(array([]int{1, 3}, 1, 2, 3))))
		print("softmax", autograd.Softmax(tape.Input(array([]int{1, 3}, 1001, 1002, 1003))))
	})
	// Output:
	// pieces [-2 -5]
	// maxout [-2]
	// softmax [0.09003 0.2447 0.6652]
	// softmax [0.09003 0.2447 0.6652]
}

// Where sigmoid is flat, hardly any gradient comes through; ReLU hands it on.
func Example_saturation() {
	onTape(func(tape *autograd.Tape) {
		for _, f := range []func(*autograd.Value) *autograd.Value{autograd.Sigmoid, autograd.ReLU} {
			tape.Reset()
			x := tape.Variable(array([]int{3}, 0, 5, 10))
			must(0, tape.Backward(autograd.Sum(f(x), false)))
			fmt.Printf("%.5f\n", must(x.Grad().Floats()))
		}
	})
	// Output:
	// [0.25000 0.00665 0.00005]
	// [0.00000 1.00000 1.00000]
}

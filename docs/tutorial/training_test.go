package tutorial

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/nn/optim"
)

// The losses of the lecture, each for predictions that are right, unsure and wrong.
func Example_losses() {
	onTape(func(tape *autograd.Tape) {
		for _, x := range []float32{3, 0, -3} {
			logits := tape.Input(array([]int{1, 2}, x, 0)) // of two classes, of which the first is right
			score, one := tape.Input(array([]int{1}, x)), tape.Input(array([]int{1}, 1))
			fmt.Printf("score %2v: cross-entropy %.3f, logistic %.3f, hinge %.3f, squared error %.3f\n", x,
				must(autograd.CrossEntropy(logits, tape.Labels([]int32{0})).Item()),
				must(autograd.Logistic(score, one).Item()),
				must(autograd.Hinge(score, one).Item()),
				must(autograd.SquaredError(score, one).Item()))
		}
	})
	// Output:
	// score  3: cross-entropy 0.049, logistic 0.049, hinge 0.000, squared error 4.000
	// score  0: cross-entropy 0.693, logistic 0.693, hinge 1.000, squared error 1.000
	// score -3: cross-entropy 3.049, logistic 3.049, hinge 4.000, squared error 16.000
}

// The chain rule: f = (x + y) z at x = -2, y = 5, z = -4.
func Example_chainRule() {
	onTape(func(tape *autograd.Tape) {
		x, y, z := tape.Variable(array([]int{1}, -2)), tape.Variable(array([]int{1}, 5)), tape.Variable(array([]int{1}, -4))
		f := autograd.Mul(autograd.Add(x, y), z)
		must(0, tape.Backward(f))
		fmt.Println("f", must(f.Item()))
		for i, v := range []*autograd.Value{x, y, z} {
			fmt.Println("df/d"+"xyz"[i:i+1], must(v.Grad().Floats()))
		}
	})
	// Output:
	// f -12
	// df/dx [-4]
	// df/dy [-4]
	// df/dz [3]
}

// Three steps down the slope of w^2 from w = 4, by each method and a rate of 0.1.
func Example_optimisers() {
	for _, config := range []optim.Config{
		{Method: "sgd"}, {Method: "sgd", Momentum: 0.9}, {Method: "nesterov", Momentum: 0.9},
		{Method: "rmsprop", Beta2: 0.99, Epsilon: 1e-8}, {Method: "adam", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8},
	} {
		config.Rate = 0.1
		onTape(func(tape *autograd.Tape) {
			w := must(autograd.NewParameter(tape.Device(), "w", array([]int{1}, 4)))
			defer w.Release()
			method := must(optim.New(tape.Device(), config, []*autograd.Value{w}))
			defer method.Release()
			fmt.Printf("%-8s momentum %.1f: 4", config.Method, config.Momentum)
			for range 3 {
				tape.Reset()
				w.ZeroGrad()
				x := tape.Use(w)
				must(0, tape.Backward(autograd.Sum(autograd.Mul(x, x), false)))
				must(0, method.Step())
				fmt.Printf(" %.3f", must(w.Tensor().Floats())[0])
			}
			fmt.Println()
		})
	}
	// Output:
	// sgd      momentum 0.0: 4 3.200 2.560 2.048
	// sgd      momentum 0.9: 4 3.200 1.840 0.248
	// nesterov momentum 0.9: 4 2.480 0.890 -0.433
	// rmsprop  momentum 0.0: 4 3.000 2.398 1.963
	// adam     momentum 0.0: 4 3.900 3.800 3.700
}

// An epoch is all samples once; a batch is what one update is made of; an iteration is one update.
func Example_epochs() {
	info := data.Info{Name: "mnist's sizes", Sample: tensor.Shape{1, 1, 1}, Classes: 10}
	set := must(data.NewMemory(info, make([]float32, 60000), make([]int32, 60000), nil))
	for _, batch := range []int{60000, 200, 128, 1} {
		fmt.Println("batch", batch, "iterations in an epoch", (&data.Loader{Set: set, Batch: batch}).Steps())
	}
	// Output:
	// batch 60000 iterations in an epoch 1
	// batch 200 iterations in an epoch 300
	// batch 128 iterations in an epoch 469
	// batch 1 iterations in an epoch 60000
}

// The regulariser (lambda/2) w^2 adds lambda w to the gradient: with no other gradient the weight shrinks by rate*lambda of itself.
func Example_weightDecay() {
	onTape(func(tape *autograd.Tape) {
		w := must(autograd.NewParameter(tape.Device(), "w", array([]int{1}, 2)))
		defer w.Release()
		sgd := must(optim.New(tape.Device(), optim.Config{Method: "sgd", Rate: 0.1, WeightDecay: 0.5}, []*autograd.Value{w}))
		defer sgd.Release()
		for range 3 {
			tape.Reset()
			w.ZeroGrad()
			must(0, tape.Backward(autograd.Scale(autograd.Sum(tape.Use(w), false), 0, 0)))
			must(0, sgd.Step())
			fmt.Printf("%.5f\n", must(w.Tensor().Floats())[0])
		}
	})
	// Output:
	// 1.90000
	// 1.80500
	// 1.71475
}

package infer

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/nn"
)

// Evaluator computes a network on batches of samples. It is used by one goroutine, the one that drives the device.
type Evaluator struct {
	net  *nn.Network
	tape *autograd.Tape
}

// NewEvaluator is for a network that outlives it. Close it.
func NewEvaluator(net *nn.Network) *Evaluator {
	tape := autograd.NewTape(net.Device)
	tape.NoGrad = true
	return &Evaluator{net, tape}
}

// Evaluate returns the network's outputs for the samples in x, which lie one after another, as the outputs do.
func (e *Evaluator) Evaluate(x []float32) ([]float64, error) {
	sample := e.net.Input[1:]
	n := len(x) / sample.TotalSize()
	if n == 0 || n*sample.TotalSize() != len(x) {
		return nil, fmt.Errorf("%d values, expected samples %v of %d", len(x), sample, sample.TotalSize())
	}
	e.tape.Reset()
	y := e.net.Forward(e.tape.Input(tensor.New(tensor.WithShape(append(tensor.Shape{n}, sample...)...), tensor.WithBacking(x))))
	if err := e.tape.Err(); err != nil {
		return nil, err
	}
	return y.Tensor().Floats()
}

// Close gives the memory of the last batch back to the device.
func (e *Evaluator) Close() { e.tape.Reset() }

// CheckFinite refuses a sample's outputs if one of them is no number: nothing can be said of such a sample.
func CheckFinite(outputs []float64) error {
	for k, v := range outputs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("output %d of the network is %v, expected finite numbers", k, v)
		}
	}
	return nil
}

package extending

import (
	"fovea/autograd"
	"fovea/data"
)

// Huber is the mean of d^2/2 where the distance d of prediction and target is at most 1, and of |d| - 1/2 beyond (Huber, 1964):
// an outlier pulls no harder than a distance of 1 does.
func Huber(output *autograd.Value, batch *data.Batch) *autograd.Value {
	d := autograd.Sub(output, output.Tape().Input(batch.Targets))
	above := func(offset float64) *autograd.Value { return autograd.ReLU(autograd.Scale(d, 1, offset)) }
	clipped := autograd.Scale(autograd.Sub(above(1), above(-1)), 1, -1) // d, but not beyond -1 and 1
	return autograd.Mean(autograd.Mul(clipped, autograd.Sub(d, autograd.Scale(clipped, 0.5, 0))), false)
}

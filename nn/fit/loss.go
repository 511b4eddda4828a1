package fit

import (
	"fovea/autograd"
	"fovea/data"
)

// Loss is a loss of one's own: what a network's outputs for a batch cost, as a scalar, the mean over the samples. It is made of
// functions of autograd, or of [autograd.Apply]; output.Tape() brings the batch's labels or targets to the device.
type Loss func(output *autograd.Value, batch *data.Batch) *autograd.Value

// of is not asked after a failure, when outputs have no shape that one could look at.
func (l Loss) of(output *autograd.Value, batch *data.Batch) *autograd.Value {
	if err := output.Tape().Err(); err != nil {
		return output.Tape().Fail(err)
	}
	return l(output, batch)
}

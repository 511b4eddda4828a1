package onnx

import (
	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("BatchNormalization", operator{attributes: "consumed_inputs epsilon is_test momentum spatial training_mode", tape: batchNorm})
	register("LRN", operator{attributes: "alpha beta bias size", tape: lrn})
}

// batchNorm normalises with the batch's statistics while the tape is training, and with the file's else.
func batchNorm(c *call) *autograd.Value {
	n := normalisation(c)
	if c.err != nil {
		return nil
	}
	return autograd.BatchNorm(n.x, n.scale, n.shift, n.mean, n.variance, n.spec)
}

// norm is what a BatchNormalization is of.
type norm struct {
	x, scale, shift *autograd.Value
	mean, variance  *device.Tensor
	spec            device.BatchNormSpec
}

func normalisation(c *call) norm {
	if c.int("training_mode", 0) != 0 {
		c.fail("training_mode is set, expected a network in evaluation mode")
	}
	if c.int("spatial", 1) != 1 {
		c.fail("spatial is 0, expected statistics of channels")
	}
	return norm{c.onTape(0), c.value(1), c.value(2), c.statistic(3), c.statistic(4),
		device.BatchNormSpec{Epsilon: c.float("epsilon", 1e-5), Momentum: 1 - c.float("momentum", 0.9)}}
}

// statistic is operand i as a tensor that training updates.
func (c *call) statistic(i int) *device.Tensor {
	if c.given(i) && c.in[i].weight != nil {
		t, err := c.run.buffer(c.in[i].weight, c.node, i)
		if err != nil {
			c.fail("operand %d: %w", i, err)
		}
		return t
	}
	if v := c.value(i); v != nil {
		return v.Tensor()
	}
	return nil
}

func lrn(c *call) *autograd.Value {
	x := c.value(0)
	s := device.LRNSpec{Size: c.int("size", 0), Alpha: c.float("alpha", 1e-4), Beta: c.float("beta", 0.75), K: c.float("bias", 1)}
	if c.err != nil || len(x.Shape()) != 4 || s.Size%2 == 1 {
		return autograd.LRN(x, s)
	}
	// The odd map of an even window is on the other side here: turn the maps round, and back.
	turned := make([]int, x.Shape()[1])
	for i := range turned {
		turned[i] = len(turned) - 1 - i
	}
	return c.take(autograd.LRN(c.take(x, 1, turned), s), 1, turned)
}

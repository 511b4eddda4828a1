package onnx

import (
	"math"

	"fovea/autograd"
	"fovea/device"
)

func init() {
	for name, kind := range map[string]device.ActivationKind{"Relu": device.ReLU, "Sigmoid": device.Sigmoid, "Tanh": device.Tanh} {
		register(name, operator{attributes: "consumed_inputs", tape: func(c *call) *autograd.Value {
			return autograd.Activate(c.onTape(0), device.ActivationSpec{Kind: kind})
		}})
	}
	register("LeakyRelu", operator{attributes: "alpha consumed_inputs", tape: func(c *call) *autograd.Value {
		return autograd.Activate(c.onTape(0), device.ActivationSpec{Kind: device.LeakyReLU, Alpha: c.float("alpha", 0.01)})
	}})
	register("Elu", operator{attributes: "alpha consumed_inputs", tape: func(c *call) *autograd.Value {
		return autograd.Activate(c.onTape(0), device.ActivationSpec{Kind: device.ELU, Alpha: c.float("alpha", 1)})
	}})
	register("HardSigmoid", operator{attributes: "alpha beta consumed_inputs", tape: func(c *call) *autograd.Value {
		return c.hardSigmoid(c.onTape(0), c.float("alpha", 0.2), c.float("beta", 0.5))
	}})
	register("HardSwish", operator{tape: func(c *call) *autograd.Value {
		x := c.onTape(0)
		gate := c.hardSigmoid(x, 1.0/6, 0.5)
		if c.err != nil {
			return nil
		}
		return c.then(gate, x, autograd.Mul(x, gate))
	}})
	register("PRelu", operator{attributes: "consumed_inputs", tape: prelu})
	register("Softmax", operator{attributes: "axis", tape: func(c *call) *autograd.Value { return softmax(c, autograd.Softmax) }})
	register("LogSoftmax", operator{attributes: "axis", tape: func(c *call) *autograd.Value { return softmax(c, autograd.LogSoftmax) }})
	register("Dropout", operator{attributes: "is_test ratio seed", tape: dropout})
	register("Clip", operator{attributes: "consumed_inputs max min", tape: clip})
}

// softmax works along one axis; before version 13 along all from that axis on, as one.
func softmax(c *call, of func(*autograd.Value) *autograd.Value) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	shape, otherwise := x.Shape(), -1
	if c.opset < 13 {
		otherwise = 1
	}
	axis := c.axis(c.int("axis", otherwise), len(shape))
	if c.err != nil {
		return nil
	}
	to := []int{product(shape[:axis]), shape[axis], product(shape[axis+1:])}
	if c.opset < 13 {
		to = []int{to[0], to[1] * to[2], 1}
	}
	if to[2] == 1 {
		to = to[:2]
	}
	return c.reshape(of(c.reshape(x, to)), shape)
}

// dropout drops while the tape is training.
func dropout(c *call) *autograd.Value {
	x := c.onTape(0)
	rate := c.float("ratio", 0.5)
	if c.given(1) {
		rate = c.scalar(1)
	}
	if c.given(2) && c.err == nil {
		if mode := c.host(2); len(mode.ints) == 1 && mode.ints[0] != 0 {
			c.fail("training_mode is set, expected a network in evaluation mode")
		}
	}
	if c.err != nil {
		return nil
	}
	return autograd.Dropout(x, rate)
}

// clip is min(max(x, low), high).
func clip(c *call) *autograd.Value {
	x := c.onTape(0)
	low, high := c.float("min", math.Inf(-1)), c.float("max", math.Inf(1))
	if c.given(1) {
		low = c.scalar(1)
	}
	if c.given(2) {
		high = c.scalar(2)
	}
	if c.err != nil {
		return nil
	}
	return c.between(x, low, high)
}

func (c *call) between(x *autograd.Value, low, high float64) *autograd.Value {
	y := x
	switch {
	case low == 0:
		y = autograd.ReLU(x)
	case low > -math.MaxFloat32:
		y = c.atLeast(x, low)
	}
	if high < math.MaxFloat32 {
		negative := c.then(y, x, autograd.Scale(y, -1, 0))
		above := c.then(negative, x, c.atLeast(negative, -high))
		y = c.then(above, x, autograd.Scale(above, -1, 0))
	}
	return y
}

// hardSigmoid is slope*x + offset, held between 0 and 1.
func (c *call) hardSigmoid(x *autograd.Value, slope, offset float64) *autograd.Value {
	if c.err != nil {
		return nil
	}
	line := autograd.Scale(x, slope, offset)
	return c.then(line, x, c.between(line, 0, 1))
}

// prelu is x where that is above 0, and a learned slope times x below: max(x, 0) - slope*max(-x, 0).
func prelu(c *call) *autograd.Value {
	x, slope := c.onTape(0), c.value(1)
	if c.err != nil {
		return nil
	}
	if rank := len(x.Shape()); c.opset < 7 && len(slope.Shape()) == 1 && rank > 2 { // one for each channel
		shape := make([]int, rank-1)
		for i := range shape {
			shape[i] = 1
		}
		shape[0] = slope.Shape()[0]
		slope = c.reshape(c.lift(slope), shape)
	}
	negative := autograd.Scale(x, -1, 0)
	below := c.then(negative, x, autograd.ReLU(negative))
	scaled := c.then(below, x, autograd.Mul(below, c.widen(slope, len(x.Shape()))))
	above := autograd.ReLU(x)
	return c.then(scaled, x, c.then(above, x, autograd.Sub(above, scaled)))
}

// atLeast is max(x, low), exactly: x and a row of low, the larger one kept.
func (c *call) atLeast(x *autograd.Value, low float64) *autograd.Value {
	shape := x.Shape()
	row := c.reshape(x, []int{1, 1, 1, product(shape)})
	both := c.then(row, x, autograd.Pad(row, device.Padding{Bottom: 1}, low))
	pair := c.then(both, x, autograd.Reshape(both, 1, 2, product(shape)))
	return c.reshape(c.then(pair, x, autograd.Maxout(pair, 2)), shape)
}

// then gives back a value that served the next alone; never the operand of the node.
func (c *call) then(used, operand, next *autograd.Value) *autograd.Value {
	if used != operand && used != next {
		c.tape.Free(used)
	}
	return next
}

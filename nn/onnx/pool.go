package onnx

import (
	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("MaxPool", operator{attributes: "auto_pad ceil_mode dilations kernel_shape pads storage_order strides",
		tape: func(c *call) *autograd.Value { return pool(c, device.MaxPool) }})
	register("AveragePool", operator{attributes: "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides",
		tape: func(c *call) *autograd.Value { return pool(c, device.AveragePool) }})
	register("GlobalMaxPool", operator{tape: func(c *call) *autograd.Value { return globalPool(c, device.MaxPool) }})
	register("GlobalAveragePool", operator{tape: func(c *call) *autograd.Value { return globalPool(c, device.AveragePool) }})
}

func pool(c *call, kind device.PoolKind) *autograd.Value {
	x, rows := c.maps(0)
	if !c.has("kernel_shape") {
		c.fail("kernel_shape is missing")
	}
	w := c.window(rows, [2]int{})
	if w.dilation != [2]int{1, 1} {
		c.fail("dilations %v, expected 1: devices have no dilated pooling", w.dilation)
	}
	if c.err != nil {
		return nil
	}
	w.padSame(x.Shape())
	return unmaps(autograd.Pool(x, device.PoolSpec{Kind: kind, Window: w.size, Stride: w.stride, Padding: w.padding,
		CeilMode: c.int("ceil_mode", 0) != 0, CountPadding: c.int("count_include_pad", 0) != 0}), rows)
}

func globalPool(c *call, kind device.PoolKind) *autograd.Value {
	x, rows := c.maps(0)
	if c.err != nil {
		return nil
	}
	return unmaps(autograd.GlobalPool(x, kind), rows)
}

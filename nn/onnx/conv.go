package onnx

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("Conv", operator{attributes: "auto_pad dilations group kernel_shape pads strides", tape: conv})
	register("ConvTranspose", operator{attributes: "auto_pad dilations group kernel_shape output_padding output_shape pads strides", tape: convTranspose})
}

func conv(c *call) *autograd.Value {
	x, weight, s, rows := convolution(c)
	if c.err != nil {
		return nil
	}
	return unmaps(autograd.Conv2D(x, weight, c.bias(2), s), rows)
}

// convolution reads what a Conv is of; rows says that it was of one dimension.
func convolution(c *call) (x, weight *autograd.Value, s device.ConvSpec, rows bool) {
	x, rows = c.maps(0)
	weight, same := c.maps(1)
	if c.err != nil || rows != same {
		c.fail("input %v and weights %v, expected the same rank", c.value(0).Shape(), c.value(1).Shape())
		return nil, nil, s, rows
	}
	w := c.window(rows, spatial(weight.Shape()))
	w.padSame(x.Shape())
	return x, weight, w.conv(c), rows
}

func (w window) conv(c *call) device.ConvSpec {
	s := device.ConvSpec{Stride: w.stride, Dilation: w.dilation, Padding: w.padding, Groups: c.int("group", 1)}
	if s.Groups < 1 {
		c.fail("group %d, expected at least 1", s.Groups)
	}
	return s
}

// bias is operand i, nil if it is not there.
func (c *call) bias(i int) *autograd.Value {
	if !c.given(i) {
		return nil
	}
	return c.value(i)
}

// spatial is the last two of four dimensions.
func spatial(shape tensor.Shape) [2]int {
	if len(shape) != 4 {
		return [2]int{}
	}
	return [2]int{shape[2], shape[3]}
}

func convTranspose(c *call) *autograd.Value {
	x, rows := c.maps(0)
	weight, same := c.maps(1)
	if c.err != nil || rows != same {
		c.fail("input %v and weights %v, expected the same rank", c.value(0).Shape(), c.value(1).Shape())
		return nil
	}
	w := c.window(rows, spatial(weight.Shape()))
	extra := c.pair("output_padding", rows, 0)
	if rows {
		extra[0] = 0
	}
	wanted := c.has("output_shape")
	if in := x.Shape(); c.err == nil && len(in) == 4 && (wanted || w.same == "SAME_UPPER" || w.same == "SAME_LOWER") {
		var to, total [2]int
		for i := range 2 {
			to[i] = in[2+i] * w.stride[i]
		}
		if wanted {
			list := c.ints("output_shape")
			if n := len(list); n == 4 || n == 3 && rows { // some write the batch and the channels too
				list = list[2:]
			}
			switch {
			case rows && len(list) == 1:
				to = [2]int{1, list[0]}
			case !rows && len(list) == 2:
				to = [2]int{list[0], list[1]}
			default:
				c.fail("output_shape %v, expected one number for each spatial dimension", c.ints("output_shape"))
			}
		}
		for i := range 2 {
			total[i] = w.stride[i]*(in[2+i]-1) + extra[i] + w.dilation[i]*(w.size[i]-1) + 1 - to[i]
			if total[i] < 0 {
				extra[i], total[i] = extra[i]-total[i], 0
			}
		}
		if w.same == "NOTSET" {
			w.same = "SAME_LOWER" // here the specification gives the odd row to the beginning
		}
		w.pad(total)
	}
	if c.err != nil {
		return nil
	}
	return unmaps(autograd.ConvTranspose2D(x, weight, c.bias(2), w.conv(c), extra), rows)
}

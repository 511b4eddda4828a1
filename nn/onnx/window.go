package onnx

import (
	"fovea/autograd"
	"fovea/device"
)

// Devices have windows of two dimensions. Those of one are computed as maps of one row; those of three are refused.

// window is the geometry that convolutions and poolings share.
type window struct {
	size, stride, dilation [2]int
	padding                device.Padding
	rows                   bool // of one dimension
	same                   string
}

// maps is operand i as [N, C, H, W].
func (c *call) maps(i int) (x *autograd.Value, rows bool) {
	x = c.value(i)
	switch shape := x.Shape(); len(shape) {
	case 4:
		return x, false
	case 3:
		x = c.onTape(i)
		return autograd.Reshape(x, shape[0], shape[1], 1, shape[2]), true
	default:
		c.fail("operand %d is %v, expected [N, C, H, W] or [N, C, W]: devices have windows of two dimensions", i, shape)
		return x, false
	}
}

// unmaps undoes what maps did.
func unmaps(y *autograd.Value, rows bool) *autograd.Value {
	if shape := y.Shape(); rows && len(shape) == 4 {
		return autograd.Reshape(y, shape[0], shape[1], shape[3])
	}
	return y
}

// pair is an attribute of one number for each spatial dimension.
func (c *call) pair(attribute string, rows bool, otherwise int) [2]int {
	list := c.ints(attribute)
	switch {
	case list == nil && rows:
		return [2]int{1, otherwise}
	case list == nil:
		return [2]int{otherwise, otherwise}
	case rows && len(list) == 1:
		return [2]int{1, list[0]}
	case !rows && len(list) == 2:
		return [2]int{list[0], list[1]}
	}
	c.fail("%s is %v, expected %d numbers", attribute, list, map[bool]int{true: 1, false: 2}[rows])
	return [2]int{otherwise, otherwise}
}

// window reads the attributes. size is the window's own where the attribute kernel_shape does not say.
func (c *call) window(rows bool, size [2]int) window {
	w := window{size: size, stride: c.pair("strides", rows, 1), dilation: c.pair("dilations", rows, 1), rows: rows, same: c.text("auto_pad", "NOTSET")}
	if c.has("kernel_shape") {
		w.size = c.pair("kernel_shape", rows, 1)
	}
	if rows {
		w.stride[0], w.dilation[0], w.size[0] = 1, 1, 1
	}
	if size != [2]int{} && w.size != size {
		c.fail("kernel_shape %v, expected that of the weights, %v", w.size, size)
	}
	for i := range 2 {
		if w.stride[i] < 1 || w.dilation[i] < 1 || w.size[i] < 1 {
			c.fail("window %v, strides %v, dilations %v, expected at least 1", w.size, w.stride, w.dilation)
			w.stride[i], w.dilation[i], w.size[i] = 1, 1, 1
		}
	}
	switch p := c.ints("pads"); {
	case w.same == "VALID", w.same == "NOTSET" && p == nil:
	case w.same == "SAME_UPPER", w.same == "SAME_LOWER":
	case w.same != "NOTSET":
		c.fail("auto_pad %.40q is not known", w.same)
	case rows && len(p) == 2:
		w.padding = device.Padding{Left: p[0], Right: p[1]}
	case !rows && len(p) == 4:
		w.padding = device.Padding{Top: p[0], Left: p[1], Bottom: p[2], Right: p[3]}
	default:
		c.fail("pads %v, expected two for each spatial dimension", p)
	}
	return w
}

// padSame pads so that the output is as large as the input, but for the stride, where auto_pad says so.
func (w *window) padSame(in []int) {
	if w.same != "SAME_UPPER" && w.same != "SAME_LOWER" {
		return
	}
	var total [2]int
	for i := range 2 {
		out := (in[2+i] + w.stride[i] - 1) / w.stride[i]
		total[i] = max(0, (out-1)*w.stride[i]+w.dilation[i]*(w.size[i]-1)+1-in[2+i])
	}
	w.pad(total)
}

// pad shares padding out to the two sides; an odd row goes to the end, or with SAME_LOWER to the beginning.
func (w *window) pad(total [2]int) {
	less, more := [2]int{total[0] / 2, total[1] / 2}, [2]int{total[0] - total[0]/2, total[1] - total[1]/2}
	if w.same == "SAME_LOWER" {
		less, more = more, less
	}
	w.padding = device.Padding{Top: less[0], Left: less[1], Bottom: more[0], Right: more[1]}
}

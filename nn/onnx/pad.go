package onnx

import (
	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("Pad", operator{attributes: "mode pads paddings value", tape: pad})
}

// maxPadded bounds what padding makes of a dimension.
const maxPadded = 1 << 24

// pad surrounds x in any axis with a value, or with what its mode finds in x. Less than none cuts off.
func pad(c *call) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	rank := len(x.Shape())
	pads, value := c.ints("pads"), c.float("value", 0)
	if c.opset >= 11 {
		pads = c.integers(1)
		if c.given(2) {
			value = c.scalar(2)
		}
	}
	axes := c.axes(3, rank)
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	if len(pads) != 2*len(axes) {
		c.fail("pads %v, expected two for each of %d axes", pads, len(axes))
		return nil
	}
	mode := c.text("mode", "constant")
	y := x
	for i, axis := range axes {
		before, after, n := pads[i], pads[len(axes)+i], x.Shape()[axis]
		if before < -n || after < -n || before > maxPadded || after > maxPadded || before+after < -n {
			c.fail("pads of %d and %d to axis %d of %v", before, after, axis, x.Shape())
			return nil
		}
		switch mode {
		case "constant":
			y = c.then(y, x, c.surround(y, axis, before, after, value))
		case "reflect", "edge", "wrap":
			index := make([]int, 0, n+before+after)
			for p := -before; p < n+after; p++ {
				index = append(index, c.mirrored(mode, p, n))
			}
			y = c.then(y, x, c.take(y, axis, index))
		default:
			c.fail("mode %.40q, expected constant, reflect, edge or wrap", mode)
		}
		if c.err != nil {
			return nil
		}
	}
	return y
}

// mirrored is the place in an axis of n elements that stands for place p outside of it.
func (c *call) mirrored(mode string, p, n int) int {
	if p >= 0 && p < n {
		return p
	}
	if n == 0 || n == 1 && mode == "reflect" {
		c.fail("mode %s in an axis of %d elements", mode, n)
		return 0
	}
	switch mode {
	case "edge":
		return min(max(p, 0), n-1)
	case "wrap":
		return (p%n + n) % n
	}
	period := 2 * (n - 1)
	p = (p%period + period) % period
	return min(p, period-p)
}

// surround pads one axis, which stands as the rows of a map.
func (c *call) surround(x *autograd.Value, axis, before, after int, value float64) *autograd.Value {
	shape := x.Shape()
	if before < 0 || after < 0 {
		start, end := make([]int, len(shape)), shape.Clone()
		start[axis], end[axis] = max(0, -before), shape[axis]-max(0, -after)
		x = autograd.Slice(x, start, end)
		before, after = max(before, 0), max(after, 0)
		shape = x.Shape()
	}
	if before == 0 && after == 0 || len(shape) == 0 {
		return x
	}
	rows := c.reshape(x, []int{1, product(shape[:axis]), shape[axis], product(shape[axis+1:])})
	padded := autograd.Pad(rows, device.Padding{Top: before, Bottom: after}, value)
	to := shape.Clone()
	to[axis] += before + after
	return c.reshape(padded, to)
}

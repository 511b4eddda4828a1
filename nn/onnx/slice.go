package onnx

import (
	"slices"

	"fovea/autograd"
)

func init() {
	register("Slice", operator{attributes: "axes ends starts", tape: slice, host: sliceOnHost})
	register("Gather", operator{attributes: "axis", tape: gather, host: gatherOnHost})
}

// rows are the elements of each axis that a Slice keeps, in their order; nil for all.
func (c *call) rows(shape []int) [][]int {
	starts, ends, axes, steps := c.ints("starts"), c.ints("ends"), c.ints("axes"), []int(nil)
	if c.opset >= 10 {
		starts, ends = c.integers(1), c.integers(2)
		if c.given(3) {
			axes = c.integers(3)
		}
		if c.given(4) {
			steps = c.integers(4)
		}
	}
	if axes == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		c.fail("%d starts, %d ends, %d axes and %d steps, expected the same number", len(starts), len(ends), len(axes), len(steps))
	}
	kept := make([][]int, len(shape))
	for i := range starts {
		if c.err != nil {
			return kept
		}
		axis, step := c.axis(axes[i], len(shape)), 1
		if steps != nil {
			step = steps[i]
		}
		if c.err == nil && (step == 0 || kept[axis] != nil) {
			c.fail("step %d of axis %d, expected another than 0, and each axis once", step, axis)
		}
		if c.err == nil {
			kept[axis] = places(starts[i], ends[i], step, shape[axis])
		}
	}
	return kept
}

// places are the indices from start to before end; both may count from the end of n, and lie outside.
func places(start, end, step, n int) []int {
	fold := func(v, low, high int) int {
		if v < 0 {
			v += n
		}
		return min(max(v, low), high)
	}
	list := []int{}
	if step > 0 {
		start, end = fold(start, 0, n), fold(end, 0, n)
		for i := start; i < end; {
			list = append(list, i)
			if step >= end-i { // i + step could wrap
				break
			}
			i += step
		}
		return list
	}
	start = fold(start, -1, n-1)
	end = fold(max(end, -n-1), -1, n-1)
	for i := start; i > end; {
		list = append(list, i)
		if step <= end-i {
			break
		}
		i += step
	}
	return list
}

func slice(c *call) *autograd.Value {
	x := c.onTape(0)
	kept := c.rows(x.Shape())
	if c.err != nil {
		return nil
	}
	// What is one piece in every axis is one copy.
	start, end := make([]int, len(kept)), slices.Clone([]int(x.Shape()))
	whole := true
	for axis, index := range kept {
		if index == nil {
			continue
		}
		n := len(index)
		if n > 0 && index[n-1]-index[0] != n-1 || n > 1 && index[1] != index[0]+1 {
			continue
		}
		kept[axis] = nil
		if start[axis], end[axis] = 0, 0; n > 0 {
			start[axis], end[axis] = index[0], index[n-1]+1
		}
		whole = whole && start[axis] == 0 && end[axis] == x.Shape()[axis]
	}
	y := x
	if !whole {
		y = autograd.Slice(x, start, end)
	}
	for axis, index := range kept {
		if index != nil {
			y = c.then(y, x, c.take(y, axis, index))
		}
	}
	return y
}

func sliceOnHost(c *call) *array {
	a := c.host(0)
	for axis, index := range c.rows(a.shape) {
		if index != nil && c.err == nil {
			a = c.pick(a, axis, index)
		}
	}
	return a
}

// pick is take for arrays.
func (c *call) pick(a *array, axis int, index []int) *array {
	shape := slices.Clone(a.shape)
	shape[axis] = len(index)
	if !c.fits(shape) {
		return a
	}
	out, inner := &array{shape: shape}, product(a.shape[axis+1:])
	if !a.real() {
		out.ints = []int64{}
	}
	floats := a.values()
	for o := range product(a.shape[:axis]) {
		for _, i := range index {
			at := (o*a.shape[axis] + i) * inner
			if a.real() {
				out.floats = append(out.floats, floats[at:at+inner]...)
			} else {
				out.ints = append(out.ints, a.ints[at:at+inner]...)
			}
		}
	}
	return out
}

// gathered are the axis and the indices of a Gather, and the shape of what it makes.
func (c *call) gathered(from []int) (axis int, index, shape []int) {
	axis = c.axis(c.int("axis", 0), len(from))
	index = c.integers(1)
	if c.err != nil {
		return 0, nil, nil
	}
	for i := range index {
		index[i] = c.axis(index[i], from[axis])
	}
	shape = slices.Concat(from[:axis], c.host(1).shape, from[axis+1:])
	if len(shape) > maxRank {
		c.fail("%d dimensions, expected at most %d", len(shape), maxRank)
	}
	return axis, index, shape
}

func gather(c *call) *autograd.Value {
	x := c.onTape(0)
	axis, index, shape := c.gathered(x.Shape())
	if c.err != nil {
		return nil
	}
	return c.reshape(c.take(x, axis, index), shape)
}

func gatherOnHost(c *call) *array {
	a := c.host(0)
	axis, index, shape := c.gathered(a.shape)
	if c.err != nil {
		return a
	}
	return c.shaped(c.pick(a, axis, index), shape)
}

package onnx

import (
	"slices"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("Reshape", operator{attributes: "allowzero", tape: reshape,
		host: func(c *call) *array { a := c.host(0); return c.shaped(a, c.target(a.shape)) }})
	register("Flatten", operator{attributes: "axis", tape: flatten})
	register("Squeeze", operator{attributes: "axes",
		tape: func(c *call) *autograd.Value { x := c.onTape(0); return c.reshape(x, c.squeezed(x.Shape())) },
		host: func(c *call) *array { a := c.host(0); return c.shaped(a, c.squeezed(a.shape)) }})
	register("Unsqueeze", operator{attributes: "axes",
		tape: func(c *call) *autograd.Value { x := c.onTape(0); return c.reshape(x, c.unsqueezed(x.Shape())) },
		host: func(c *call) *array { a := c.host(0); return c.shaped(a, c.unsqueezed(a.shape)) }})
	register("Transpose", operator{attributes: "perm", tape: transpose})
	register("Concat", operator{attributes: "axis", tape: concat, host: concatOnHost})
}

// reshape gives x another shape; x itself if it has it.
func (c *call) reshape(x *autograd.Value, shape []int) *autograd.Value {
	if x == nil || c.err != nil {
		return nil
	}
	if device.EqualShape(x.Shape(), shape) {
		return x
	}
	return autograd.Reshape(x, shape...)
}

// shaped is an array in another shape of the same size.
func (c *call) shaped(a *array, shape []int) *array {
	if c.err == nil && product(shape) != a.size() {
		c.fail("%v to %v: sizes differ", a.shape, shape)
	}
	return &array{shape: shape, floats: a.floats, ints: a.ints, fill: a.fill}
}

func reshape(c *call) *autograd.Value {
	x := c.onTape(0)
	return c.reshape(x, c.target(x.Shape()))
}

// target is the shape that operand 1 asks for: 0 keeps a dimension, -1 is what is left.
func (c *call) target(from []int) []int {
	to := c.integers(1)
	if c.int("allowzero", 0) == 0 {
		for i, d := range to {
			if d == 0 && i < len(from) {
				to[i] = from[i]
			}
		}
	}
	if c.err != nil {
		return nil
	}
	shape, err := device.ReshapeShape(from, to)
	if err == nil {
		err = device.CheckShape(shape)
	}
	if err != nil {
		c.fail("%w", err)
		return nil
	}
	return shape
}

func flatten(c *call) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	shape := x.Shape()
	axis := c.int("axis", 1)
	if axis != len(shape) { // the one axis that is allowed beyond the others
		axis = c.axis(axis, len(shape))
	}
	return c.reshape(x, []int{product(shape[:axis]), product(shape[axis:])})
}

func (c *call) squeezed(from []int) []int {
	axes := c.axes(1, len(from))
	var shape []int
	for i, d := range from {
		switch {
		case axes == nil && d == 1:
		case slices.Contains(axes, i):
			if d != 1 {
				c.fail("axis %d of %v is %d, expected 1", i, from, d)
			}
		default:
			shape = append(shape, d)
		}
	}
	return shape
}

func (c *call) unsqueezed(from []int) []int {
	count := len(c.ints("axes"))
	if c.given(1) {
		count = len(c.integers(1))
	}
	if len(from)+count > maxRank {
		c.fail("%d dimensions, expected at most %d", len(from)+count, maxRank)
		return nil
	}
	axes := c.axes(1, len(from)+count)
	shape := make([]int, 0, len(from)+count)
	for i := range len(from) + count {
		if slices.Contains(axes, i) {
			shape = append(shape, 1)
		} else if len(from) > 0 {
			shape, from = append(shape, from[0]), from[1:]
		}
	}
	return shape
}

func transpose(c *call) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	perm := c.ints("perm")
	rank := len(x.Shape())
	if !c.has("perm") {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	if sorted := slices.Sorted(slices.Values(perm)); len(sorted) != rank || rank > 0 && (sorted[0] != 0 || sorted[rank-1] != rank-1 || len(slices.Compact(sorted)) != rank) {
		c.fail("perm %v for an input of rank %d", perm, rank)
		return nil
	}
	return c.transpose(x, perm)
}

// maxPieces bounds the copies that one node makes.
const maxPieces = 4096

// transpose orders the axes of x as perm says. Devices have no such primitive: neighbouring blocks of axes change places,
// in as many copies as the smaller block has elements.
func (c *call) transpose(x *autograd.Value, perm []int) *autograd.Value {
	if c.err != nil {
		return nil
	}
	shape := make(tensor.Shape, len(perm))
	for i, axis := range perm {
		shape[i] = x.Shape()[axis]
	}
	// Axes that stay neighbours move together; those of size 1 need no moving.
	var groups [][]int
	for _, axis := range perm {
		if x.Shape()[axis] == 1 {
			continue
		}
		if n := len(groups); n > 0 && c.follows(x.Shape(), groups[n-1][len(groups[n-1])-1], axis) {
			groups[n-1] = append(groups[n-1], axis)
			continue
		}
		groups = append(groups, []int{axis})
	}
	order := slices.Clone(groups) // as they lie now
	slices.SortFunc(order, func(a, b []int) int { return a[0] - b[0] })
	sizes := make([]int, len(order))
	for i, g := range order {
		sizes[i] = 1
		for _, axis := range g {
			sizes[i] *= x.Shape()[axis]
		}
	}
	y := x
	for i, g := range groups {
		at := slices.IndexFunc(order, func(o []int) bool { return o[0] == g[0] })
		if at == i {
			continue
		}
		y = c.then(y, x, c.swap(y, product(sizes[:i]), product(sizes[i:at]), sizes[at], product(sizes[at+1:])))
		order = slices.Insert(slices.Delete(order, at, at+1), i, g)
		size := sizes[at]
		sizes = slices.Insert(slices.Delete(sizes, at, at+1), i, size)
	}
	return c.reshape(y, shape)
}

// follows says whether axis b comes right after a, but for axes of size 1.
func (c *call) follows(shape []int, a, b int) bool {
	for a++; a < b && shape[a] == 1; a++ {
	}
	return a == b
}

// swap makes [outer, b, a, inner] of the elements of x, which are [outer, a, b, inner].
func (c *call) swap(x *autograd.Value, outer, a, b, inner int) *autograd.Value {
	if min(a, b) > maxPieces {
		c.fail("changing the places of %d and %d elements takes %d copies, expected at most %d: devices have no transpose", a, b, min(a, b), maxPieces)
	}
	if c.err != nil {
		return nil
	}
	from := c.reshape(x, []int{outer, a, b, inner})
	parts := make([]*autograd.Value, min(a, b))
	for i := range parts {
		if a <= b {
			part := autograd.Slice(from, []int{0, i, 0, 0}, []int{outer, i + 1, b, inner})
			parts[i] = autograd.Reshape(part, outer, b, 1, inner)
		} else {
			part := autograd.Slice(from, []int{0, 0, i, 0}, []int{outer, a, i + 1, inner})
			parts[i] = autograd.Reshape(part, outer, 1, a, inner)
		}
	}
	axis := 1
	if a <= b {
		axis = 2
	}
	return c.join(axis, parts)
}

// join is the concatenation of values that served nothing else.
func (c *call) join(axis int, parts []*autograd.Value) *autograd.Value {
	if c.err != nil {
		return nil
	}
	y := parts[0]
	if len(parts) > 1 {
		y = autograd.Concat(axis, parts...)
		for _, p := range parts {
			c.tape.Free(p)
		}
	}
	return y
}

// take puts together the rows of x along an axis that index names, in its order; neighbours are copied at once.
func (c *call) take(x *autograd.Value, axis int, index []int) *autograd.Value {
	if c.err != nil {
		return nil
	}
	shape := x.Shape()
	start, end := make([]int, len(shape)), shape.Clone()
	var parts []*autograd.Value
	for at := 0; at < len(index); {
		n := 1
		for at+n < len(index) && index[at+n] == index[at]+n {
			n++
		}
		if index[at] == 0 && n == shape[axis] && n == len(index) {
			return x
		}
		if len(parts) == maxPieces {
			c.fail("more than %d copies", maxPieces)
			return nil
		}
		start[axis], end[axis] = index[at], index[at]+n
		parts = append(parts, autograd.Slice(x, start, end))
		at += n
	}
	if len(parts) == 0 {
		start[axis], end[axis] = 0, 0
		return autograd.Slice(x, start, end)
	}
	return c.join(axis, parts)
}

func concat(c *call) *autograd.Value {
	if len(c.in) == 0 || !c.has("axis") && c.opset >= 4 {
		c.fail("no operands, or no axis")
		return nil
	}
	values := make([]*autograd.Value, len(c.in))
	for i := range values {
		values[i] = c.value(i)
	}
	if c.err != nil {
		return nil
	}
	axis := c.axis(c.int("axis", 1), len(values[0].Shape()))
	if len(values) == 1 {
		return c.onTape(0)
	}
	values[0] = c.lift(values[0])
	return autograd.Concat(axis, values...)
}

func concatOnHost(c *call) *array {
	first := c.host(0)
	out := &array{shape: slices.Clone(first.shape)}
	if !first.real() {
		out.ints = []int64{}
	}
	axis := c.axis(c.int("axis", 0), len(first.shape))
	if c.err != nil {
		return first
	}
	out.shape[axis] = 0
	for i := range c.in {
		a := c.host(i)
		same := len(a.shape) == len(first.shape) && a.real() == first.real()
		for k := range a.shape {
			same = same && (k == axis || a.shape[k] == first.shape[k])
		}
		if !same {
			c.fail("operands %v and %v differ in more than axis %d", first.shape, a.shape, axis)
			return first
		}
		out.shape[axis] += a.shape[axis]
	}
	if !c.fits(out.shape) {
		return first
	}
	for o := range product(out.shape[:axis]) {
		for i := range c.in {
			a := c.host(i)
			n := product(a.shape[axis:])
			if a.real() {
				out.floats = append(out.floats, a.values()[o*n:(o+1)*n]...)
			} else {
				out.ints = append(out.ints, a.ints[o*n:(o+1)*n]...)
			}
		}
	}
	return out
}

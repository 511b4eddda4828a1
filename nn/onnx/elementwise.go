package onnx

import (
	"math"

	"gorgonia.org/tensor"

	"fovea/autograd"
)

func init() {
	for name, a := range map[string]arithmetic{
		"Add": {autograd.Add, func(x, y float32) float32 { return x + y }, func(x, y int64) int64 { return x + y }},
		"Sub": {autograd.Sub, func(x, y float32) float32 { return x - y }, func(x, y int64) int64 { return x - y }},
		"Mul": {autograd.Mul, func(x, y float32) float32 { return x * y }, func(x, y int64) int64 { return x * y }},
		"Div": {autograd.Div, func(x, y float32) float32 { return x / y }, divide},
	} {
		register(name, operator{attributes: "axis broadcast consumed_inputs", tape: a.tape, host: a.host})
	}
	register("Sum", operator{attributes: "consumed_inputs", tape: sum})
	register("Neg", operator{attributes: "consumed_inputs",
		tape: func(c *call) *autograd.Value { return autograd.Scale(c.onTape(0), -1, 0) },
		host: func(c *call) *array {
			return eachElement(c, func(v float32) float32 { return -v }, func(v int64) int64 { return -v })
		}})
	register("Floor", operator{host: func(c *call) *array {
		return eachElement(c, func(v float32) float32 { return float32(math.Floor(float64(v))) }, func(v int64) int64 { return v })
	}})
	register("Identity", operator{
		tape: func(c *call) *autograd.Value { return c.onTape(0) },
		host: func(c *call) *array { return c.host(0) }})
	register("ReduceMean", operator{attributes: "axes keepdims noop_with_empty_axes", tape: reduceMean})
}

// divide is the quotient without its remainder; the caller has refused 0.
func divide(x, y int64) int64 { return x / y }

// arithmetic is an operator of two operands.
type arithmetic struct {
	values func(a, b *autograd.Value) *autograd.Value
	reals  func(x, y float32) float32
	ints   func(x, y int64) int64
}

func (o arithmetic) tape(c *call) *autograd.Value {
	a, b := c.value(0), c.value(1)
	if c.err != nil {
		return nil
	}
	if c.opset < 7 {
		b = c.placed(a, b)
	}
	rank := max(len(a.Shape()), len(b.Shape()))
	return o.values(c.widen(c.lift(a), rank), c.widen(b, rank))
}

// placed puts the axes of b where versions before 7 want them: from the attribute axis on, or at the end.
func (c *call) placed(a, b *autograd.Value) *autograd.Value {
	rank, own := len(a.Shape()), len(b.Shape())
	if !c.has("axis") || own >= rank {
		return b
	}
	axis := c.axis(c.int("axis", 0), rank)
	if axis+own > rank {
		c.fail("axis %d for operands %v and %v", axis, a.Shape(), b.Shape())
		return b
	}
	shape := make(tensor.Shape, rank-axis)
	for i := range shape {
		if shape[i] = 1; i < own {
			shape[i] = b.Shape()[i]
		}
	}
	return c.reshape(c.lift(b), shape)
}

// widen puts dimensions of 1 before a value's own, up to a rank.
func (c *call) widen(v *autograd.Value, rank int) *autograd.Value {
	shape := v.Shape()
	if len(shape) >= rank {
		return v
	}
	wide := make(tensor.Shape, rank)
	for i := range wide {
		wide[i] = 1
	}
	copy(wide[rank-len(shape):], shape)
	return c.reshape(c.lift(v), wide)
}

func (o arithmetic) host(c *call) *array {
	a, b := c.host(0), c.host(1)
	rank := max(len(a.shape), len(b.shape))
	shape := make([]int, rank)
	for i := range shape {
		m, n := dimension(a.shape, i-rank), dimension(b.shape, i-rank)
		if m != n && m != 1 && n != 1 {
			c.fail("operands %v and %v differ", a.shape, b.shape)
			return a
		}
		if shape[i] = m; m == 1 {
			shape[i] = n
		}
	}
	if a.real() != b.real() {
		c.fail("operands hold integers and real numbers")
	}
	if c.err != nil || !c.fits(shape) {
		return a
	}
	out := &array{shape: shape}
	if a.real() {
		x, y := a.values(), b.values()
		out.floats = make([]float32, product(shape))
		for i := range out.floats {
			out.floats[i] = o.reals(x[stretched(i, shape, a.shape)], y[stretched(i, shape, b.shape)])
		}
		return out
	}
	out.ints = make([]int64, product(shape))
	for i := range out.ints {
		y := b.ints[stretched(i, shape, b.shape)]
		if c.op == "Div" && y == 0 {
			c.fail("division of an integer by 0")
			return a
		}
		out.ints[i] = o.ints(a.ints[stretched(i, shape, a.shape)], y)
	}
	return out
}

// dimension is that of a shape, counted from the end; 1 before its beginning.
func dimension(shape []int, fromEnd int) int {
	if i := len(shape) + fromEnd; i >= 0 {
		return shape[i]
	}
	return 1
}

// stretched is where element i of shape reads in an operand of shape own.
func stretched(i int, shape, own []int) int {
	at, step := 0, 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		p := i % shape[axis]
		i /= shape[axis]
		if k := len(own) - len(shape) + axis; k >= 0 {
			if own[k] != 1 {
				at += p * step
			}
			step *= own[k]
		}
	}
	return at
}

// fits refuses arrays that would fill the host's memory.
func (c *call) fits(shape []int) bool {
	if _, err := checkShape(wide(shape), maxHost); err != nil {
		c.fail("%w", err)
		return false
	}
	return c.afford(product(shape))
}

func eachElement(c *call, real func(float32) float32, whole func(int64) int64) *array {
	a := c.host(0)
	out := &array{shape: a.shape}
	if !a.real() {
		out.ints = make([]int64, len(a.ints))
		for i, v := range a.ints {
			out.ints[i] = whole(v)
		}
		return out
	}
	out.floats = make([]float32, 0, a.size())
	for _, v := range a.values() {
		out.floats = append(out.floats, real(v))
	}
	return out
}

func sum(c *call) *autograd.Value {
	if len(c.in) == 0 {
		c.fail("no operands")
		return nil
	}
	y := c.onTape(0)
	for i := 1; i < len(c.in); i++ {
		x := c.value(i)
		if c.err != nil {
			return nil
		}
		rank := max(len(x.Shape()), len(y.Shape()))
		y = autograd.Add(c.widen(y, rank), c.widen(x, rank))
	}
	return y
}

func reduceMean(c *call) *autograd.Value {
	x := c.onTape(0)
	if c.err != nil {
		return nil
	}
	axes := c.axes(1, len(x.Shape()))
	if c.err != nil || len(axes) == 0 && c.int("noop_with_empty_axes", 0) != 0 {
		return x
	}
	return autograd.Mean(x, c.int("keepdims", 1) != 0, axes...)
}

package onnx

import (
	"errors"
	"fmt"
	"math"

	"fovea/autograd"
	"fovea/nn/onnx/internal/onnxpb"
)

func init() {
	register("Constant", operator{attributes: "value value_float value_floats value_int value_ints", host: func(c *call) *array {
		c.fail("%w", errNotConstant) // compile has taken it
		return c.host(0)
	}})
	register("ConstantOfShape", operator{attributes: "value", host: constantOfShape})
	register("Shape", operator{attributes: "end start", host: shape})
	register("Size", operator{host: func(c *call) *array {
		return &array{ints: []int64{int64(product(c.shapeOf(0)))}}
	}})
	register("Cast", operator{attributes: "saturate to", tape: cast, host: castOnHost})
}

// constant is what a Constant holds: real numbers with dimensions as a weight that is not trained.
func constant(n *node, from *folder) (operand, error) {
	switch {
	case n.has("value"):
		t := n.attributes["value"].T
		if t == nil {
			return operand{}, errors.New("value holds no tensor")
		}
		s, err := from.check(t)
		if err != nil {
			return operand{}, err
		}
		if isReal(s.dtype) {
			return operand{weight: &weight{name: n.out[0], shape: s.shape, stored: s}}, nil
		}
		a, err := s.read()
		return operand{array: a}, err
	case n.has("value_float"):
		return operand{weight: &weight{name: n.out[0], array: &array{floats: []float32{float32(n.float("value_float", 0))}}}}, nil
	case n.has("value_floats"):
		list := n.attributes["value_floats"].Floats
		shape := []int{len(list)}
		return operand{weight: &weight{name: n.out[0], shape: shape, array: &array{shape: shape, floats: list}}}, nil
	case n.has("value_int"):
		return operand{array: &array{ints: []int64{int64(n.int("value_int", 0))}}}, nil
	case n.has("value_ints"):
		list := n.attributes["value_ints"].Ints
		return operand{array: &array{shape: []int{len(list)}, ints: append([]int64{}, list...)}}, nil
	}
	return operand{}, errors.New("a constant without a value")
}

func constantOfShape(c *call) *array {
	dims := c.integers(0)
	shape, err := checkShape(wide(dims), maxInvented)
	if err != nil {
		c.fail("%w", err)
		return nil
	}
	if c.err != nil {
		return nil
	}
	zero := float32(0)
	out := &array{shape: shape, fill: &zero}
	if !c.has("value") {
		return out
	}
	t := c.attributes["value"].T
	if t == nil {
		c.fail("value holds no tensor")
		return nil
	}
	s, err := (*folder)(nil).check(t)
	if err == nil && product(s.shape) != 1 {
		err = fmt.Errorf("value has %d elements, expected 1", product(s.shape))
	}
	var value *array
	if err == nil {
		value, err = s.read()
	}
	if err != nil {
		c.fail("%w", err)
		return nil
	}
	if value.real() {
		out.fill = &value.floats[0]
		return out
	}
	if !c.afford(product(shape)) {
		return nil
	}
	ints := make([]int64, product(shape))
	for i := range ints {
		ints[i] = value.ints[0]
	}
	return &array{shape: shape, ints: ints}
}

// shapeOf is the shape of operand i, wherever it is.
func (c *call) shapeOf(i int) []int {
	if !c.given(i) {
		c.fail("operand %d is missing", i)
		return nil
	}
	switch o := c.in[i]; {
	case o.value != nil:
		return o.value.Shape()
	case o.weight != nil:
		return o.weight.shape
	default:
		return o.array.shape
	}
}

func shape(c *call) *array {
	dims := c.shapeOf(0)
	n := len(dims)
	bound := func(v int) int {
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n)
	}
	start, end := bound(c.int("start", 0)), bound(c.int("end", n))
	dims = dims[start:max(start, end)]
	return &array{shape: []int{len(dims)}, ints: wide(dims)}
}

// cast keeps real numbers as they are: devices have one kind of them.
func cast(c *call) *autograd.Value {
	if to := onnxpb.TensorProto_DataType(c.int("to", 0)); to != onnxpb.TensorProto_FLOAT {
		c.fail("to %v, expected FLOAT", to)
		return nil
	}
	return c.onTape(0)
}

func castOnHost(c *call) *array {
	a, to := c.host(0), onnxpb.TensorProto_DataType(c.int("to", 0))
	out := &array{shape: a.shape}
	switch {
	case to == onnxpb.TensorProto_FLOAT || to == onnxpb.TensorProto_DOUBLE:
		if a.real() {
			return a
		}
		out.floats = make([]float32, len(a.ints))
		for i, v := range a.ints {
			out.floats[i] = float32(v)
		}
	case to == onnxpb.TensorProto_BOOL:
		out.ints = make([]int64, a.size())
		for i, v := range a.values() {
			if v != 0 {
				out.ints[i] = 1
			}
		}
		for i, v := range a.ints {
			out.ints[i] = min(max(v, -v), 1)
		}
	case to == onnxpb.TensorProto_INT64 || to == onnxpb.TensorProto_INT32:
		if !a.real() {
			return a
		}
		out.ints = make([]int64, a.size())
		for i, v := range a.values() {
			if !(math.Abs(float64(v)) < 1<<62) {
				c.fail("%v as an integer", v)
				return a
			}
			out.ints[i] = int64(v)
		}
	default:
		c.fail("to %v is not read", to)
	}
	return out
}

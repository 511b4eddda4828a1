package onnx

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
)

func init() {
	register("Gemm", operator{attributes: "alpha beta broadcast transA transB", tape: gemm})
	register("MatMul", operator{tape: matMul})
}

// gemm is alpha*A*B + beta*C; what fully connected layers are written as, A times the transpose of B plus a vector, is one
// operation of the device.
func gemm(c *call) *autograd.Value {
	if a, b, bias, is := fullyConnected(c); is {
		return autograd.Linear(a, b, bias)
	}
	a, b := c.value(0), c.value(1)
	if c.err != nil || len(a.Shape()) != 2 || len(b.Shape()) != 2 {
		c.fail("operands %v and %v, expected two matrices", a.Shape(), b.Shape())
		return nil
	}
	alpha, beta := c.float("alpha", 1), c.float("beta", 1)
	if c.int("transA", 0) != 0 {
		a = c.transpose(c.onTape(0), []int{1, 0})
	}
	if c.int("transB", 0) != 0 {
		a = autograd.Linear(c.lift(a), b, nil)
	} else {
		a = autograd.MatMul(c.lift(a), b)
	}
	if alpha != 1 {
		a = autograd.Scale(a, alpha, 0)
	}
	if !c.given(2) {
		return a
	}
	added := c.onTape(2)
	if beta != 1 {
		added = autograd.Scale(added, beta, 0)
	}
	return autograd.Add(a, c.widen(added, len(a.Shape())))
}

// fullyConnected reads a Gemm that is a fully connected layer, if it is one.
func fullyConnected(c *call) (a, b, bias *autograd.Value, is bool) {
	if c.float("alpha", 1) != 1 || c.float("beta", 1) != 1 || c.int("transA", 0) != 0 || c.int("transB", 0) == 0 || !c.given(2) {
		return nil, nil, nil, false
	}
	a, b, bias = c.onTape(0), c.value(1), c.value(2)
	if c.err != nil || len(a.Shape()) != 2 || len(b.Shape()) != 2 {
		return nil, nil, nil, false
	}
	return a, b, bias, len(bias.Shape()) == 1 && bias.Shape()[0] == b.Shape()[0]
}

// lift makes sure that a value is the tape's.
func (c *call) lift(v *autograd.Value) *autograd.Value {
	if v != nil && v.Tape() == nil {
		return c.tape.Use(v)
	}
	return v
}

// matMul multiplies as numpy does: vectors become matrices of one row or column, and dimensions before the last two are a
// batch of products.
func matMul(c *call) *autograd.Value {
	a, b := c.onTape(0), c.onTape(1)
	if c.err != nil {
		return nil
	}
	left, right := a.Shape(), b.Shape()
	if len(left) == 0 || len(right) == 0 {
		c.fail("operands %v and %v, expected no single numbers", left, right)
		return nil
	}
	row, column := len(left) == 1, len(right) == 1
	if row {
		a = autograd.Reshape(a, 1, left[0])
	}
	if column {
		b = autograd.Reshape(b, right[0], 1)
	}
	y := c.products(a, b)
	shape := y.Shape().Clone()
	if column && len(shape) > 0 {
		shape = shape[:len(shape)-1]
	}
	if row && len(shape) > 0 {
		at := len(y.Shape()) - 2
		shape = append(shape[:at:at], shape[at+1:]...)
	}
	return c.reshape(y, shape)
}

// maxProducts bounds a batch of products: each is one launch.
const maxProducts = 4096

func (c *call) products(a, b *autograd.Value) *autograd.Value {
	left, right := a.Shape(), b.Shape()
	m, k := left[len(left)-2], left[len(left)-1]
	if len(right) == 2 { // one matrix for all rows
		if len(left) == 2 {
			return autograd.MatMul(a, b)
		}
		y := autograd.MatMul(autograd.Reshape(a, product(left[:len(left)-1]), k), b)
		return c.reshape(y, append(left[:len(left)-1:len(left)-1], right[1]))
	}
	rank := max(len(left), len(right))
	a, b = c.widen(a, rank), c.widen(b, rank)
	left, right = a.Shape(), b.Shape()
	outer := make(tensor.Shape, rank-2)
	for i := range outer {
		switch {
		case left[i] == right[i] || right[i] == 1:
			outer[i] = left[i]
		case left[i] == 1:
			outer[i] = right[i]
		default:
			c.fail("operands %v and %v differ in axis %d", left, right, i)
			return nil
		}
	}
	count := product(outer)
	if count > maxProducts || count == 0 {
		c.fail("%d products, expected 1 to %d", count, maxProducts)
		return nil
	}
	parts := make([]*autograd.Value, count)
	at := make([]int, rank-2)
	for i := range parts {
		rest := i
		for axis := len(outer) - 1; axis >= 0; axis-- {
			at[axis], rest = rest%outer[axis], rest/outer[axis]
		}
		parts[i] = autograd.MatMul(matrix(a, at), matrix(b, at))
	}
	y := parts[0]
	if count > 1 {
		y = autograd.Concat(0, parts...)
	}
	return c.reshape(y, append(outer, m, right[rank-1]))
}

// matrix is one of a batch of matrices; a dimension of 1 stands for all.
func matrix(v *autograd.Value, at []int) *autograd.Value {
	shape := v.Shape()
	if len(shape) < 2 {
		return v
	}
	start, end := make([]int, len(shape)), shape.Clone()
	for i, p := range at {
		if start[i] = p; shape[i] == 1 {
			start[i] = 0
		}
		end[i] = start[i] + 1
	}
	n := len(shape)
	return autograd.Reshape(autograd.Slice(v, start, end), shape[n-2], shape[n-1])
}

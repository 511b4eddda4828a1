package main

import (
	"fmt"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/nn"
	"fovea/nn/zoo"
)

// find is zoo.Find with products of matrices.
func (s *settings) find(name string) (zoo.Model, error) {
	n, is := productSize(name)
	switch {
	case !is:
		return zoo.Find(name)
	case n < 1 || n > mostMatrix:
		return zoo.Model{}, fmt.Errorf("%s: expected a size of 1 to %d", name, mostMatrix)
	case s.training || s.batch != 0:
		return zoo.Model{}, fmt.Errorf("%s: expected --work infer, and no --batch: its batch is its size", name)
	}
	return zoo.Model{Name: name, Sample: tensor.Shape{n}, Classes: n, New: func(n int) nn.Layer { return &product{n: n} }}, nil
}

// productSize is N of sgemmN.
func productSize(name string) (n int, is bool) {
	digits, is := strings.CutPrefix(name, "sgemm")
	if !is {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// product is x w, for x [N, n] and w [n, n].
type product struct {
	n      int
	weight *autograd.Value
}

// Build implements nn.Layer.
func (l *product) Build(b *nn.Builder, in tensor.Shape) (out tensor.Shape, err error) {
	l.weight, err = b.Parameter("weight", tensor.Shape{l.n, l.n}, nn.HeNormal(l.n))
	return in, err
}

// Forward implements nn.Layer.
func (l *product) Forward(x *autograd.Value) *autograd.Value { return autograd.MatMul(x, l.weight) }

func (l *product) String() string { return "product" }

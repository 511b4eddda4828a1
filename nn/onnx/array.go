package onnx

import (
	"fmt"
	"math"
	"slices"

	"fovea/nn/onnx/internal/onnxpb"
)

const (
	// maxElements bounds a tensor of the file, whose bytes must be there too.
	maxElements = math.MaxInt32
	// maxInvented bounds all weights that a few bytes of the file ask for, as ConstantOfShape does.
	maxInvented = 64 << 20
	// maxHost bounds all elements that one computation makes in the host's memory: they say shapes.
	maxHost = 4 << 20
	// maxValue bounds what a node makes of one sample.
	maxValue = 256 << 20
	maxRank  = 16
)

// array is a tensor in the host's memory: real numbers, or whole ones (booleans are 0 and 1).
type array struct {
	shape  []int
	floats []float32
	ints   []int64
	fill   *float32 // every element, instead of floats
}

func (a *array) real() bool { return a.ints == nil }

func (a *array) size() int { return product(a.shape) }

// values are the real numbers, written out.
func (a *array) values() []float32 {
	if a.fill == nil {
		return a.floats
	}
	return slices.Repeat([]float32{*a.fill}, a.size())
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// checkShape refuses dimensions below 0, too many of them, and sizes above most.
func checkShape(dims []int64, most int) ([]int, error) {
	if len(dims) > maxRank {
		return nil, fmt.Errorf("%d dimensions, expected at most %d", len(dims), maxRank)
	}
	shape, n, empty := make([]int, len(dims)), int64(1), false
	for i, d := range dims {
		switch {
		case d < 0:
			return nil, fmt.Errorf("shape %v, expected none below 0", dims)
		case d > int64(most)/n:
			return nil, fmt.Errorf("shape %v, expected at most %d elements", dims, most)
		}
		empty = empty || d == 0
		n *= max(d, 1)
		shape[i] = int(d)
	}
	return shape, nil
}

// width is the number of bytes of an element in raw data; 0 for types that are not read.
func width(t onnxpb.TensorProto_DataType) int {
	switch t {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_INT32, onnxpb.TensorProto_UINT32:
		return 4
	case onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_INT64, onnxpb.TensorProto_UINT64:
		return 8
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_INT16, onnxpb.TensorProto_UINT16:
		return 2
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT8, onnxpb.TensorProto_BOOL:
		return 1
	}
	return 0
}

func isReal(t onnxpb.TensorProto_DataType) bool {
	switch t {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16:
		return true
	}
	return false
}

package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fovea/nn/onnx/internal/onnxpb"
	"fovea/nn/weights"
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

// stored is a tensor of the file, checked and not yet decoded.
type stored struct {
	proto *onnxpb.TensorProto
	dtype onnxpb.TensorProto_DataType
	shape []int
	at    *external // nil: the data is in proto
}

// check looks at a tensor without decoding it.
func (f *folder) check(p *onnxpb.TensorProto) (*stored, error) {
	s := &stored{proto: p, dtype: onnxpb.TensorProto_DataType(p.GetDataType())}
	if width(s.dtype) == 0 {
		return nil, fmt.Errorf("element type %v is not read", s.dtype)
	}
	if p.Segment != nil {
		return nil, fmt.Errorf("tensors in segments are not read")
	}
	var err error
	if s.shape, err = checkShape(p.Dims, maxElements); err != nil {
		return nil, err
	}
	if p.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
		s.at, err = f.locate(p, int64(product(s.shape))*int64(width(s.dtype)))
		return s, err
	}
	size := product(s.shape)
	if p.RawData != nil {
		if len(p.RawData) != size*width(s.dtype) {
			return nil, fmt.Errorf("%d bytes of data, expected %d for %v of shape %v", len(p.RawData), size*width(s.dtype), s.dtype, s.shape)
		}
		return s, nil
	}
	if n := s.listed(); n != size {
		return nil, fmt.Errorf("%d numbers, expected %d for shape %v", n, size, s.shape)
	}
	return s, nil
}

// listed is how many numbers the field of the tensor's type has.
func (s *stored) listed() int {
	switch s.dtype {
	case onnxpb.TensorProto_FLOAT:
		return len(s.proto.FloatData)
	case onnxpb.TensorProto_DOUBLE:
		return len(s.proto.DoubleData)
	case onnxpb.TensorProto_INT64:
		return len(s.proto.Int64Data)
	case onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		return len(s.proto.Uint64Data)
	}
	return len(s.proto.Int32Data)
}

// read decodes a tensor.
func (s *stored) read() (*array, error) {
	raw := s.proto.RawData
	if s.at != nil {
		var err error
		if raw, err = s.at.read(); err != nil {
			return nil, err
		}
	}
	a := &array{shape: s.shape}
	n := product(s.shape)
	if raw == nil {
		return a, s.readLists(a, n)
	}
	step := width(s.dtype)
	if isReal(s.dtype) {
		a.floats = make([]float32, n)
		for i := range a.floats {
			a.floats[i] = realNumber(s.dtype, raw[i*step:])
		}
		return a, nil
	}
	a.ints = make([]int64, n)
	for i := range a.ints {
		a.ints[i] = wholeNumber(s.dtype, raw[i*step:])
	}
	return a, nil
}

func (s *stored) readLists(a *array, n int) error {
	switch p := s.proto; s.dtype {
	case onnxpb.TensorProto_FLOAT:
		a.floats = slices.Grow([]float32{}, n)[:n]
		copy(a.floats, p.FloatData)
	case onnxpb.TensorProto_DOUBLE:
		a.floats = make([]float32, n)
		for i, v := range p.DoubleData {
			a.floats[i] = float32(v)
		}
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16:
		a.floats = make([]float32, n)
		for i, v := range p.Int32Data {
			a.floats[i] = realNumber(s.dtype, []byte{byte(v), byte(v >> 8)})
		}
	case onnxpb.TensorProto_INT64:
		a.ints = make([]int64, n)
		copy(a.ints, p.Int64Data)
	case onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		a.ints = make([]int64, n)
		for i, v := range p.Uint64Data {
			a.ints[i] = int64(v)
		}
	default:
		a.ints = make([]int64, n)
		for i, v := range p.Int32Data {
			a.ints[i] = int64(v)
		}
	}
	return nil
}

func realNumber(t onnxpb.TensorProto_DataType, b []byte) float32 {
	switch t {
	case onnxpb.TensorProto_DOUBLE:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case onnxpb.TensorProto_FLOAT16:
		return weights.Half(binary.LittleEndian.Uint16(b))
	case onnxpb.TensorProto_BFLOAT16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

func wholeNumber(t onnxpb.TensorProto_DataType, b []byte) int64 {
	switch t {
	case onnxpb.TensorProto_INT64, onnxpb.TensorProto_UINT64:
		return int64(binary.LittleEndian.Uint64(b))
	case onnxpb.TensorProto_INT32:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case onnxpb.TensorProto_UINT32:
		return int64(binary.LittleEndian.Uint32(b))
	case onnxpb.TensorProto_INT16:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case onnxpb.TensorProto_UINT16:
		return int64(binary.LittleEndian.Uint16(b))
	case onnxpb.TensorProto_INT8:
		return int64(int8(b[0]))
	}
	return int64(b[0])
}

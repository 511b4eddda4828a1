package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"fovea/nn/onnx/internal/onnxpb"
	"fovea/nn/weights"
)

// stored is a tensor of the file, checked and not yet decoded.
type stored struct {
	proto *onnxpb.TensorProto
	dtype onnxpb.TensorProto_DataType
	shape []int
	at    *place // nil: the data is in proto
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
	bytes := int64(len(p.RawData))
	if s.at = f.apart(p); s.at != nil {
		bytes = s.at.size
	}
	if s.at != nil || p.RawData != nil {
		if bytes != int64(size)*int64(width(s.dtype)) {
			return nil, fmt.Errorf("%d bytes of data, expected %d for %v of shape %v", bytes, size*width(s.dtype), s.dtype, s.shape)
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
	a := &array{shape: s.shape}
	n := product(s.shape)
	if isReal(s.dtype) {
		a.floats = make([]float32, n)
		return a, s.floats(a.floats)
	}
	a.ints = make([]int64, n)
	if s.at == nil && s.proto.RawData == nil {
		s.listedInts(a.ints)
		return a, nil
	}
	step := width(s.dtype)
	return a, s.pieces(func(at int, raw []byte) {
		for i := range len(raw) / step {
			a.ints[at+i] = wholeNumber(s.dtype, raw[i*step:])
		}
	})
}

// floats decodes a tensor of real numbers.
func (s *stored) floats(to []float32) error {
	if s.at == nil && s.proto.RawData == nil {
		s.listedFloats(to)
		return nil
	}
	step := width(s.dtype)
	return s.pieces(func(at int, raw []byte) {
		part := to[at : at+len(raw)/step]
		if s.dtype == onnxpb.TensorProto_FLOAT { // nearly always
			for i := range part {
				part[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
			return
		}
		for i := range part {
			part[i] = realNumber(s.dtype, raw[i*step:])
		}
	})
}

// piece is how many bytes of a tensor are in memory at once; a multiple of every element's width.
const piece = 64 << 10

// pieces hands out raw data from its element at on.
func (s *stored) pieces(take func(at int, raw []byte)) error {
	if s.at == nil {
		take(0, s.proto.RawData)
		return nil
	}
	file, err := s.at.open()
	if err != nil {
		return err
	}
	defer file.Close()
	buffer, step := make([]byte, min(piece, s.at.size)), int64(width(s.dtype))
	for done := int64(0); done < s.at.size; done += piece {
		raw := buffer[:min(piece, s.at.size-done)]
		if _, err := file.ReadAt(raw, s.at.offset+done); err != nil {
			return s.at.fail(err)
		}
		take(int(done/step), raw)
	}
	return nil
}

func (s *stored) listedFloats(to []float32) {
	switch p := s.proto; s.dtype {
	case onnxpb.TensorProto_FLOAT:
		copy(to, p.FloatData)
	case onnxpb.TensorProto_DOUBLE:
		for i, v := range p.DoubleData {
			to[i] = float32(v)
		}
	default: // of 16 bits
		for i, v := range p.Int32Data {
			to[i] = realNumber(s.dtype, []byte{byte(v), byte(v >> 8)})
		}
	}
}

func (s *stored) listedInts(to []int64) {
	switch p := s.proto; s.dtype {
	case onnxpb.TensorProto_INT64:
		copy(to, p.Int64Data)
	case onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		for i, v := range p.Uint64Data {
			to[i] = int64(v)
		}
	default:
		for i, v := range p.Int32Data {
			to[i] = int64(v)
		}
	}
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

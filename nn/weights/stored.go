package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn"
)

// Stored is a tensor whose numbers are elsewhere until they are wanted: on a device, in the host's memory, in a file.
type Stored struct {
	Name  string
	Shape tensor.Shape
	DType tensor.Dtype        // tensor.Float32 or tensor.Float64: what a file of it holds
	Read  func() (any, error) // its elements, row-major: []float32 or []float64
}

// Live are the tensors of a device, which are downloaded when they are read.
func Live(state []nn.Tensor) []Stored {
	all := make([]Stored, len(state))
	for i, s := range state {
		t := s.Tensor
		all[i] = Stored{Name: s.Name, Shape: t.Shape, DType: t.DType, Read: func() (any, error) {
			if t.DType == tensor.Float64 {
				return t.Floats()
			}
			values := make([]float32, t.Size())
			return values, t.Device.Download(values, t)
		}}
	}
	return all
}

// Stored are the file's tensors, which are read from it until it is closed.
func (f *File) Stored() []Stored {
	all := make([]Stored, len(f.Tensors))
	for i, info := range f.Tensors {
		shape := make(tensor.Shape, len(info.Shape))
		for axis, d := range info.Shape {
			shape[axis] = int(d)
		}
		dtype := tensor.Float32
		if info.DType == safetensors.F64.String() {
			dtype = tensor.Float64
		}
		all[i] = Stored{Name: info.Name, Shape: shape, DType: dtype, Read: func() (any, error) { return f.values(info.Name) }}
	}
	return all
}

// Write writes tensors as a safetensors file, of which one at a time is in memory. The same tensors make the same bytes. The card,
// which may be nil, says what they are the weights of.
func Write(w io.Writer, tensors []Stored, card *Card) error {
	metadata, err := card.encode()
	if err != nil {
		return err
	}
	var failed error // of the first tensor that could not be read
	views := make(map[string]lazy, len(tensors))
	for _, t := range tensors {
		if _, twice := views[t.Name]; twice {
			return fmt.Errorf("tensor %s is there twice", t.Name)
		}
		views[t.Name] = lazy{t, &failed}
	}
	if err := safetensors.SerializeToWriter(views, metadata, stopping{w, &failed}); failed == nil {
		return err
	}
	return failed
}

// stopping writes nothing after a failure elsewhere.
type stopping struct {
	io.Writer
	failed *error
}

func (s stopping) Write(p []byte) (int, error) {
	if *s.failed != nil {
		return 0, *s.failed
	}
	return s.Writer.Write(p)
}

// lazy is a tensor as the library wants it: Data is called when it is about to be written.
type lazy struct {
	Stored
	failed *error
}

func (l lazy) DType() safetensors.DType {
	if l.Stored.DType == tensor.Float64 {
		return safetensors.F64
	}
	return safetensors.F32
}

func (l lazy) Shape() []uint64 { return unsigned(l.Stored.Shape) }
func (l lazy) DataLen() uint64 { return l.DType().Size() * uint64(device.Size(l.Stored.Shape)) }

func (l lazy) Data() []byte {
	values, err := l.Read()
	if err == nil {
		var content []byte
		if content, err = encode(values, l.DType()); uint64(len(content)) == l.DataLen() && err == nil {
			return content
		}
		if err == nil {
			err = fmt.Errorf("%d bytes of %s, expected %d for shape %v", len(content), l.DType(), l.DataLen(), l.Stored.Shape)
		}
	}
	*l.failed = fmt.Errorf("tensor %s: %w", l.Name, err)
	return nil
}

// encode makes little-endian bytes of values.
func encode(values any, dtype safetensors.DType) ([]byte, error) {
	switch v := values.(type) {
	case []float32:
		return encodeAs(v, dtype), nil
	case []float64:
		return encodeAs(v, dtype), nil
	}
	return nil, fmt.Errorf("elements are %T, expected []float32 or []float64", values)
}

func encodeAs[T float32 | float64](values []T, dtype safetensors.DType) []byte {
	content := make([]byte, 0, dtype.Size()*uint64(len(values)))
	for _, x := range values {
		if dtype == safetensors.F64 {
			content = binary.LittleEndian.AppendUint64(content, math.Float64bits(float64(x)))
		} else {
			content = binary.LittleEndian.AppendUint32(content, math.Float32bits(float32(x)))
		}
	}
	return content
}

func unsigned[T int | int64](shape []T) []uint64 {
	dims := make([]uint64, len(shape))
	for i, d := range shape {
		dims[i] = uint64(d)
	}
	return dims
}

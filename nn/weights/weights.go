package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"fovea/data/atomic"
	"fovea/device"
	"fovea/nn"
)

// Save writes tensors to path as float32 (float64 on the reference device), replacing the file in one step or leaving it
// as it was. The same tensors make the same bytes. The card, which may be nil, says what they are the weights of.
func Save(path string, state []nn.Tensor, card *Card) error {
	if err := save(path, state, card); err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
}

func save(path string, state []nn.Tensor, card *Card) error {
	metadata, err := card.encode()
	if err != nil {
		return err
	}
	views := make(map[string]view, len(state))
	for _, s := range state {
		if _, twice := views[s.Name]; twice {
			return fmt.Errorf("tensor %s is there twice", s.Name)
		}
		if views[s.Name], err = download(s.Tensor); err != nil {
			return fmt.Errorf("tensor %s: %w", s.Name, err)
		}
	}
	return atomic.WriteFile(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, metadata, w)
	})
}

// view is a tensor's bytes as the library wants them.
type view struct {
	dtype safetensors.DType
	shape []uint64
	data  []byte
}

func (v view) DType() safetensors.DType { return v.dtype }
func (v view) Shape() []uint64          { return v.shape }
func (v view) Data() []byte             { return v.data }
func (v view) DataLen() uint64          { return uint64(len(v.data)) }

func download(t *device.Tensor) (view, error) {
	v := view{dtype: safetensors.F32, shape: make([]uint64, len(t.Shape))}
	for i, d := range t.Shape {
		v.shape[i] = uint64(d)
	}
	if t.DType == tensor.Float64 {
		values, err := t.Floats()
		if err != nil {
			return v, err
		}
		v.dtype, v.data = safetensors.F64, make([]byte, 0, 8*len(values))
		for _, x := range values {
			v.data = binary.LittleEndian.AppendUint64(v.data, math.Float64bits(x))
		}
		return v, nil
	}
	values := make([]float32, t.Size())
	if err := t.Device.Download(values, t); err != nil {
		return v, err
	}
	v.data = make([]byte, 0, 4*len(values))
	for _, x := range values {
		v.data = binary.LittleEndian.AppendUint32(v.data, math.Float32bits(x))
	}
	return v, nil
}

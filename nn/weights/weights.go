package weights

import (
	"fmt"
	"io"

	"github.com/nlpodyssey/safetensors"

	"fovea/data/atomic"
	"fovea/nn"
)

// Save writes tensors to path as float32 (float64 on the reference device), replacing the file in one step or leaving it
// as it was. The same tensors make the same bytes. The card, which may be nil, says what they are the weights of.
func Save(path string, state []nn.Tensor, card *Card) error {
	err := atomic.WriteFile(path, func(w io.Writer) error { return Write(w, Live(state), card) })
	if err != nil {
		return fmt.Errorf("weights %s: %w", path, err)
	}
	return nil
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

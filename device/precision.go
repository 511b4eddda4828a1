package device

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

// Precision is how exactly a device works with real numbers.
type Precision int

// The precisions. Whatever is chosen, parameters and their gradients, the optimisers' state, statistics and losses are
// float32, and sums are added up in float32.
const (
	// FP32 is float32 throughout.
	FP32 Precision = iota
	// TF32 rounds the factors of convolutions and matrix products to 10 bits of mantissa (TensorFloat-32).
	TF32
	// BF16 rounds them to bfloat16 (7 bits of mantissa, float32's exponents), and stores activations and their gradients so.
	BF16
)

var precisions = [...]string{"fp32", "tf32", "bf16"}

func (p Precision) String() string { return precisions[p] }

// MarshalText implements encoding.TextMarshaler.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Precision) UnmarshalText(text []byte) error {
	at := slices.Index(precisions[:], string(text))
	if at < 0 {
		return fmt.Errorf("expected %s", strings.Join(precisions[:], ", "))
	}
	*p = Precision(at)
	return nil
}

// Compact is a device's offer to store what a step computes (the results of operations and their gradients) otherwise than
// Memory.New does: in fewer bits, or in the order in which its kernels like to find it. A tape asks it for those, and New for
// everything that outlives a step or is a loss. How a tensor is stored is the device's business: its DType is Float() either
// way, Upload and Download convert, and every method takes any mix, but for Optimiser, whose tensors come from New. A view is
// stored as what it shows.
type Compact interface {
	// NewActivation is New of real numbers, stored as activations are. A tensor of one element is stored as New does.
	NewActivation(shape tensor.Shape) (*Tensor, error)
}

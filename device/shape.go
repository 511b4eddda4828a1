package device

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/tensor"
)

// The shape rules wrap these two, so that callers can tell a wrong shape from a failing device.
var (
	ErrShape = errors.New("wrong shape")
	ErrDType = errors.New("wrong element type")
)

func shapeError(op, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", op, ErrShape, fmt.Sprintf(format, args...))
}

// Size is the number of elements of a shape; the empty shape () is a scalar with one.
func Size(shape tensor.Shape) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// CheckShape refuses shapes that are negative or whose size does not fit an int.
func CheckShape(shape tensor.Shape) error {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return fmt.Errorf("%w: %v has a negative dimension", ErrShape, shape)
		}
		if d > 0 && n > math.MaxInt/8/d {
			return fmt.Errorf("%w: %v has more elements than memory can address", ErrShape, shape)
		}
		n *= max(d, 1)
	}
	return nil
}

// Products is the arithmetic, in multiplications with an addition each, of applying weights w [M, C, ...] for every element
// of y: a convolution's of its output, a transposed one's of its input, a fully connected layer's.
func Products(y, w tensor.Shape) int { return Size(y) * Size(w[1:]) }

// Channels reads a shape of rank 2 or more as [outer, channels, inner]: batch, axis 1, and the rest flattened. A fully
// connected output [N, C] is one with inner 1.
func Channels(shape tensor.Shape) (outer, channels, inner int) {
	return shape[0], shape[1], Size(shape[2:])
}

// SameShape is the rule of operations that work element by element.
func SameShape(op string, a, b tensor.Shape) error {
	if !EqualShape(a, b) {
		return shapeError(op, "operands %v and %v differ", a, b)
	}
	return nil
}

// EqualShape compares dimension by dimension. (Shape.Eq also equates a scalar with [1].)
func EqualShape(a, b tensor.Shape) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// BroadcastShape is the shape of a binary operation: ranks are equal and a dimension of 1 stretches to the other's.
func BroadcastShape(op string, a, b tensor.Shape) (tensor.Shape, error) {
	if len(a) != len(b) {
		return nil, shapeError(op, "operands %v and %v have different ranks", a, b)
	}
	out := a.Clone()
	for i := range a {
		switch {
		case a[i] == b[i] || b[i] == 1:
		case a[i] == 1:
			out[i] = b[i]
		default:
			return nil, shapeError(op, "operands %v and %v differ in axis %d (%d and %d, neither is 1)", a, b, i, a[i], b[i])
		}
	}
	return out, nil
}

// ReduceShape is the shape after summing over axes: 1 there if keepDims, else without them.
func ReduceShape(op string, x tensor.Shape, axes []int, keepDims bool) (kept, out tensor.Shape, err error) {
	kept = x.Clone()
	seen := make([]bool, len(x))
	for _, a := range axes {
		if a < 0 || a >= len(x) || seen[a] {
			return nil, nil, shapeError(op, "axes %v for an input of rank %d: each must be once in 0 to %d", axes, len(x), len(x)-1)
		}
		seen[a] = true
		kept[a] = 1
	}
	if keepDims {
		return kept, kept, nil
	}
	out = tensor.Shape{}
	for i, d := range x {
		if !seen[i] {
			out = append(out, d)
		}
	}
	return kept, out, nil
}

// ReshapeShape replaces one -1 by what makes the sizes agree.
func ReshapeShape(x, to tensor.Shape) (tensor.Shape, error) {
	out := to.Clone()
	known, free := 1, -1
	for i, d := range out {
		switch {
		case d == -1 && free < 0:
			free = i
		case d < 0:
			return nil, shapeError("reshape", "%v to %v: at most one dimension may be -1, none below", x, to)
		default:
			known *= d
		}
	}
	if free >= 0 && known > 0 && Size(x)%known == 0 {
		out[free] = Size(x) / known
		known *= out[free]
	}
	if known != Size(x) || (free >= 0 && out[free] < 0) {
		return nil, shapeError("reshape", "%v has %d elements, %v does not", x, Size(x), to)
	}
	return out, nil
}

func needRank(op, what string, s tensor.Shape, rank int, names string) error {
	if len(s) != rank {
		return shapeError(op, "%s is %v, expected %d dimensions [%s]", what, s, rank, names)
	}
	return nil
}

func needVector(op, what string, s tensor.Shape, n int) error {
	if len(s) != 1 || s[0] != n {
		return shapeError(op, "%s is %v, expected [%d]", what, s, n)
	}
	return nil
}

// TransferError says how host data (a slice) and a device's tensor do not fit together.
func TransferError(op string, t *Tensor, host any) error {
	n := -1
	switch h := host.(type) {
	case []float32:
		n = len(h)
	case []float64:
		n = len(h)
	case []int32:
		n = len(h)
	}
	if n >= 0 && n != t.Size() {
		return shapeError(op, "tensor %v has %d elements, the host's slice %d", t.Shape, t.Size(), n)
	}
	return fmt.Errorf("%s: %w: tensor %v has elements of type %v, the host's is %T", op, ErrDType, t.Shape, t.DType, host)
}

// LeakError is what Close reports: nil, or how many tensors were never released.
func LeakError(m Memory) error {
	if s := m.Stats(); s.LiveTensors != 0 {
		return fmt.Errorf("device %s closed with %d tensors (%d bytes) not released", m.Name(), s.LiveTensors, s.LiveBytes)
	}
	return nil
}

package device

import "gorgonia.org/tensor"

// Pooling takes one number from each window of a feature map, every channel on its own.
// Shapes: x [N, C, H, W], y [N, C, P, Q] with [PoolSpec.Output].
type Pooling interface {
	// Pool: y[n,c,p,q] is the largest, smallest or mean element of the window of x that starts at row p*stride-top and
	// column q*stride-left. Padding is never the largest or smallest. The mean divides by the number of elements inside
	// of x, or, with CountPadding, inside of x and its padding. NaN in a window gives NaN.
	Pool(y, x *Tensor, s PoolSpec) error
	// PoolBackward sends dy to the first element of the window (row by row) that was chosen, a NaN before any number,
	// or in equal parts to the elements of a mean; windows that overlap add up.
	PoolBackward(dx, dy, x, y *Tensor, s PoolSpec) error
}

// PoolKind is what pooling takes from a window.
type PoolKind int

// The kinds of pooling.
const (
	MaxPool PoolKind = iota
	MinPool
	AveragePool
)

func (k PoolKind) String() string { return [...]string{"max_pool2d", "min_pool2d", "avg_pool2d"}[k] }

// PoolSpec is the geometry of a pooling. Stride zero means the window's own size, so that windows do not overlap.
type PoolSpec struct {
	Kind           PoolKind
	Window, Stride [2]int // vertical, horizontal
	Padding        Padding
	CeilMode       bool // a last window that starts inside of the input (or its leading padding) but ends outside still counts
	CountPadding   bool
}

// Normal fills in the default stride.
func (s PoolSpec) Normal() PoolSpec {
	for i := range 2 {
		if s.Stride[i] == 0 {
			s.Stride[i] = s.Window[i]
		}
	}
	return s
}

// Output is the shape after pooling: P = floor or ceil of (H + top + bottom - window) / stride, plus 1; in ceil mode a
// window that would start in the trailing padding or beyond is left out, as PyTorch does. s must be Normal.
func (s PoolSpec) Output(x tensor.Shape) (tensor.Shape, error) {
	op := s.Kind.String()
	if err := needRank(op, "input", x, 4, "N, C, H, W"); err != nil {
		return nil, err
	}
	out := x.Clone()
	before := [2]int{s.Padding.Top, s.Padding.Left}
	after := [2]int{s.Padding.Bottom, s.Padding.Right}
	for i := range 2 {
		switch {
		case s.Window[i] < 1:
			return nil, shapeError(op, "window %v, expected at least 1", s.Window)
		case s.Stride[i] < 1:
			return nil, shapeError(op, "stride %v, expected at least 1", s.Stride)
		case before[i] < 0 || after[i] < 0:
			return nil, shapeError(op, "padding %+v, expected at least 0", s.Padding)
		case before[i] >= s.Window[i] || after[i] >= s.Window[i]:
			return nil, shapeError(op, "padding %+v is not smaller than the window %v: some windows would hold nothing", s.Padding, s.Window)
		}
		room := x[2+i] + before[i] + after[i] - s.Window[i]
		switch {
		case x[2+i] == 0:
			return nil, shapeError(op, "input %v has empty maps: no window would hold anything", x)
		case room >= 0:
			out[2+i] = room/s.Stride[i] + 1
			if s.CeilMode && room%s.Stride[i] != 0 && out[2+i]*s.Stride[i] < x[2+i]+before[i] {
				out[2+i]++
			}
		case s.CeilMode && room > -s.Stride[i]:
			out[2+i] = 1 // ceil(room / stride) is 0: the one window hangs over
		default:
			return nil, shapeError(op, "window %v does not fit the input %v with padding %+v", s.Window, x, s.Padding)
		}
	}
	return out, nil
}

// Window is the part of one axis that output position p covers: input elements [low, high), and how many elements the
// mean divides by if padding counts (a window that hangs over in ceil mode is cut at the end of the padding).
func (s PoolSpec) WindowAt(axis, p, in int) (low, high, counted int) {
	before, after := s.Padding.Top, s.Padding.Bottom
	if axis == 1 {
		before, after = s.Padding.Left, s.Padding.Right
	}
	start := p*s.Stride[axis] - before
	end := min(start+s.Window[axis], in+after)
	return max(start, 0), min(end, in), end - start
}

// AdaptiveOutput is the shape of means over windows that cover each map of x, size[0] x size[1] of them.
func AdaptiveOutput(x tensor.Shape, size [2]int) (tensor.Shape, error) {
	const op = "adaptive_avg_pool2d"
	if err := needRank(op, "input", x, 4, "N, C, H, W"); err != nil {
		return nil, err
	}
	switch {
	case size[0] < 1 || size[1] < 1:
		return nil, shapeError(op, "size %v, expected at least 1", size)
	case x[2] < 1 || x[3] < 1:
		return nil, shapeError(op, "input %v has empty maps: no window would hold anything", x)
	}
	return tensor.Shape{x[0], x[1], size[0], size[1]}, nil
}

// AdaptiveWindow is the range [low, high) of an axis's elements that output position p of out covers: from floor(p*in/out)
// to before ceil((p+1)*in/out), as PyTorch defines it. Windows overlap, or repeat, where in is no multiple of out.
func AdaptiveWindow(p, in, out int) (low, high int) {
	return p * in / out, ((p+1)*in + out - 1) / out
}

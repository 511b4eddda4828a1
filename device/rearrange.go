package device

import (
	"fmt"

	"gorgonia.org/tensor"
)

// Rearrangement moves elements without changing them, but for up-sampling's interpolation.
type Rearrangement interface {
	// Reshape gives x's elements, in row-major order, another shape. The result is new, or shows the same memory; either
	// way it is a tensor of its own to be released, and both are read-only until one is.
	Reshape(x *Tensor, shape tensor.Shape) (*Tensor, error)
	// CopyRegion copies a box: dst[to + i] = src[from + i] for 0 <= i < extent in every axis. The rest of dst stays.
	// Slicing, padding, concatenation and their gradients are made of it.
	CopyRegion(dst *Tensor, to []int, src *Tensor, from []int, extent []int) error
	// Upsample enlarges (or reduces) each map to y's size. Nearest takes source row floor(p*H/P). Bilinear interpolates at
	// source row p*(H-1)/(P-1) with AlignCorners, else at (p+0.5)*H/P - 0.5, not below 0.
	Upsample(y, x *Tensor, s UpsampleSpec) error
	// UpsampleBackward is its transpose.
	UpsampleBackward(dx, dy *Tensor, s UpsampleSpec) error
}

// UpsampleSpec chooses the interpolation.
type UpsampleSpec struct {
	Bilinear     bool // else the nearest element
	AlignCorners bool // bilinear: the corner pixels' centres coincide
}

// Output is the shape after up-sampling to size (height, width).
func (s UpsampleSpec) Output(x tensor.Shape, size [2]int) (tensor.Shape, error) {
	if err := needRank("upsample", "input", x, 4, "N, C, H, W"); err != nil {
		return nil, err
	}
	if size[0] < 1 || size[1] < 1 || x[2] < 1 || x[3] < 1 {
		return nil, shapeError("upsample", "from %v to size %v: sizes must be at least 1", x, size)
	}
	return tensor.Shape{x[0], x[1], size[0], size[1]}, nil
}

// Source is where output position p of an axis reads: elements low and high (which may be equal), the second weighted
// by fraction.
func (s UpsampleSpec) Source(p, in, out int) (low, high int, fraction float64) {
	if !s.Bilinear {
		low = min(p*in/out, in-1)
		return low, low, 0
	}
	var at float64
	switch {
	case s.AlignCorners && out > 1:
		at = float64(p) * float64(in-1) / float64(out-1)
	case !s.AlignCorners:
		at = max(0, (float64(p)+0.5)*float64(in)/float64(out)-0.5)
	}
	low = min(int(at), in-1)
	return low, min(low+1, in-1), at - float64(low)
}

// ConcatOutput joins shapes along an axis.
func ConcatOutput(shapes []tensor.Shape, axis int) (tensor.Shape, error) {
	if len(shapes) == 0 {
		return nil, shapeError("concat", "no operands")
	}
	if axis < 0 || axis >= len(shapes[0]) {
		return nil, shapeError("concat", "axis %d for operands of rank %d", axis, len(shapes[0]))
	}
	out := shapes[0].Clone()
	for _, s := range shapes[1:] {
		same := s.Clone()
		if len(s) == len(out) {
			same[axis] = out[axis]
		}
		if !EqualShape(same, out) {
			return nil, shapeError("concat", "operands %v differ in more than axis %d", shapes, axis)
		}
		out[axis] += s[axis]
	}
	return out, nil
}

// SliceOutput is the shape of x[start:end] in every axis.
func SliceOutput(x tensor.Shape, start, end []int) (tensor.Shape, error) {
	if len(start) != len(x) || len(end) != len(x) {
		return nil, shapeError("slice", "%v from %v to %v: ranks differ", x, start, end)
	}
	out := x.Clone()
	for i := range x {
		if start[i] < 0 || end[i] < start[i] || end[i] > x[i] {
			return nil, shapeError("slice", "%v from %v to %v: axis %d must satisfy 0 <= start <= end <= %d", x, start, end, i, x[i])
		}
		out[i] = end[i] - start[i]
	}
	return out, nil
}

// PadOutput is the shape of x [N, C, H, W] with rows and columns added.
func PadOutput(x tensor.Shape, p Padding) (tensor.Shape, error) {
	if err := needRank("pad", "input", x, 4, "N, C, H, W"); err != nil {
		return nil, err
	}
	if p.Top < 0 || p.Bottom < 0 || p.Left < 0 || p.Right < 0 {
		return nil, shapeError("pad", "padding %+v, expected at least 0", p)
	}
	return tensor.Shape{x[0], x[1], x[2] + p.Top + p.Bottom, x[3] + p.Left + p.Right}, nil
}

// PadChannelsOutput is the shape of x [N, C, ...] with channels added.
func PadChannelsOutput(x tensor.Shape, before, after int) (tensor.Shape, error) {
	const op = "pad_channels"
	if len(x) < 2 {
		return nil, shapeError(op, "input is %v, expected at least two dimensions [N, C, ...]", x)
	}
	if before < 0 || after < 0 {
		return nil, shapeError(op, "%d channels before and %d after, expected at least 0", before, after)
	}
	out := x.Clone()
	out[1] += before + after
	return out, nil
}

// CheckRotate is the shape rule of Rotate180.
func CheckRotate(w tensor.Shape) error {
	if len(w) < 2 {
		return fmt.Errorf("rotate180: %w: %v has no two spatial axes", ErrShape, w)
	}
	return nil
}

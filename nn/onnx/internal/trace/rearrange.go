package trace

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn/onnx/internal/onnxpb"
)

// Reshape implements device.Rearrangement.
func (d *Device) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	y, err := d.New(shape, x.DType)
	if err != nil {
		return nil, err
	}
	if device.EqualShape(x.Shape, shape) {
		y.Release()
		return device.NewView(x, shape), nil
	}
	name, err := d.in(x)
	if err != nil {
		return nil, err
	}
	if len(x.Shape) > 1 && len(shape) == 2 && shape[0] == x.Shape[0] {
		d.set(y, d.add("Flatten", []string{name}, integer("axis", 1)))
		return y, nil
	}
	d.set(y, d.reshape(name, shape))
	return y, nil
}

func (d *Device) reshape(name string, shape []int) string {
	return d.add("Reshape", []string{name, d.vector("shape", shape...)})
}

// CopyRegion implements device.Rearrangement. The node comes when the whole is read: see assemble.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	name, err := d.in(src)
	if err != nil {
		return err
	}
	end := make([]int, len(from))
	for i := range from {
		end[i] = from[i] + extent[i]
	}
	a := handle(dst)
	a.pieces = append(a.pieces, piece{name, src.Shape, slices.Clone(from), end, slices.Clone(to)})
	return nil
}

// assemble makes nodes of the regions that a tensor was put together from: one region is a slice, with a rim around it a
// padding, several that follow one another along an axis a concatenation.
func (d *Device) assemble(t *device.Tensor) error {
	a := handle(t)
	switch {
	case len(a.pieces) == 0:
		return nil
	case len(a.pieces) == 1:
		p := a.pieces[0]
		name := d.slice(p)
		pads, rim := make([]int, 2*len(p.to)), false
		for i, at := range p.to {
			pads[i], pads[len(p.to)+i] = at, t.Shape[i]-at-(p.end[i]-p.start[i])
			rim = rim || pads[i] != 0 || pads[len(p.to)+i] != 0
		}
		if rim {
			if a.fill == nil {
				return fmt.Errorf("onnx: a tensor %v is read of which only a part was written", t.Shape)
			}
			name = d.add("Pad", []string{name, d.vector("pads", pads...), d.scalar(*a.fill)})
		}
		d.set(t, name)
		return nil
	}
	axis, err := joined(a.pieces, t.Shape)
	if err != nil {
		return err
	}
	names := make([]string, len(a.pieces))
	for i, p := range a.pieces {
		names[i] = d.slice(p)
	}
	d.set(t, d.add("Concat", names, integer("axis", axis)))
	return nil
}

// joined is the axis along which pieces, in their order, make a whole of that shape.
func joined(pieces []piece, whole tensor.Shape) (int, error) {
	for axis := range whole {
		next := 0
		for _, p := range pieces {
			for i := range whole {
				switch {
				case i == axis && p.to[i] == next, i != axis && p.to[i] == 0 && p.end[i]-p.start[i] == whole[i]:
				default:
					next = math.MinInt
				}
			}
			next += p.end[axis] - p.start[axis]
		}
		if next == whole[axis] {
			return axis, nil
		}
	}
	return 0, fmt.Errorf("onnx: a tensor %v was put together from %d regions that do not follow one another along an axis", whole, len(pieces))
}

// slice is the name of a region; no node if it is the whole.
func (d *Device) slice(p piece) string {
	var starts, ends, axes []int
	for i, n := range p.shape {
		if p.start[i] != 0 || p.end[i] != n {
			starts, ends, axes = append(starts, p.start[i]), append(ends, p.end[i]), append(axes, i)
		}
	}
	if len(axes) == 0 {
		return p.from
	}
	return d.add("Slice", []string{p.from, d.vector("starts", starts...), d.vector("ends", ends...), d.vector("axes", axes...)})
}

// Upsample implements device.Rearrangement.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	operand, err := d.in(x)
	if err != nil {
		return err
	}
	whole := y.Shape[2]%x.Shape[2] == 0 && y.Shape[3]%x.Shape[3] == 0
	if !s.Bilinear && !whole { // rounding of a scale could choose a neighbour
		for axis := 2; axis < 4; axis++ {
			rows := make([]int, y.Shape[axis])
			for p := range rows {
				rows[p], _, _ = s.Source(p, x.Shape[axis], y.Shape[axis])
			}
			operand = d.add("Gather", []string{operand, d.vector("rows", rows...)}, integer("axis", axis))
		}
		d.set(y, operand)
		return nil
	}
	scales := []float32{1, 1, float32(y.Shape[2]) / float32(x.Shape[2]), float32(y.Shape[3]) / float32(x.Shape[3])}
	attributes := []*onnxpb.AttributeProto{text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")}
	if s.Bilinear {
		attributes = []*onnxpb.AttributeProto{text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")}
		if s.AlignCorners {
			attributes[1] = text("coordinate_transformation_mode", "align_corners")
		}
	}
	d.set(y, d.add("Resize", []string{operand, "", d.floats("scales", []int{4}, scales)}, attributes...))
	return nil
}

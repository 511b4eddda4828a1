package cpu

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Reshape implements device.Rearrangement: a view of row-major memory.
func (d *Device) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	if blocked(x) {
		plain, err := d.New(x.Shape, tensor.Float32)
		if err != nil {
			return nil, err
		}
		defer plain.Release()
		d.reorder(plain, x)
		return device.NewView(plain, shape), nil
	}
	return device.NewView(x, shape), nil
}

// CopyRegion implements device.Rearrangement, row by row along the last axis.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	if blocked(dst, src) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.CopyRegion(t[0], to, t[1], from, extent) }, dst, src)
	}
	in, out := floats(src), floats(dst)
	last := len(extent) - 1
	if last < 0 {
		out[0] = in[0]
		return nil
	}
	rows := axes{extent[:last], nil}
	inside := func(shape tensor.Shape, origin []int) (first int, steps []int) {
		steps = make([]int, len(shape))
		step := 1
		for axis := last; axis >= 0; axis-- {
			steps[axis] = step
			first += origin[axis] * step
			step *= shape[axis]
		}
		return first, steps[:last]
	}
	firstIn, stepsIn := inside(src.Shape, from)
	firstOut, stepsOut := inside(dst.Shape, to)
	rowsIn, rowsOut := axes{rows.counts, stepsIn}, axes{rows.counts, stepsOut}
	d.divide(rows.size(), extent[last], func(_, low, high int) {
		for row := low; row < high; row++ {
			copy(out[firstOut+rowsOut.offset(row):][:extent[last]], in[firstIn+rowsIn.offset(row):])
		}
	})
	return nil
}

// Upsample implements device.Rearrangement, one map at a time.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Upsample(t[0], t[1], s) }, y, x)
	}
	in, out := floats(x), floats(y)
	d.eachPull(y.Shape, x.Shape, s, func(large, small int, pulls [4]pull) {
		v := 0.0
		for _, p := range pulls {
			if p.weight != 0 {
				v += p.weight * float64(in[small+p.at])
			}
		}
		out[large] = float32(v)
	}, nil)
	return nil
}

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	if blocked(dx, dy) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.UpsampleBackward(t[0], t[1], s) }, dx, dy)
	}
	out, grad := floats(dx), floats(dy)
	plane := dx.Shape[2] * dx.Shape[3]
	d.eachPull(dy.Shape, dx.Shape, s, func(large, small int, pulls [4]pull) {
		for _, p := range pulls {
			if p.weight != 0 {
				out[small+p.at] += float32(p.weight) * grad[large]
			}
		}
	}, func(m int) { clear(out[m*plane:][:plane]) })
	return nil
}

// pull is one of the four source elements of an output element, from the start of its map.
type pull struct {
	at     int
	weight float64
}

// eachPull visits each output element (large) with the start of its source map (small) and its pulls.
func (d *Device) eachPull(y, x tensor.Shape, s device.UpsampleSpec, visit func(large, small int, pulls [4]pull), begin func(m int)) {
	d.divide(y[0]*y[1], 4*y[2]*y[3], func(_, first, last int) {
		for m := first; m < last; m++ {
			if begin != nil {
				begin(m)
			}
			for p := range y[2] {
				top, bottom, down := s.Source(p, x[2], y[2])
				for q := range y[3] {
					left, right, across := s.Source(q, x[3], y[3])
					visit((m*y[2]+p)*y[3]+q, m*x[2]*x[3], [4]pull{
						{top*x[3] + left, (1 - down) * (1 - across)}, {top*x[3] + right, (1 - down) * across},
						{bottom*x[3] + left, down * (1 - across)}, {bottom*x[3] + right, down * across}})
				}
			}
		}
	})
}

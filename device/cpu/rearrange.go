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

// CopyRegion implements device.Rearrangement, a run of memory after the other: the last axis, and those before it as long as all of both
// tensors' axes behind them is copied.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	switch {
	case blocked(dst) && blocked(src):
		d.copyBlocks(dst, to, src, from, extent)
		return nil
	case blocked(dst, src):
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.CopyRegion(t[0], to, t[1], from, extent) }, dst, src, dst)
	}
	in, result := floats(src), out(dst)
	outer, run := len(extent), 1 // so many axes lead from run to run
	for whole := true; whole && outer > 0; {
		outer--
		run *= extent[outer]
		whole = extent[outer] == src.Shape[outer] && extent[outer] == dst.Shape[outer]
	}
	inside := func(shape tensor.Shape, origin []int) (first int, runs axes) {
		steps, step := make([]int, len(shape)), 1
		for axis := len(shape) - 1; axis >= 0; axis-- {
			steps[axis] = step
			first += origin[axis] * step
			step *= shape[axis]
		}
		return first, axes{extent[:outer], steps[:outer]}
	}
	firstIn, runsIn := inside(src.Shape, from)
	firstOut, runsOut := inside(dst.Shape, to)
	d.elements(runsIn.size()*run, func(low, high int) {
		for at := low; at < high; {
			number, into := at/run, at%run
			n := min(run-into, high-at)
			move(result[firstOut+runsOut.offset(number)+into:][:n], in[firstIn+runsIn.offset(number)+into:][:n])
			at += n
		}
	})
	return nil
}

// copyBlocks is CopyRegion between tensors in blocks. The channels go in pieces that lie in one block of each: whole blocks
// where the offsets agree, as in the concatenations of most networks, and then whole rows at once.
func (d *Device) copyBlocks(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) {
	in, result := floats(src), out(dst)
	var pieces []int // where in the extent's channels each begins, and the last ends
	for c := 0; c < extent[1]; c += lanes - max((to[1]+c)%lanes, (from[1]+c)%lanes) {
		pieces = append(pieces, c)
	}
	if len(pieces) == 0 {
		return
	}
	count := len(pieces)
	pieces = append(pieces, extent[1])
	place := func(s tensor.Shape, origin []int, image, channel, row int) int {
		c := origin[1] + channel
		return ((((origin[0]+image)*blocksOf(s[1])+c/lanes)*s[2]+origin[2]+row)*s[3]+origin[3])*lanes + c%lanes
	}
	d.divide(extent[0]*count*extent[2], extent[3]*lanes/4, func(_, first, last int) {
		for n := first; n < last; n++ {
			row, piece, image := n%extent[2], n/extent[2]%count, n/extent[2]/count
			channel := pieces[piece]
			width := pieces[piece+1] - channel
			into, outOf := place(dst.Shape, to, image, channel, row), place(src.Shape, from, image, channel, row)
			if width == lanes {
				copy(result[into:][:extent[3]*lanes], in[outOf:])
				continue
			}
			for range extent[3] {
				copy(result[into:][:width], in[outOf:])
				into, outOf = into+lanes, outOf+lanes
			}
		}
	})
}

// Upsample implements device.Rearrangement, one map at a time.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Upsample(t[0], t[1], s) }, y, x)
	}
	in, result := floats(x), out(y)
	d.eachPull(y.Shape, x.Shape, s, func(large, small int, pulls [4]pull) {
		v := 0.0
		for _, p := range pulls {
			if p.weight != 0 {
				v += p.weight * float64(in[small+p.at])
			}
		}
		result[large] = float32(v)
	}, nil)
	return nil
}

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	if blocked(dx, dy) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.UpsampleBackward(t[0], t[1], s) }, dx, dy)
	}
	result, grad := out(dx), floats(dy)
	plane := dx.Shape[2] * dx.Shape[3]
	d.eachPull(dy.Shape, dx.Shape, s, func(large, small int, pulls [4]pull) {
		for _, p := range pulls {
			if p.weight != 0 {
				result[small+p.at] += float32(p.weight) * grad[large]
			}
		}
	}, func(m int) { clear(result[m*plane:][:plane]) })
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

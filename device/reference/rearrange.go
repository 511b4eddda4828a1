package reference

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Reshape implements device.Rearrangement: memory is row-major, so it is a view.
func (d *Device) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return device.NewView(x, shape), nil
}

// CopyRegion implements device.Rearrangement.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	for i := range device.Size(extent) {
		rest, dstAt, srcAt, dstStep, srcStep := i, 0, 0, 1, 1
		for axis := len(extent) - 1; axis >= 0; axis-- {
			offset := rest % extent[axis]
			rest /= extent[axis]
			dstAt += (to[axis] + offset) * dstStep
			srcAt += (from[axis] + offset) * srcStep
			dstStep *= dst.Shape[axis]
			srcStep *= src.Shape[axis]
		}
		floats(dst)[dstAt] = floats(src)[srcAt]
	}
	return nil
}

// Upsample implements device.Rearrangement.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	clear64(floats(y))
	forEachPull(y, x, s, func(yi, xi int, weight float64) { floats(y)[yi] += weight * floats(x)[xi] })
	return nil
}

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	clear64(floats(dx))
	forEachPull(dy, dx, s, func(yi, xi int, weight float64) { floats(dx)[xi] += weight * floats(dy)[yi] })
	return nil
}

// source is a row or column that an output element takes a part of.
type source struct {
	at     int
	weight float64
}

// forEachPull visits the source elements (at most four) that an output element takes more than nothing of, with their
// weights.
func forEachPull(y, x *device.Tensor, s device.UpsampleSpec, visit func(yi, xi int, weight float64)) {
	for n := range y.Shape[0] {
		for c := range y.Shape[1] {
			for p := range y.Shape[2] {
				for q := range y.Shape[3] {
					top, bottom, down := s.Source(p, x.Shape[2], y.Shape[2])
					left, right, across := s.Source(q, x.Shape[3], y.Shape[3])
					yi := at(y.Shape, n, c, p, q)
					for _, row := range []source{{top, 1 - down}, {bottom, down}} {
						for _, col := range []source{{left, 1 - across}, {right, across}} {
							if weight := row.weight * col.weight; weight != 0 {
								visit(yi, at(x.Shape, n, c, row.at, col.at), weight)
							}
						}
					}
				}
			}
		}
	}
}

//go:build cuda

package cuda

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// Reshape implements device.Rearrangement: a view where the elements lie in the same order for both shapes, else a copy in
// which they do.
func (d *Device) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	if device.EqualShape(x.Shape, shape) || x.Size() == 0 || (launch.RowMajorAnyway(x.Shape) && launch.RowMajorAnyway(shape)) {
		return device.NewView(x, shape), nil
	}
	y, err := d.newStored(shape, x.DType, storage(x))
	if err != nil {
		return nil, err
	}
	if err := d.relay(address(y), shape, address(x), x.Shape, storage(x)); err != nil {
		y.Release()
		return nil, err
	}
	return y, nil
}

// relay copies x's elements, in row-major order, to a tensor of another shape.
func (d *Device) relay(y uint64, shape tensor.Shape, x uint64, from tensor.Shape, t launch.Type) error {
	c := d.as(t, named("reshape", shape))
	switch {
	case launch.RowMajorAnyway(from):
		return c.launch(launch.ToChannelsLast(y, x, shape, t, t))
	case launch.RowMajorAnyway(shape):
		return c.launch(launch.FromChannelsLast(y, x, from, t, t))
	}
	flat := c.borrow(device.Size(from) * t.Bytes())
	return c.launch(launch.FromChannelsLast(flat, x, from, t, t), launch.ToChannelsLast(y, flat, shape, t, t))
}

// CopyRegion implements device.Rearrangement.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	if device.Size(extent) == 0 {
		return nil
	}
	c := d.like(dst, named("copy", extent))
	srcp := c.in(src)
	return c.built(single(launch.CopyRegion(c.out(dst), dst.Shape, to, srcp, src.Shape, from, extent, c.type_.Bytes())))
}

// Upsample implements device.Rearrangement.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(y, named("upsample", x.Shape))
	xp := c.in(x)
	return c.built(single(launch.Upsample(c.out(y), xp, y.Shape, x.Shape, s, c.type_)))
}

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	if dx.Size() == 0 {
		return nil
	}
	c := d.like(dx, named("gradient of upsample", dx.Shape))
	dyp := c.in(dy)
	return c.built(single(launch.UpsampleBackward(c.out(dx), dyp, dy.Shape, dx.Shape, s, c.type_)))
}

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
	if device.EqualShape(x.Shape, shape) || x.Size() == 0 || (!needsLayout(x.Shape) && !needsLayout(shape)) {
		return device.NewView(x, shape), nil
	}
	y, err := d.New(shape, x.DType)
	if err != nil {
		return nil, err
	}
	if err := d.relay(address(y), shape, address(x), x.Shape); err != nil {
		y.Release()
		return nil, err
	}
	return y, nil
}

// relay copies x's elements, in row-major order, to a tensor of another shape.
func (d *Device) relay(y uint64, shape tensor.Shape, x uint64, from tensor.Shape) error {
	switch {
	case !needsLayout(from):
		return d.toChannelsLast("reshape", y, x, shape)
	case !needsLayout(shape):
		return d.fromChannelsLast("reshape", y, x, from)
	}
	flat, err := d.pool.get(d, int64(device.Size(from))*4)
	if err != nil {
		return err
	}
	defer d.pool.put(flat)
	if err := d.fromChannelsLast("reshape", uint64(flat.at), x, from); err != nil {
		return err
	}
	return d.toChannelsLast("reshape", y, uint64(flat.at), shape)
}

// toChannelsLast lays row-major elements of a feature map or of weights out as the GPU keeps them; fromChannelsLast is the
// way back.
func (d *Device) toChannelsLast(op string, dst, src uint64, s tensor.Shape) error {
	return d.launch(named(op, s), launch.ToChannelsLast(dst, src, s, launch.F32, launch.F32))
}

func (d *Device) fromChannelsLast(op string, dst, src uint64, s tensor.Shape) error {
	return d.launch(named(op, s), launch.FromChannelsLast(dst, src, s, launch.F32, launch.F32))
}

// CopyRegion implements device.Rearrangement.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	if device.Size(extent) == 0 {
		return nil
	}
	l, err := launch.CopyRegion(address(dst), dst.Shape, to, address(src), src.Shape, from, extent, 4)
	if err != nil {
		return err
	}
	return d.launch(named("copy", extent), l)
}

// Upsample implements device.Rearrangement.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	if y.Size() == 0 {
		return nil
	}
	l, err := launch.Upsample(address(y), address(x), y.Shape, x.Shape, s, launch.F32)
	if err != nil {
		return err
	}
	return d.launch(named("upsample", x.Shape), l)
}

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	if dx.Size() == 0 {
		return nil
	}
	l, err := launch.UpsampleBackward(address(dx), address(dy), dy.Shape, dx.Shape, s, launch.F32)
	if err != nil {
		return err
	}
	return d.launch(named("gradient of upsample", dx.Shape), l)
}

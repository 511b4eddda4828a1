//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	c := d.like(y, named("fill", y.Shape))
	return c.launch(launch.Fill(c.out(y), y.Size(), value, c.type_))
}

// Binary implements device.Elementwise.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(y, named(op.String(), y.Shape))
	ap, bp := c.in(a), c.in(b)
	return c.built(single(launch.Binary(c.out(y), ap, bp, y.Shape, a.Shape, b.Shape, op, c.type_)))
}

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	c := d.like(y, named("scale", x.Shape))
	if factor == 1 && offset == 0 && storage(x) != storage(y) {
		return c.launch(launch.Cast(c.out(y), address(x), x.Size(), storage(y), storage(x)))
	}
	xp := c.in(x)
	return c.launch(launch.Scale(c.out(y), xp, x.Size(), factor, offset, c.type_))
}

// ReduceSum implements device.Elementwise. The sum itself is float32.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	if y.Size() == 0 {
		return nil
	}
	if x.Size() == 0 {
		return d.Fill(y, 0)
	}
	c, to := d.like(x, named("sum", x.Shape)), launch.F32
	if storage(x) == launch.BF16 {
		to = storage(y)
	}
	space := c.borrow(launch.ReduceSumSpace(y.Shape, x.Shape))
	return c.built(launch.ReduceSum(c.outAs(y, to), address(x), space, y.Shape, x.Shape, factor, to, c.type_))
}

// Broadcast implements device.Elementwise.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(y, named("broadcast", y.Shape))
	xp := c.in(x)
	return c.built(single(launch.Broadcast(c.out(y), xp, y.Shape, x.Shape, factor, c.type_)))
}

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(y, named("bias", x.Shape))
	xp, bp := c.in(x), c.exact(b)
	return c.launch(launch.AddBias(c.out(y), xp, bp, x.Shape, device.ActivationSpec{}, c.type_))
}

// SumChannels implements device.FullyConnected.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	if db.Size() == 0 {
		return nil
	}
	if dy.Size() == 0 {
		return d.Fill(db, 0)
	}
	c := d.like(dy, named("gradient of the bias", dy.Shape))
	space := c.borrow(launch.SumChannelsSpace(dy.Shape, c.type_))
	return c.built(launch.SumChannels(c.exactOut(db), address(dy), space, dy.Shape, c.type_))
}

//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	return d.launch(named("fill", y.Shape), launch.Fill(address(y), y.Size(), value, launch.F32))
}

// Binary implements device.Elementwise.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	if y.Size() == 0 {
		return nil
	}
	l, err := launch.Binary(address(y), address(a), address(b), y.Shape, a.Shape, b.Shape, op, launch.F32)
	if err != nil {
		return err
	}
	return d.launch(named(op.String(), y.Shape), l)
}

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	return d.launch(named("scale", x.Shape), launch.Scale(address(y), address(x), x.Size(), factor, offset, launch.F32))
}

// ReduceSum implements device.Elementwise.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	if y.Size() == 0 {
		return nil
	}
	if x.Size() == 0 {
		return d.Fill(y, 0)
	}
	return d.launchWith(named("sum", x.Shape), launch.ReduceSumSpace(y.Shape, x.Shape), func(space uint64) ([]launch.Launch, error) {
		return launch.ReduceSum(address(y), address(x), space, y.Shape, x.Shape, factor, launch.F32, launch.F32)
	})
}

// Broadcast implements device.Elementwise.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	if y.Size() == 0 {
		return nil
	}
	l, err := launch.Broadcast(address(y), address(x), y.Shape, x.Shape, factor, launch.F32)
	if err != nil {
		return err
	}
	return d.launch(named("broadcast", y.Shape), l)
}

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	if x.Size() == 0 {
		return nil
	}
	return d.launch(named("bias", x.Shape), launch.AddBias(address(y), address(x), address(b), x.Shape, device.ActivationSpec{}, launch.F32))
}

// SumChannels implements device.FullyConnected.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	if db.Size() == 0 {
		return nil
	}
	if dy.Size() == 0 {
		return d.Fill(db, 0)
	}
	return d.launchWith(named("gradient of the bias", dy.Shape), launch.SumChannelsSpace(dy.Shape, launch.F32), func(space uint64) ([]launch.Launch, error) {
		return launch.SumChannels(address(db), address(dy), space, dy.Shape, launch.F32)
	})
}

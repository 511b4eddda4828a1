//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// CrossEntropy implements device.Loss.
func (d *Device) CrossEntropy(loss, x, labels *device.Tensor) error {
	c := d.like(x, named("cross_entropy", x.Shape))
	return c.launch(launch.CrossEntropy(c.exactOut(loss), 0, c.in(x), address(labels), c.borrow(launch.LossSpace), x.Shape, c.type_)...)
}

// CrossEntropyBackward implements device.Loss.
func (d *Device) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	c := d.like(x, named("gradient of cross_entropy", x.Shape))
	return c.launch(launch.CrossEntropyBackward(c.out(dx), c.exact(dloss), c.in(x), address(labels), x.Shape, c.type_))
}

// precise is float32 unless all of the tensors are stored in fewer bits: a target must not be rounded to what it is
// compared with.
func precise(tensors ...*device.Tensor) launch.Type {
	for _, t := range tensors {
		if storage(t) == launch.F32 {
			return launch.F32
		}
	}
	return launch.BF16
}

// ElementLoss implements device.Loss.
func (d *Device) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	c := d.as(precise(x, y), named(kind.String(), x.Shape))
	return c.launch(launch.ElementLoss(c.exactOut(loss), c.in(x), c.in(y), c.borrow(launch.LossSpace), x.Size(), kind, c.type_)...)
}

// ElementLossBackward implements device.Loss.
func (d *Device) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	c := d.as(precise(x, y), named("gradient of "+kind.String(), x.Shape))
	return c.launch(launch.ElementLossBackward(c.out(dx), c.exact(dloss), c.in(x), c.in(y), x.Size(), kind, c.type_))
}

// CountCorrect implements device.Loss.
func (d *Device) CountCorrect(count, x, labels *device.Tensor) error {
	c := d.like(x, named("count_correct", x.Shape))
	return c.launch(launch.CountCorrect(c.update(count), c.in(x), address(labels), c.borrow(launch.LossSpace), x.Shape, c.type_)...)
}

//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// CrossEntropy implements device.Loss.
func (d *Device) CrossEntropy(loss, x, labels *device.Tensor) error {
	return d.launchWith(named("cross_entropy", x.Shape), launch.LossSpace, func(space uint64) ([]launch.Launch, error) {
		return launch.CrossEntropy(address(loss), 0, address(x), address(labels), space, x.Shape, launch.F32), nil
	})
}

// CrossEntropyBackward implements device.Loss.
func (d *Device) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	return d.launch(named("gradient of cross_entropy", x.Shape), launch.CrossEntropyBackward(address(dx), address(dloss), address(x), address(labels), x.Shape, launch.F32))
}

// ElementLoss implements device.Loss.
func (d *Device) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return d.launchWith(named(kind.String(), x.Shape), launch.LossSpace, func(space uint64) ([]launch.Launch, error) {
		return launch.ElementLoss(address(loss), address(x), address(y), space, x.Size(), kind, launch.F32), nil
	})
}

// ElementLossBackward implements device.Loss.
func (d *Device) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return d.launch(named("gradient of "+kind.String(), x.Shape), launch.ElementLossBackward(address(dx), address(dloss), address(x), address(y), x.Size(), kind, launch.F32))
}

// CountCorrect implements device.Loss.
func (d *Device) CountCorrect(count, x, labels *device.Tensor) error {
	return d.launchWith(named("count_correct", x.Shape), launch.LossSpace, func(space uint64) ([]launch.Launch, error) {
		return launch.CountCorrect(address(count), address(x), address(labels), space, x.Shape, launch.F32), nil
	})
}

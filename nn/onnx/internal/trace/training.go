package trace

import (
	"errors"

	"fovea/device"
)

// errTraining is for all that only a step of training asks of a device.
var errTraining = errors.New("a graph is written in evaluation mode, without gradients and losses")

// ConvBackwardWeights implements device.Convolution.
func (d *Device) ConvBackwardWeights(_, _, _ *device.Tensor, _ device.ConvSpec) error {
	return errTraining
}

// PoolBackward implements device.Pooling.
func (d *Device) PoolBackward(_, _, _, _ *device.Tensor, _ device.PoolSpec) error { return errTraining }

// SumChannels implements device.FullyConnected.
func (d *Device) SumChannels(_, _ *device.Tensor) error { return errTraining }

// BatchNorm implements device.Normalisation.
func (d *Device) BatchNorm(_, _, _, _, _, _, _, _ *device.Tensor, _ device.BatchNormSpec) error {
	return errTraining
}

// BatchNormBackward implements device.Normalisation.
func (d *Device) BatchNormBackward(_, _, _, _, _, _, _, _ *device.Tensor) error { return errTraining }

// BatchNormInferBackward implements device.Normalisation.
func (d *Device) BatchNormInferBackward(_, _, _, _, _, _, _, _ *device.Tensor, _ device.BatchNormSpec) error {
	return errTraining
}

// LRNBackward implements device.Normalisation.
func (d *Device) LRNBackward(_, _, _, _ *device.Tensor, _ device.LRNSpec) error { return errTraining }

// ContrastNormBackward implements device.Normalisation.
func (d *Device) ContrastNormBackward(_, _, _ *device.Tensor, _ device.LRNSpec) error {
	return errTraining
}

// ActivateBackward implements device.Activation.
func (d *Device) ActivateBackward(_, _, _, _ *device.Tensor, _ device.ActivationSpec) error {
	return errTraining
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(_, _, _, _ *device.Tensor, _ int) error { return errTraining }

// SoftmaxBackward implements device.Activation.
func (d *Device) SoftmaxBackward(_, _, _ *device.Tensor, _ bool) error { return errTraining }

// UpsampleBackward implements device.Rearrangement.
func (d *Device) UpsampleBackward(_, _ *device.Tensor, _ device.UpsampleSpec) error {
	return errTraining
}

// CrossEntropy implements device.Loss.
func (d *Device) CrossEntropy(_, _, _ *device.Tensor) error { return errTraining }

// CrossEntropyBackward implements device.Loss.
func (d *Device) CrossEntropyBackward(_, _, _, _ *device.Tensor) error { return errTraining }

// ElementLoss implements device.Loss.
func (d *Device) ElementLoss(_, _, _ *device.Tensor, _ device.ElementLossKind) error {
	return errTraining
}

// ElementLossBackward implements device.Loss.
func (d *Device) ElementLossBackward(_, _, _, _ *device.Tensor, _ device.ElementLossKind) error {
	return errTraining
}

// CountCorrect implements device.Loss.
func (d *Device) CountCorrect(_, _, _ *device.Tensor) error { return errTraining }

// SGD implements device.Optimiser.
func (d *Device) SGD([]device.Update, device.SGDSpec) error { return errTraining }

// RMSProp implements device.Optimiser.
func (d *Device) RMSProp([]device.Update, device.RMSPropSpec) error { return errTraining }

// Adam implements device.Optimiser.
func (d *Device) Adam([]device.Update, device.AdamSpec) error { return errTraining }

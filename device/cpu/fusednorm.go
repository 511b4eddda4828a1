package cpu

import "fovea/device"

var _ device.FusedNormalisation = (*Device)(nil)

// BatchNormReLU implements device.FusedNormalisation.
func (d *Device) BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return d.batchNorm(normalisation{y, mean, invStd, runningMean, runningVar, x, residual, scale, shift, s, true})
}

// BatchNormReLUBackward implements device.FusedNormalisation.
func (d *Device) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	return d.batchNormBackward(normGradient{dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd})
}

// BatchNormReLUInfer implements device.FusedNormalisation.
func (d *Device) BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return d.batchNormInfer(normalisation{y: y, runningMean: mean, runningVar: variance, x: x, residual: residual, scale: scale, shift: shift,
		BatchNormSpec: s, relu: true})
}

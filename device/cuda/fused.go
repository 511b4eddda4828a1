//go:build cuda

package cuda

/*
#include <cublasLt.h>
*/
import "C"

import (
	"fovea/device"
)

var (
	_ device.FusedConvolution   = (*Device)(nil)
	_ device.FusedLinear        = (*Device)(nil)
	_ device.FusedNormalisation = (*Device)(nil)
)

// ConvReLU implements device.FusedConvolution. cuDNN's fused function wants a bias.
func (d *Device) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if y.Size() == 0 {
		return nil
	}
	if b == nil {
		if err := d.Conv(y, x, w, nil, s); err != nil {
			return err
		}
		return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
	}
	return d.convolve(y, x, w, epilogue{bias: b, relu: true}, s)
}

// LinearReLU implements device.FusedLinear.
func (d *Device) LinearReLU(y, x, w, b *device.Tensor) error {
	epilogue := C.cublasLtEpilogue_t(C.CUBLASLT_EPILOGUE_RELU)
	if b != nil {
		epilogue = C.CUBLASLT_EPILOGUE_RELU_BIAS
	}
	if x.Shape[1] == 0 { // no product to attach it to
		if err := d.Linear(y, x, w, b); err != nil {
			return err
		}
		return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
	}
	return d.product("linear_relu", y, x, w, b, false, true, epilogue)
}

// BatchNormReLU implements device.FusedNormalisation. cuDNN has it in half precision only; here the statistics take one
// pass over x, and everything else takes another.
func (d *Device) BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	return d.like(y, named("batch_norm_relu", x.Shape)).batchNorm(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift, s, true)
}

// BatchNormReLUBackward implements device.FusedNormalisation.
func (d *Device) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	if x.Size() == 0 {
		return nil
	}
	return d.like(dx, named("gradient of batch_norm_relu", x.Shape)).batchNormBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd)
}

// BatchNormReLUInfer implements device.FusedNormalisation.
func (d *Device) BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	return d.like(y, named("batch_norm_relu (inference)", x.Shape)).batchNormInfer(y, x, residual, scale, shift, mean, variance, s, true)
}

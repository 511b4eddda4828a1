//go:build cuda

package cuda

/*
#include <cublasLt.h>
#include <cudnn.h>
*/
import "C"

import (
	"fovea/device"
	"fovea/device/cuda/launch"
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
	return d.conv(y, x, w, b, s, C.CUDNN_ACTIVATION_RELU)
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
	stats := launch.Statistics{Mean: address(mean), Spread: address(invStd)}
	return d.launchWith(named("batch_norm_relu", x.Shape), launch.BatchNormSpace(x.Shape, launch.F32), func(space uint64) ([]launch.Launch, error) {
		list := launch.BatchNormStatistics(address(mean), address(invStd), address(runningMean), address(runningVar), address(x), space, x.Shape, s, launch.F32)
		return append(list, launch.BatchNormApply(address(y), address(x), address(residual), stats, address(scale), address(shift), x.Shape, true, launch.F32)), nil
	})
}

// BatchNormReLUBackward implements device.FusedNormalisation.
func (d *Device) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	if x.Size() == 0 {
		return nil
	}
	stats := launch.Statistics{Mean: address(mean), Spread: address(invStd)}
	return d.launchWith(named("gradient of batch_norm_relu", x.Shape), launch.BatchNormSpace(x.Shape, launch.F32), func(space uint64) ([]launch.Launch, error) {
		list := launch.BatchNormGradients(address(dscale), address(dshift), address(dy), address(x), address(y), space, stats, x.Shape, launch.F32)
		return append(list, launch.BatchNormInput(address(dx), address(dresidual), address(dy), address(x), address(y), stats, address(scale),
			address(dscale), address(dshift), x.Shape, launch.F32)), nil
	})
}

// BatchNormReLUInfer implements device.FusedNormalisation.
func (d *Device) BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	stats := launch.Statistics{Mean: address(mean), Spread: address(variance), Epsilon: s.Epsilon, IsVariance: true}
	return d.launch(named("batch_norm_relu (inference)", x.Shape),
		launch.BatchNormApply(address(y), address(x), address(residual), stats, address(scale), address(shift), x.Shape, true, launch.F32))
}

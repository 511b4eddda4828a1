//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// BatchNorm implements device.Normalisation.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	key, name := describe(x.Shape), named("batch_norm", x.Shape)
	yp, xp, scalep, shiftp := address(y), address(x), address(scale), address(shift)
	rmp, rvp, mp, ip := address(runningMean), address(runningVar), address(mean), address(invStd)
	return d.queue.post(name, func() error {
		t, v, err := d.dnn.normalised(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnBatchNormalizationForwardTraining", C.cudnnBatchNormalizationForwardTraining(d.dnn.handle, C.CUDNN_BATCHNORM_SPATIAL,
			factor(&one), factor(&zero), t, pointer(xp), t, pointer(yp), v, pointer(scalep), pointer(shiftp), C.double(s.Momentum),
			pointer(rmp), pointer(rvp), C.double(s.Epsilon), pointer(mp), pointer(ip)))
	})
}

// normalised describes a tensor and its per-channel vectors.
func (n *dnn) normalised(key tensorKey) (t, v C.cudnnTensorDescriptor_t, err error) {
	if t, err = n.tensor(key); err != nil {
		return nil, nil, err
	}
	v, err = n.tensor(vector(key.c))
	return t, v, err
}

// BatchNormBackward implements device.Normalisation.
func (d *Device) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	if x.Size() == 0 {
		return nil
	}
	key, name := describe(x.Shape), named("gradient of batch_norm", x.Shape)
	dxp, dsp, dbp, dyp, xp := address(dx), address(dscale), address(dshift), address(dy), address(x)
	scalep, mp, ip := address(scale), address(mean), address(invStd)
	return d.queue.post(name, func() error {
		t, v, err := d.dnn.normalised(key)
		if err != nil {
			return err
		}
		// Epsilon is in invStd already, which is given: the one here is not used.
		return checkDNN("cudnnBatchNormalizationBackward", C.cudnnBatchNormalizationBackward(d.dnn.handle, C.CUDNN_BATCHNORM_SPATIAL,
			factor(&one), factor(&zero), factor(&one), factor(&zero), t, pointer(xp), t, pointer(dyp), t, pointer(dxp), v, pointer(scalep),
			pointer(dsp), pointer(dbp), C.double(1e-5), pointer(mp), pointer(ip)))
	})
}

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	key, name := describe(x.Shape), named("batch_norm (inference)", x.Shape)
	yp, xp, scalep, shiftp, mp, vp := address(y), address(x), address(scale), address(shift), address(mean), address(variance)
	return d.queue.post(name, func() error {
		t, v, err := d.dnn.normalised(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnBatchNormalizationForwardInference", C.cudnnBatchNormalizationForwardInference(d.dnn.handle, C.CUDNN_BATCHNORM_SPATIAL,
			factor(&one), factor(&zero), t, pointer(xp), t, pointer(yp), v, pointer(scalep), pointer(shiftp), pointer(mp), pointer(vp), C.double(s.Epsilon)))
	})
}

// BatchNormInferBackward implements device.Normalisation, which cuDNN does not have.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		if err := d.Fill(dscale, 0); err != nil {
			return err
		}
		return d.Fill(dshift, 0)
	}
	stats := launch.Statistics{Mean: address(mean), Spread: address(variance), Epsilon: s.Epsilon, IsVariance: true}
	return d.launchWith(named("gradient of batch_norm (inference)", x.Shape), launch.BatchNormSpace(x.Shape, launch.F32), func(space uint64) ([]launch.Launch, error) {
		list := launch.BatchNormGradients(address(dscale), address(dshift), address(dy), address(x), 0, space, stats, x.Shape, launch.F32)
		return append(list, launch.BatchNormInput(address(dx), 0, address(dy), address(x), 0, stats, address(scale), 0, 0, x.Shape, launch.F32)), nil
	})
}

// lrnTheirs says whether cuDNN has a normalisation: with an odd window, as an even one leans the other way there, of at most 16 maps.
func lrnTheirs(s device.LRNSpec) bool {
	return s.Size%2 == 1 && s.Size <= 16 && s.K >= 1e-5 && s.Beta >= 0.01
}

func (n *dnn) lrn(s device.LRNSpec) (C.cudnnLRNDescriptor_t, error) {
	if l, known := n.lrns[s]; known {
		return l, nil
	}
	var l C.cudnnLRNDescriptor_t
	if err := checkDNN("cudnnCreateLRNDescriptor", C.cudnnCreateLRNDescriptor(&l)); err != nil {
		return nil, err
	}
	n.lrns[s] = l // so that release finds it
	return l, checkDNN("cudnnSetLRNDescriptor", C.cudnnSetLRNDescriptor(l, C.unsigned(s.Size), C.double(s.Alpha), C.double(s.Beta), C.double(s.K)))
}

// LRN implements device.Normalisation.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	yp, xp, name := address(y), address(x), named("lrn", x.Shape)
	if !lrnTheirs(s) {
		return d.launch(name, launch.LRN(yp, xp, x.Shape, s, launch.F32))
	}
	key := describe(x.Shape)
	return d.queue.post(name, func() error {
		l, err := d.dnn.lrn(s)
		if err != nil {
			return err
		}
		t, err := d.dnn.tensor(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnLRNCrossChannelForward", C.cudnnLRNCrossChannelForward(d.dnn.handle, l, C.CUDNN_LRN_CROSS_CHANNEL_DIM1,
			factor(&one), t, pointer(xp), factor(&zero), t, pointer(yp)))
	})
}

// LRNBackward implements device.Normalisation.
func (d *Device) LRNBackward(dx, dy, x, y *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	dxp, dyp, xp, yp, name := address(dx), address(dy), address(x), address(y), named("gradient of lrn", x.Shape)
	if !lrnTheirs(s) {
		return d.launch(name, launch.LRNBackward(dxp, dyp, xp, x.Shape, s, launch.F32))
	}
	key := describe(x.Shape)
	return d.queue.post(name, func() error {
		l, err := d.dnn.lrn(s)
		if err != nil {
			return err
		}
		t, err := d.dnn.tensor(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnLRNCrossChannelBackward", C.cudnnLRNCrossChannelBackward(d.dnn.handle, l, C.CUDNN_LRN_CROSS_CHANNEL_DIM1,
			factor(&one), t, pointer(yp), t, pointer(dyp), t, pointer(xp), factor(&zero), t, pointer(dxp)))
	})
}

// ContrastNorm implements device.Normalisation.
func (d *Device) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	return d.launch(named("contrast_norm", x.Shape), launch.ContrastNorm(address(y), address(x), x.Shape, s, launch.F32))
}

// ContrastNormBackward implements device.Normalisation.
func (d *Device) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	return d.launch(named("gradient of contrast_norm", x.Shape), launch.ContrastNormBackward(address(dx), address(dy), address(x), x.Shape, s, launch.F32))
}

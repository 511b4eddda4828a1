//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"errors"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// BatchNorm implements device.Normalisation.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(y, named("batch_norm", x.Shape))
	if c.type_ != launch.F32 {
		return c.batchNorm(y, mean, invStd, runningMean, runningVar, x, nil, scale, shift, s, false)
	}
	key := describe(x.Shape)
	xp, scalep, shiftp := c.in(x), c.exact(scale), c.exact(shift)
	rmp, rvp, mp, ip, yp := c.update(runningMean), c.update(runningVar), c.exactOut(mean), c.exactOut(invStd), c.out(y)
	return c.post(func() error {
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
	c := d.like(dx, named("gradient of batch_norm", x.Shape))
	if c.type_ != launch.F32 {
		return c.batchNormBackward(dx, nil, dscale, dshift, dy, x, nil, scale, mean, invStd)
	}
	key := describe(x.Shape)
	dyp, xp, scalep, mp, ip := c.in(dy), c.in(x), c.exact(scale), c.exact(mean), c.exact(invStd)
	dxp, dsp, dbp := c.out(dx), c.exactOut(dscale), c.exactOut(dshift)
	return c.post(func() error {
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
	c := d.like(y, named("batch_norm (inference)", x.Shape))
	if c.type_ != launch.F32 {
		return c.batchNormInfer(y, x, nil, scale, shift, mean, variance, s, false)
	}
	key := describe(x.Shape)
	xp, scalep, shiftp, mp, vp, yp := c.in(x), c.exact(scale), c.exact(shift), c.exact(mean), c.exact(variance), c.out(y)
	return c.post(func() error {
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
	c := d.like(dx, named("gradient of batch_norm (inference)", x.Shape))
	stats := launch.Statistics{Mean: c.exact(mean), Spread: c.exact(variance), Epsilon: s.Epsilon, IsVariance: true}
	dyp, xp, space := c.in(dy), c.in(x), c.borrow(launch.BatchNormSpace(x.Shape, c.type_))
	list := launch.BatchNormGradients(c.exactOut(dscale), c.exactOut(dshift), dyp, xp, 0, space, stats, x.Shape, c.type_)
	return c.launch(append(list, launch.BatchNormInput(c.out(dx), 0, dyp, xp, 0, stats, c.exact(scale), 0, 0, x.Shape, c.type_))...)
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
	if err := checkDNN("cudnnSetLRNDescriptor", C.cudnnSetLRNDescriptor(l, C.unsigned(s.Size), C.double(s.Alpha), C.double(s.Beta), C.double(s.K))); err != nil {
		return nil, errors.Join(err, checkDNN("cudnnDestroyLRNDescriptor", C.cudnnDestroyLRNDescriptor(l)))
	}
	n.lrns[s] = l
	return l, nil
}

// LRN implements device.Normalisation.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(y, named("lrn", x.Shape))
	xp, yp := c.in(x), c.out(y)
	if !lrnTheirs(s) || c.type_ != launch.F32 {
		return c.launch(launch.LRN(yp, xp, x.Shape, s, c.type_))
	}
	key := describe(x.Shape)
	return c.post(func() error {
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
	c := d.like(dx, named("gradient of lrn", x.Shape))
	dyp, xp, dxp := c.in(dy), c.in(x), c.out(dx)
	if !lrnTheirs(s) || c.type_ != launch.F32 {
		return c.launch(launch.LRNBackward(dxp, dyp, xp, x.Shape, s, c.type_))
	}
	key, yp := describe(x.Shape), c.in(y)
	return c.post(func() error {
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
	c := d.like(y, named("contrast_norm", x.Shape))
	xp := c.in(x)
	return c.launch(launch.ContrastNorm(c.out(y), xp, x.Shape, s, c.type_))
}

// ContrastNormBackward implements device.Normalisation.
func (d *Device) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(dx, named("gradient of contrast_norm", x.Shape))
	dyp, xp := c.in(dy), c.in(x)
	return c.launch(launch.ContrastNormBackward(c.out(dx), dyp, xp, x.Shape, s, c.type_))
}

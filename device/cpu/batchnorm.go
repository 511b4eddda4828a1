package cpu

import (
	"math"

	"fovea/device"
)

// normalisation is the operands of a batch normalisation and what may follow it: y = ReLU(BatchNorm(x) + residual).
type normalisation struct {
	y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor
	device.BatchNormSpec
	relu bool
}

// normGradient is the operands of its gradient; y is nil where there was no ReLU.
type normGradient struct {
	dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor
}

// BatchNorm implements device.Normalisation.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return d.batchNorm(normalisation{y, mean, invStd, runningMean, runningVar, x, nil, scale, shift, s, false})
}

func (d *Device) batchNorm(n normalisation) error {
	switch {
	case !blocked(n.y, n.x, n.residual):
		d.batchNormRowMajor(n)
	case !alike(n.y, n.x, n.residual):
		return d.inBlocks(1, func(t []*device.Tensor) error {
			n.y, n.x, n.residual = t[0], t[1], t[2]
			return d.batchNorm(n)
		}, n.y, n.x, n.residual)
	default:
		d.batchNormBlocks(n)
	}
	return nil
}

// settle writes what is kept of channel c: its count values have a mean and a sum of squares about it. The result is what
// their distances from the mean are to be multiplied by.
func (n *normalisation) settle(c int, mean, squares, count float64) (factor float64) {
	inv := 1 / math.Sqrt(squares/count+n.Epsilon)
	out(n.mean)[c], out(n.invStd)[c] = float32(mean), float32(inv)
	out(n.runningMean)[c] = moved(floats(n.runningMean)[c], mean, n.Momentum)
	out(n.runningVar)[c] = moved(floats(n.runningVar)[c], squares/(count-1), n.Momentum)
	return float64(floats(n.scale)[c]) * inv
}

// moved is a running statistic after one more batch.
func moved(running float32, batch, momentum float64) float32 {
	return float32((1-momentum)*float64(running) + momentum*batch)
}

// BatchNormBackward implements device.Normalisation.
func (d *Device) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	return d.batchNormBackward(normGradient{dx, nil, dscale, dshift, dy, x, nil, scale, mean, invStd})
}

func (d *Device) batchNormBackward(n normGradient) error {
	switch {
	case !blocked(n.dx, n.dresidual, n.dy, n.x, n.y):
		d.batchNormBackwardRowMajor(n)
	case !alike(n.dx, n.dresidual, n.dy, n.x, n.y):
		return d.inBlocks(2, func(t []*device.Tensor) error {
			n.dx, n.dresidual, n.dy, n.x, n.y = t[0], t[1], t[2], t[3], t[4]
			return d.batchNormBackward(n)
		}, n.dx, n.dresidual, n.dy, n.x, n.y)
	default:
		d.batchNormBackwardBlocks(n)
	}
	return nil
}

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return d.batchNormInfer(normalisation{y: y, runningMean: mean, runningVar: variance, x: x, scale: scale, shift: shift, BatchNormSpec: s})
}

func (d *Device) batchNormInfer(n normalisation) error {
	switch {
	case !blocked(n.y, n.x, n.residual):
		d.batchNormInferRowMajor(n)
	case !alike(n.y, n.x, n.residual):
		return d.inBlocks(1, func(t []*device.Tensor) error {
			n.y, n.x, n.residual = t[0], t[1], t[2]
			return d.batchNormInfer(n)
		}, n.y, n.x, n.residual)
	default:
		d.batchNormInferBlocks(n)
	}
	return nil
}

// given is the factor of channel c with the running statistics.
func (n *normalisation) given(c int) (factor float64) {
	return float64(floats(n.scale)[c]) / math.Sqrt(float64(floats(n.runningVar)[c])+n.Epsilon)
}

// BatchNormInferBackward implements device.Normalisation.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	n := normGradient{dx: dx, dscale: dscale, dshift: dshift, dy: dy, x: x, scale: scale, mean: mean}
	switch {
	case !blocked(dx, dy, x):
		d.batchNormInferBackwardRowMajor(n, variance, s.Epsilon)
	case !alike(dx, dy, x):
		return d.inBlocks(1, func(t []*device.Tensor) error {
			return d.BatchNormInferBackward(t[0], dscale, dshift, t[1], t[2], scale, mean, variance, s)
		}, dx, dy, x)
	default:
		d.batchNormInferBackwardBlocks(n, variance, s.Epsilon)
	}
	return nil
}

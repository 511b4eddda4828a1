//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

// Batch normalisation by kernels of our own: all of it where cuDNN's does not fit, and with a residual sum and ReLU.

func (c *call) batchNorm(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, s device.BatchNormSpec, relu bool) error {
	stats := launch.Statistics{Mean: c.exactOut(mean), Spread: c.exactOut(invStd)}
	xp, space := c.in(x), c.borrow(launch.BatchNormSpace(x.Shape, c.type_))
	list := launch.BatchNormStatistics(stats.Mean, stats.Spread, c.update(runningMean), c.update(runningVar), xp, space, x.Shape, s, c.type_)
	return c.launch(append(list, launch.BatchNormApply(c.out(y), xp, c.in(residual), stats, c.exact(scale), c.exact(shift), x.Shape, relu, c.type_))...)
}

// batchNormBackward has y if there was a ReLU, and dresidual if a gradient of the residual is wanted.
func (c *call) batchNormBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	stats := launch.Statistics{Mean: c.exact(mean), Spread: c.exact(invStd)}
	dyp, xp, yp := c.in(dy), c.in(x), c.in(y)
	dscalep, dshiftp, space := c.exactOut(dscale), c.exactOut(dshift), c.borrow(launch.BatchNormSpace(x.Shape, c.type_))
	list := launch.BatchNormGradients(dscalep, dshiftp, dyp, xp, yp, space, stats, x.Shape, c.type_)
	return c.launch(append(list, launch.BatchNormInput(c.out(dx), c.out(dresidual), dyp, xp, yp, stats, c.exact(scale), dscalep, dshiftp, x.Shape, c.type_))...)
}

func (c *call) batchNormInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec, relu bool) error {
	stats := launch.Statistics{Mean: c.exact(mean), Spread: c.exact(variance), Epsilon: s.Epsilon, IsVariance: true}
	xp, rp := c.in(x), c.in(residual)
	return c.launch(launch.BatchNormApply(c.out(y), xp, rp, stats, c.exact(scale), c.exact(shift), x.Shape, relu, c.type_))
}

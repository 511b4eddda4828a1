package cpu

import (
	"math"

	"fovea/device"
)

// eachChannel divides the channels of x among the workers; rows(c, ...) visits a channel's stretches of memory.
func (d *Device) eachChannel(x *device.Tensor, do func(c int, rows func(visit func(from, to int)))) {
	outer, channels, inner := device.Channels(x.Shape)
	d.divide(channels, 4*outer*inner, func(_, first, last int) {
		for c := first; c < last; c++ {
			do(c, func(visit func(from, to int)) {
				for n := range outer {
					at := (n*channels + c) * inner
					visit(at, at+inner)
				}
			})
		}
	})
}

// BatchNorm implements device.Normalisation. The variance is taken about the mean in a second pass: the difference of
// sums of squares would cancel.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	in, out := floats(x), floats(y)
	outer, _, inner := device.Channels(x.Shape)
	m := float64(outer * inner)
	d.eachChannel(x, func(c int, rows func(func(from, to int))) {
		sum, squares := 0.0, 0.0
		rows(func(from, to int) { sum += total(in[from:to]) })
		mu := sum / m
		rows(func(from, to int) {
			part := 0.0
			for _, v := range in[from:to] {
				e := float64(v) - mu
				part += e * e
			}
			squares += part
		})
		variance := squares / m
		inv := 1 / math.Sqrt(variance+s.Epsilon)
		rows(func(from, to int) {
			normalise(out[from:to], in[from:to], mu, float64(floats(scale)[c])*inv, floats(shift)[c])
		})
		floats(mean)[c], floats(invStd)[c] = float32(mu), float32(inv)
		running := func(t *device.Tensor, v float64) {
			floats(t)[c] = float32((1-s.Momentum)*float64(floats(t)[c]) + s.Momentum*v)
		}
		running(runningMean, mu)
		running(runningVar, squares/(m-1))
	})
	return nil
}

// normalise is y = (x - mean)*factor + shift; the difference is taken in float64, in which a large mean loses nothing.
func normalise(y, x []float32, mean, factor float64, shift float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32((float64(v)-mean)*factor) + shift
	}
}

// BatchNormBackward implements device.Normalisation.
func (d *Device) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	in, grad, out := floats(x), floats(dy), floats(dx)
	outer, _, inner := device.Channels(x.Shape)
	m := float64(outer * inner)
	d.eachChannel(x, func(c int, rows func(func(from, to int))) {
		mu, inv := float64(floats(mean)[c]), float64(floats(invStd)[c])
		sum, product := channelSums(rows, grad, in, mu, inv)
		factor := float64(floats(scale)[c]) * inv
		rows(func(from, to int) {
			for i := from; i < to; i++ {
				xhat := (float64(in[i]) - mu) * inv
				out[i] = float32(factor * (float64(grad[i]) - sum/m - xhat*product/m))
			}
		})
		floats(dscale)[c], floats(dshift)[c] = float32(product), float32(sum)
	})
	return nil
}

// channelSums are the sums of dy and of dy*xhat over a channel.
func channelSums(rows func(func(from, to int)), dy, x []float32, mean, invStd float64) (sum, product float64) {
	rows(func(from, to int) {
		s, p := 0.0, 0.0
		for i := from; i < to; i++ {
			g := float64(dy[i])
			s += g
			p += g * (float64(x[i]) - mean)
		}
		sum += s
		product += p * invStd
	})
	return sum, product
}

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	d.eachChannel(x, func(c int, rows func(func(from, to int))) {
		factor := float64(floats(scale)[c]) / math.Sqrt(float64(floats(variance)[c])+s.Epsilon)
		rows(func(from, to int) {
			normalise(floats(y)[from:to], floats(x)[from:to], float64(floats(mean)[c]), factor, floats(shift)[c])
		})
	})
	return nil
}

// BatchNormInferBackward implements device.Normalisation.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	in, grad, out := floats(x), floats(dy), floats(dx)
	d.eachChannel(x, func(c int, rows func(func(from, to int))) {
		inv := 1 / math.Sqrt(float64(floats(variance)[c])+s.Epsilon)
		sum, product := channelSums(rows, grad, in, float64(floats(mean)[c]), inv)
		factor := float32(float64(floats(scale)[c]) * inv)
		rows(func(from, to int) {
			for i := from; i < to; i++ {
				out[i] = grad[i] * factor
			}
		})
		floats(dscale)[c], floats(dshift)[c] = float32(product), float32(sum)
	})
	return nil
}

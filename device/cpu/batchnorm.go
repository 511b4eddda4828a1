package cpu

import (
	"math"

	"fovea/device"
)

// maps is a tensor seen as [outer, channels, inner]: channel c has one stretch of memory for each of outer.
type maps struct{ outer, channels, inner int }

func mapsOf(x *device.Tensor) maps {
	outer, channels, inner := device.Channels(x.Shape)
	return maps{outer, channels, inner}
}

// count is the number of elements in a channel.
func (m maps) count() float64 { return float64(m.outer * m.inner) }

// of is channel c's stretch number n of x.
func (m maps) of(x []float32, c, n int) []float32 { return x[(n*m.channels+c)*m.inner:][:m.inner] }

// eachChannel divides the channels among the workers.
func (d *Device) eachChannel(m maps, do func(c int)) {
	d.divide(m.channels, 4*m.outer*m.inner, func(_, first, last int) {
		for c := first; c < last; c++ {
			do(c)
		}
	})
}

// BatchNorm implements device.Normalisation. The variance is taken about the mean in a second pass: the difference of
// sums of squares would cancel.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	if blocked(y, mean, invStd, runningMean, runningVar, x, scale, shift) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.BatchNorm(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], s) }, y, mean, invStd, runningMean, runningVar, x, scale, shift)
	}
	in, out, m := floats(x), floats(y), mapsOf(x)
	d.eachChannel(m, func(c int) {
		sum, squares := 0.0, 0.0
		for n := range m.outer {
			sum += total(m.of(in, c, n))
		}
		mu := sum / m.count()
		for n := range m.outer {
			part := 0.0
			for _, v := range m.of(in, c, n) {
				e := float64(v) - mu
				part += e * e
			}
			squares += part
		}
		inv := 1 / math.Sqrt(squares/m.count()+s.Epsilon)
		factor := float64(floats(scale)[c]) * inv
		for n := range m.outer {
			normalise(m.of(out, c, n), m.of(in, c, n), mu, factor, floats(shift)[c])
		}
		floats(mean)[c], floats(invStd)[c] = float32(mu), float32(inv)
		floats(runningMean)[c] = moved(floats(runningMean)[c], mu, s.Momentum)
		floats(runningVar)[c] = moved(floats(runningVar)[c], squares/(m.count()-1), s.Momentum)
	})
	return nil
}

// moved is a running statistic after one more batch.
func moved(running float32, batch, momentum float64) float32 {
	return float32((1-momentum)*float64(running) + momentum*batch)
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
	if blocked(dx, dscale, dshift, dy, x, scale, mean, invStd) {
		return d.rowMajor(1, func(t []*device.Tensor) error {
			return d.BatchNormBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7])
		}, dx, dscale, dshift, dy, x, scale, mean, invStd)
	}
	in, grad, out, m := floats(x), floats(dy), floats(dx), mapsOf(x)
	d.eachChannel(m, func(c int) {
		mu, inv := float64(floats(mean)[c]), float64(floats(invStd)[c])
		sum, product := m.sums(grad, in, c, mu, inv)
		factor, each, slope := float64(floats(scale)[c])*inv, sum/m.count(), product/m.count()
		for n := range m.outer {
			xs, gs, to := m.of(in, c, n), m.of(grad, c, n), m.of(out, c, n)
			for i, v := range xs {
				xhat := (float64(v) - mu) * inv
				to[i] = float32(factor * (float64(gs[i]) - each - xhat*slope))
			}
		}
		floats(dscale)[c], floats(dshift)[c] = float32(product), float32(sum)
	})
	return nil
}

// sums are the sums of dy and of dy*xhat over a channel.
func (m maps) sums(dy, x []float32, c int, mean, invStd float64) (sum, product float64) {
	for n := range m.outer {
		xs, gs := m.of(x, c, n), m.of(dy, c, n)
		s, p := 0.0, 0.0
		for i, v := range xs {
			g := float64(gs[i])
			s += g
			p += g * (float64(v) - mean)
		}
		sum += s
		product += p * invStd
	}
	return sum, product
}

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if blocked(y, x, scale, shift, mean, variance) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.BatchNormInfer(t[0], t[1], t[2], t[3], t[4], t[5], s) }, y, x, scale, shift, mean, variance)
	}
	m := mapsOf(x)
	d.eachChannel(m, func(c int) {
		factor := float64(floats(scale)[c]) / math.Sqrt(float64(floats(variance)[c])+s.Epsilon)
		for n := range m.outer {
			normalise(m.of(floats(y), c, n), m.of(floats(x), c, n), float64(floats(mean)[c]), factor, floats(shift)[c])
		}
	})
	return nil
}

// BatchNormInferBackward implements device.Normalisation.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	if blocked(dx, dscale, dshift, dy, x, scale, mean, variance) {
		return d.rowMajor(1, func(t []*device.Tensor) error {
			return d.BatchNormInferBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], s)
		}, dx, dscale, dshift, dy, x, scale, mean, variance)
	}
	in, grad, out, m := floats(x), floats(dy), floats(dx), mapsOf(x)
	d.eachChannel(m, func(c int) {
		inv := 1 / math.Sqrt(float64(floats(variance)[c])+s.Epsilon)
		sum, product := m.sums(grad, in, c, float64(floats(mean)[c]), inv)
		factor := float32(float64(floats(scale)[c]) * inv)
		for n := range m.outer {
			to := m.of(out, c, n)
			for i, g := range m.of(grad, c, n) {
				to[i] = g * factor
			}
		}
		floats(dscale)[c], floats(dshift)[c] = float32(product), float32(sum)
	})
	return nil
}

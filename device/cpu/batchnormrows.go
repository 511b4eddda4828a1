package cpu

import (
	"math"

	"fovea/device"
)

// channelMaps is a row-major tensor seen as [outer, channels, inner]: channel c has one stretch of memory for each of outer.
type channelMaps struct{ outer, channels, inner int }

func channelMapsOf(x *device.Tensor) channelMaps {
	outer, channels, inner := device.Channels(x.Shape)
	return channelMaps{outer, channels, inner}
}

// count is the number of elements in a channel.
func (m channelMaps) count() float64 { return float64(m.outer * m.inner) }

// of is channel c's stretch number n of x.
func (m channelMaps) of(x []float32, c, n int) []float32 {
	return x[(n*m.channels+c)*m.inner:][:m.inner]
}

// eachChannel divides the channels among the workers.
func (d *Device) eachChannel(m channelMaps, do func(c int)) {
	d.divide(m.channels, 4*m.outer*m.inner, func(_, first, last int) {
		for c := first; c < last; c++ {
			do(c)
		}
	})
}

// batchNormRowMajor takes the variance about the mean in a second pass: the difference of sums of squares would cancel.
func (d *Device) batchNormRowMajor(n normalisation) {
	in, m := floats(n.x), channelMapsOf(n.x)
	d.eachChannel(m, func(c int) {
		sum, squares := 0.0, 0.0
		for i := range m.outer {
			sum += d.vector.Sum(m.of(in, c, i))
		}
		mean := sum / m.count()
		for i := range m.outer {
			part := 0.0
			for _, v := range m.of(in, c, i) {
				e := float64(v) - mean
				part += e * e
			}
			squares += part
		}
		n.apply(m, c, mean, n.settle(c, mean, squares, m.count()))
	})
}

// apply is the second pass; the distance from the mean is taken in float64, in which a large mean loses nothing.
func (n *normalisation) apply(m channelMaps, c int, mean, factor float64) {
	shift := floats(n.shift)[c]
	for i := range m.outer {
		y := m.of(out(n.y), c, i)
		for j, v := range m.of(floats(n.x), c, i) {
			y[j] = float32((float64(v)-mean)*factor) + shift
		}
		if n.residual != nil {
			for j, v := range m.of(floats(n.residual), c, i) {
				y[j] += v
			}
		}
		for j, v := range y {
			if n.relu && v < 0 {
				y[j] = 0
			}
		}
	}
}

func (d *Device) batchNormInferRowMajor(n normalisation) {
	m := channelMapsOf(n.x)
	d.eachChannel(m, func(c int) { n.apply(m, c, float64(floats(n.runningMean)[c]), n.given(c)) })
}

// batchNormBackwardRowMajor writes the gradient before the ReLU to dx, and goes on from there.
func (d *Device) batchNormBackwardRowMajor(n normGradient) {
	grad := floats(n.dy)
	if n.y != nil {
		above, before := floats(n.y), out(n.dx)
		d.elements(len(before), func(from, to int) {
			for i := from; i < to; i++ {
				before[i] = grad[i]
				if above[i] <= 0 {
					before[i] *= 0
				}
			}
			if n.dresidual != nil {
				move(out(n.dresidual)[from:to], before[from:to])
			}
		})
		grad = before
	}
	in, result, m := floats(n.x), out(n.dx), channelMapsOf(n.x)
	d.eachChannel(m, func(c int) {
		mean, inv := float64(floats(n.mean)[c]), float64(floats(n.invStd)[c])
		sum, product := m.sums(grad, in, c, mean, inv)
		factor, each, slope := float64(floats(n.scale)[c])*inv, sum/m.count(), product/m.count()
		for i := range m.outer {
			xs, gs, to := m.of(in, c, i), m.of(grad, c, i), m.of(result, c, i)
			for j, v := range xs {
				xhat := (float64(v) - mean) * inv
				to[j] = float32(factor * (float64(gs[j]) - each - xhat*slope))
			}
		}
		out(n.dscale)[c], out(n.dshift)[c] = float32(product), float32(sum)
	})
}

// sums are the sums of dy and of dy*xhat over a channel.
func (m channelMaps) sums(dy, x []float32, c int, mean, invStd float64) (sum, product float64) {
	for i := range m.outer {
		xs, gs := m.of(x, c, i), m.of(dy, c, i)
		s, p := 0.0, 0.0
		for j, v := range xs {
			g := float64(gs[j])
			s += g
			p += g * (float64(v) - mean)
		}
		sum += s
		product += p * invStd
	}
	return sum, product
}

func (d *Device) batchNormInferBackwardRowMajor(n normGradient, variance *device.Tensor, epsilon float64) {
	in, grad, result, m := floats(n.x), floats(n.dy), out(n.dx), channelMapsOf(n.x)
	d.eachChannel(m, func(c int) {
		inv := 1 / math.Sqrt(float64(floats(variance)[c])+epsilon)
		sum, product := m.sums(grad, in, c, float64(floats(n.mean)[c]), inv)
		factor := float32(float64(floats(n.scale)[c]) * inv)
		for i := range m.outer {
			to := m.of(result, c, i)
			for j, g := range m.of(grad, c, i) {
				to[j] = g * factor
			}
		}
		out(n.dscale)[c], out(n.dshift)[c] = float32(product), float32(sum)
	})
}

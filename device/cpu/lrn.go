package cpu

import (
	"math"

	"fovea/device"
)

// acrossMaps divides places among the workers. work holds lines float64s for each map, one worker's own.
func (d *Device) acrossMaps(x *device.Tensor, size, lines int, visit func(first, step, maps int, work []float64)) {
	outer, maps, inner := device.Channels(x.Shape)
	all := d.partial(d.team.size * lines * maps)
	d.divide(outer*inner, maps*(16+size), func(worker, from, to int) {
		work := all[worker*lines*maps:][:lines*maps]
		for place := from; place < to; place++ {
			visit(place/inner*maps*inner+place%inner, inner, maps, work)
		}
	})
}

// power is d^-beta; the exponent 3/4 of both papers is two square roots.
func power(d, beta float64) float64 {
	switch beta {
	case 0.75:
		root := math.Sqrt(d)
		return 1 / (root * math.Sqrt(root))
	case 0.5:
		return 1 / math.Sqrt(d)
	}
	return math.Pow(d, -beta)
}

// LRN implements device.Normalisation.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.LRN(t[0], t[1], s) }, y, x)
	}
	in, result := floats(x), out(y)
	d.acrossMaps(x, s.Size, 1, func(first, step, maps int, energy []float64) {
		energies(energy, in, s, first, step)
		for i := range maps {
			at := first + i*step
			result[at] = float32(float64(in[at]) * power(energy[i], s.Beta))
		}
	})
	return nil
}

// energies are the d_i of the definition.
func energies(energy []float64, x []float32, s device.LRNSpec, first, step int) {
	for i := range energy {
		sum := 0.0
		low, high := s.Window(i, len(energy))
		for j := low; j < high; j++ {
			v := float64(x[first+j*step])
			sum += v * v
		}
		energy[i] = s.K + s.Alpha/float64(s.Size)*sum
	}
}

// LRNBackward implements device.Normalisation.
func (d *Device) LRNBackward(dx, dy, x, y *device.Tensor, s device.LRNSpec) error {
	if blocked(dx, dy, x, y) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.LRNBackward(t[0], t[1], t[2], t[3], s) }, dx, dy, x, y)
	}
	in, grad, result := floats(x), floats(dy), out(dx)
	d.acrossMaps(x, s.Size, 3, func(first, step, maps int, work []float64) {
		energy, share, scaled := work[:maps], work[maps:2*maps], work[2*maps:]
		energies(energy, in, s, first, step)
		for i := range maps {
			at := first + i*step
			scaled[i] = float64(grad[at]) * power(energy[i], s.Beta)
			share[i] = scaled[i] * float64(in[at]) / energy[i]
		}
		for i := range maps {
			sum := 0.0
			low, high := s.Holders(i, maps)
			for j := low; j < high; j++ {
				sum += share[j]
			}
			at := first + i*step
			result[at] = float32(scaled[i] - 2*s.Alpha*s.Beta/float64(s.Size)*float64(in[at])*sum)
		}
	})
	return nil
}

// contrasts are the m_i and d_i of the definition.
func contrasts(mean, divisor []float64, x []float32, s device.LRNSpec, first, step int) {
	for i := range mean {
		low, high := s.Window(i, len(mean))
		sum, squares := 0.0, 0.0
		for j := low; j < high; j++ {
			sum += float64(x[first+j*step])
		}
		mean[i] = sum / float64(high-low)
		for j := low; j < high; j++ {
			e := float64(x[first+j*step]) - mean[i]
			squares += e * e
		}
		divisor[i] = s.K + s.Alpha/float64(s.Size)*squares
	}
}

// ContrastNorm implements device.Normalisation.
func (d *Device) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ContrastNorm(t[0], t[1], s) }, y, x)
	}
	in, result := floats(x), out(y)
	d.acrossMaps(x, 2*s.Size, 2, func(first, step, maps int, work []float64) {
		mean, divisor := work[:maps], work[maps:]
		contrasts(mean, divisor, in, s, first, step)
		for i := range maps {
			at := first + i*step
			result[at] = float32((float64(in[at]) - mean[i]) * power(divisor[i], s.Beta))
		}
	})
	return nil
}

// ContrastNormBackward implements device.Normalisation.
func (d *Device) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	if blocked(dx, dy, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ContrastNormBackward(t[0], t[1], t[2], s) }, dx, dy, x)
	}
	in, grad, result := floats(x), floats(dy), out(dx)
	d.acrossMaps(x, 2*s.Size, 4, func(first, step, maps int, work []float64) {
		mean, divisor, e, f := work[:maps], work[maps:2*maps], work[2*maps:3*maps], work[3*maps:]
		contrasts(mean, divisor, in, s, first, step)
		for i := range maps {
			at := first + i*step
			e[i] = float64(grad[at]) * power(divisor[i], s.Beta)
			f[i] = -2 * s.Beta * s.Alpha / float64(s.Size) * e[i] * (float64(in[at]) - mean[i]) / divisor[i]
		}
		for j := range maps {
			at := first + j*step
			sum := e[j]
			low, high := s.Holders(j, maps)
			for i := low; i < high; i++ {
				from, to := s.Window(i, maps)
				sum += f[i]*(float64(in[at])-mean[i]) - e[i]/float64(to-from)
			}
			result[at] = float32(sum)
		}
	})
	return nil
}

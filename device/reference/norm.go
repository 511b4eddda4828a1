package reference

import (
	"math"

	"fovea/device"
)

// channel collects the positions of the elements of channel c.
func channel(x *device.Tensor, c int) []int {
	outer, channels, inner := device.Channels(x.Shape)
	var positions []int
	for n := range outer {
		for i := range inner {
			positions = append(positions, (n*channels+c)*inner+i)
		}
	}
	return positions
}

// BatchNorm implements device.Normalisation.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	for c := range x.Shape[1] {
		elements := channel(x, c)
		m := float64(len(elements))
		mu, variance := 0.0, 0.0
		for _, i := range elements {
			mu += floats(x)[i] / m
		}
		for _, i := range elements {
			variance += (floats(x)[i] - mu) * (floats(x)[i] - mu) / m
		}
		inv := 1 / math.Sqrt(variance+s.Epsilon)
		for _, i := range elements {
			floats(y)[i] = floats(scale)[c]*(floats(x)[i]-mu)*inv + floats(shift)[c]
		}
		floats(mean)[c], floats(invStd)[c] = mu, inv
		floats(runningMean)[c] = (1-s.Momentum)*floats(runningMean)[c] + s.Momentum*mu
		floats(runningVar)[c] = (1-s.Momentum)*floats(runningVar)[c] + s.Momentum*variance*m/(m-1)
	}
	return nil
}

// BatchNormBackward implements device.Normalisation.
func (d *Device) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	for c := range x.Shape[1] {
		elements := channel(x, c)
		m, mu, inv := float64(len(elements)), floats(mean)[c], floats(invStd)[c]
		sum, product := channelSums(elements, floats(dy), floats(x), mu, inv)
		for _, i := range elements {
			xhat := (floats(x)[i] - mu) * inv
			floats(dx)[i] = floats(scale)[c] * inv * (floats(dy)[i] - sum/m - xhat*product/m)
		}
		floats(dscale)[c], floats(dshift)[c] = product, sum
	}
	return nil
}

func channelSums(elements []int, dy, x []float64, mean, invStd float64) (sum, product float64) {
	for _, i := range elements {
		sum += dy[i]
		product += dy[i] * (x[i] - mean) * invStd
	}
	return sum, product
}

// BatchNormInfer implements device.Normalisation.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	for c := range x.Shape[1] {
		inv := 1 / math.Sqrt(floats(variance)[c]+s.Epsilon)
		for _, i := range channel(x, c) {
			floats(y)[i] = floats(scale)[c]*(floats(x)[i]-floats(mean)[c])*inv + floats(shift)[c]
		}
	}
	return nil
}

// BatchNormInferBackward implements device.Normalisation.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	for c := range x.Shape[1] {
		inv := 1 / math.Sqrt(floats(variance)[c]+s.Epsilon)
		elements := channel(x, c)
		floats(dshift)[c], floats(dscale)[c] = channelSums(elements, floats(dy), floats(x), floats(mean)[c], inv)
		for _, i := range elements {
			floats(dx)[i] = floats(dy)[i] * floats(scale)[c] * inv
		}
	}
	return nil
}

// acrossMaps calls visit for each place of each sample; map c's element there is number base + c*step.
func acrossMaps(x *device.Tensor, visit func(maps int, at func(c int) int)) {
	outer, channels, inner := device.Channels(x.Shape)
	for n := range outer {
		for i := range inner {
			visit(channels, func(c int) int { return (n*channels+c)*inner + i })
		}
	}
}

// LRN implements device.Normalisation.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	acrossMaps(x, func(maps int, at func(int) int) {
		for i := range maps {
			floats(y)[at(i)] = floats(x)[at(i)] * math.Pow(energy(floats(x), s, i, maps, at), -s.Beta)
		}
	})
	return nil
}

// energy is d_i of the definition.
func energy(x []float64, s device.LRNSpec, i, maps int, at func(int) int) float64 {
	sum := 0.0
	low, high := s.Window(i, maps)
	for j := low; j < high; j++ {
		sum += x[at(j)] * x[at(j)]
	}
	return s.K + s.Alpha/float64(s.Size)*sum
}

// LRNBackward implements device.Normalisation.
func (d *Device) LRNBackward(dx, dy, x, _ *device.Tensor, s device.LRNSpec) error {
	acrossMaps(x, func(maps int, at func(int) int) {
		for i := range maps {
			sum := 0.0
			low, high := s.Holders(i, maps)
			for j := low; j < high; j++ {
				sum += floats(dy)[at(j)] * floats(x)[at(j)] * math.Pow(energy(floats(x), s, j, maps, at), -s.Beta-1)
			}
			floats(dx)[at(i)] = floats(dy)[at(i)]*math.Pow(energy(floats(x), s, i, maps, at), -s.Beta) -
				2*s.Alpha*s.Beta/float64(s.Size)*floats(x)[at(i)]*sum
		}
	})
	return nil
}

// contrast is m_i, d_i and the number of maps in the window of map i.
func contrast(x []float64, s device.LRNSpec, i, maps int, at func(int) int) (mean, divisor, count float64) {
	low, high := s.Window(i, maps)
	count = float64(high - low)
	for j := low; j < high; j++ {
		mean += x[at(j)] / count
	}
	squares := 0.0
	for j := low; j < high; j++ {
		squares += (x[at(j)] - mean) * (x[at(j)] - mean)
	}
	return mean, s.K + s.Alpha/float64(s.Size)*squares, count
}

// ContrastNorm implements device.Normalisation.
func (d *Device) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	acrossMaps(x, func(maps int, at func(int) int) {
		for i := range maps {
			mean, divisor, _ := contrast(floats(x), s, i, maps, at)
			floats(y)[at(i)] = (floats(x)[at(i)] - mean) * math.Pow(divisor, -s.Beta)
		}
	})
	return nil
}

// ContrastNormBackward implements device.Normalisation.
func (d *Device) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	acrossMaps(x, func(maps int, at func(int) int) {
		for j := range maps {
			_, own, _ := contrast(floats(x), s, j, maps, at)
			sum := floats(dy)[at(j)] * math.Pow(own, -s.Beta)
			low, high := s.Holders(j, maps)
			for i := low; i < high; i++ {
				mean, divisor, count := contrast(floats(x), s, i, maps, at)
				e := floats(dy)[at(i)] * math.Pow(divisor, -s.Beta)
				f := -2 * s.Beta * s.Alpha / float64(s.Size) * floats(dy)[at(i)] * (floats(x)[at(i)] - mean) * math.Pow(divisor, -s.Beta-1)
				sum += f*(floats(x)[at(j)]-mean) - e/count
			}
			floats(dx)[at(j)] = sum
		}
	})
	return nil
}

package reference

import (
	"math"

	"fovea/device"
)

// CrossEntropy implements device.Loss.
func (d *Device) CrossEntropy(loss, x, y *device.Tensor) error {
	sum, sample := 0.0, 0
	acrossMaps(x, func(classes int, at func(int) int) {
		sum += logSumExp(floats(x), classes, at) - floats(x)[at(int(labels(y)[sample]))]
		sample++
	})
	floats(loss)[0] = sum / float64(sample)
	return nil
}

// CrossEntropyBackward implements device.Loss.
func (d *Device) CrossEntropyBackward(dx, dloss, x, y *device.Tensor) error {
	sample, samples := 0, float64(y.Size())
	acrossMaps(x, func(classes int, at func(int) int) {
		norm := logSumExp(floats(x), classes, at)
		for c := range classes {
			p := math.Exp(floats(x)[at(c)] - norm)
			if c == int(labels(y)[sample]) {
				p--
			}
			floats(dx)[at(c)] = floats(dloss)[0] * p / samples
		}
		sample++
	})
	return nil
}

// ElementLoss implements device.Loss.
func (d *Device) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	sum := 0.0
	for i, u := range floats(x) {
		v := floats(y)[i]
		switch kind {
		case device.SquaredError:
			sum += (u - v) * (u - v)
		case device.Logistic:
			sum += math.Max(u, 0) - u*v + math.Log1p(math.Exp(-math.Abs(u)))
		case device.Hinge:
			sum += math.Max(0, 1-u*v)
		}
	}
	floats(loss)[0] = sum / float64(x.Size())
	return nil
}

// ElementLossBackward implements device.Loss.
func (d *Device) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	for i, u := range floats(x) {
		v, g := floats(y)[i], 0.0
		switch kind {
		case device.SquaredError:
			g = 2 * (u - v)
		case device.Logistic:
			g = 1/(1+math.Exp(-u)) - v
		case device.Hinge:
			if u*v < 1 {
				g = -v
			}
		}
		floats(dx)[i] = floats(dloss)[0] * g / float64(x.Size())
	}
	return nil
}

// CountCorrect implements device.Loss.
func (d *Device) CountCorrect(count, x, y *device.Tensor) error {
	sample := 0
	acrossMaps(x, func(classes int, at func(int) int) {
		positions := make([]int, classes)
		for c := range positions {
			positions[c] = at(c)
		}
		if chosen(floats(x), positions, device.MaxPool) == at(int(labels(y)[sample])) {
			floats(count)[0]++
		}
		sample++
	})
	return nil
}

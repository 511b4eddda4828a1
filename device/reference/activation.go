package reference

import (
	"math"

	"fovea/device"
	"fovea/device/philox"
)

// Activate implements device.Activation.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	for i, v := range floats(x) {
		floats(y)[i] = activate(v, s)
	}
	return nil
}

func activate(x float64, s device.ActivationSpec) float64 {
	switch s.Kind {
	case device.Step:
		if x > 0 {
			return 1
		}
		return 0
	case device.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	case device.Tanh:
		return math.Tanh(x)
	case device.ReLU:
		if x <= 0 {
			return 0
		}
	case device.LeakyReLU:
		if x <= 0 {
			return s.Alpha * x
		}
	case device.ELU:
		if x <= 0 {
			return s.Alpha * math.Expm1(x)
		}
	}
	return x
}

// ActivateBackward implements device.Activation.
func (d *Device) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	for i, g := range floats(dy) {
		floats(dx)[i] = g * slope(floats(x)[i], floats(y)[i], s)
	}
	return nil
}

// slope is f'(x), where y = f(x).
func slope(x, y float64, s device.ActivationSpec) float64 {
	switch s.Kind {
	case device.Step:
		return 0
	case device.Sigmoid:
		return y * (1 - y)
	case device.Tanh:
		return 1 - y*y
	case device.ReLU:
		if x <= 0 {
			return 0
		}
	case device.LeakyReLU:
		if x <= 0 {
			return s.Alpha
		}
	case device.ELU:
		if x <= 0 {
			return y + s.Alpha
		}
	}
	return 1
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	for i := range floats(y) {
		floats(y)[i] = floats(x)[winner(y, x, i, pieces)]
	}
	return nil
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	clear64(floats(dx))
	for i, g := range floats(dy) {
		floats(dx)[winner(y, x, i, pieces)] += g
	}
	return nil
}

// winner is the position in x of the piece that output element i takes.
func winner(y, x *device.Tensor, i, pieces int) int {
	_, _, inner := device.Channels(y.Shape)
	candidates := make([]int, pieces)
	for j := range candidates {
		candidates[j] = (i/inner*pieces+j)*inner + i%inner
	}
	return chosen(floats(x), candidates, device.MaxPool)
}

// Softmax implements device.Activation.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	acrossMaps(x, func(classes int, at func(int) int) {
		norm := logSumExp(floats(x), classes, at)
		for c := range classes {
			floats(y)[at(c)] = floats(x)[at(c)] - norm
			if !logarithm {
				floats(y)[at(c)] = math.Exp(floats(y)[at(c)])
			}
		}
	})
	return nil
}

func logSumExp(x []float64, classes int, at func(int) int) float64 {
	largest, sum := math.Inf(-1), 0.0
	for c := range classes {
		largest = math.Max(largest, x[at(c)])
	}
	for c := range classes {
		sum += math.Exp(x[at(c)] - largest)
	}
	return largest + math.Log(sum)
}

// SoftmaxBackward implements device.Activation.
func (d *Device) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	acrossMaps(y, func(classes int, at func(int) int) {
		sum, product := 0.0, 0.0
		for c := range classes {
			sum += floats(dy)[at(c)]
			product += floats(dy)[at(c)] * floats(y)[at(c)]
		}
		for c := range classes {
			if logarithm {
				floats(dx)[at(c)] = floats(dy)[at(c)] - math.Exp(floats(y)[at(c)])*sum
			} else {
				floats(dx)[at(c)] = floats(y)[at(c)] * (floats(dy)[at(c)] - product)
			}
		}
	})
	return nil
}

// Dropout implements device.Activation.
func (d *Device) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	for i, v := range floats(x) {
		floats(y)[i] = 0
		if stream.Four(uint64(i / 4))[i%4] >= device.DropThreshold(rate) {
			floats(y)[i] = v / (1 - rate)
		}
	}
	return nil
}

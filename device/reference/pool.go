package reference

import (
	"math"

	"fovea/device"
)

// Pool implements device.Pooling.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	forEachWindow(y, x, s, func(yi int, window []int, counted int) {
		if s.Kind == device.AveragePool {
			sum := 0.0
			for _, xi := range window {
				sum += floats(x)[xi]
			}
			floats(y)[yi] = sum / float64(counted)
			return
		}
		floats(y)[yi] = floats(x)[chosen(floats(x), window, s.Kind)]
	})
	return nil
}

// PoolBackward implements device.Pooling.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	clear64(floats(dx))
	forEachWindow(y, x, s, func(yi int, window []int, counted int) {
		if s.Kind == device.AveragePool {
			for _, xi := range window {
				floats(dx)[xi] += floats(dy)[yi] / float64(counted)
			}
			return
		}
		floats(dx)[chosen(floats(x), window, s.Kind)] += floats(dy)[yi]
	})
	return nil
}

// chosen is the first largest (smallest) element of a window, or its first NaN.
func chosen(x []float64, window []int, kind device.PoolKind) int {
	best := window[0]
	for _, i := range window[1:] {
		if math.IsNaN(x[best]) {
			break
		}
		if math.IsNaN(x[i]) || (kind == device.MaxPool && x[i] > x[best]) || (kind == device.MinPool && x[i] < x[best]) {
			best = i
		}
	}
	return best
}

// forEachWindow visits each output element with the input elements of its window and the divisor of its mean.
func forEachWindow(y, x *device.Tensor, s device.PoolSpec, visit func(yi int, window []int, counted int)) {
	var window []int
	for n := range y.Shape[0] {
		for c := range y.Shape[1] {
			for p := range y.Shape[2] {
				for q := range y.Shape[3] {
					top, bottom, rows := s.WindowAt(0, p, x.Shape[2])
					left, right, cols := s.WindowAt(1, q, x.Shape[3])
					window = window[:0]
					for i := top; i < bottom; i++ {
						for j := left; j < right; j++ {
							window = append(window, at(x.Shape, n, c, i, j))
						}
					}
					counted := len(window)
					if s.CountPadding {
						counted = rows * cols
					}
					visit(at(y.Shape, n, c, p, q), window, counted)
				}
			}
		}
	}
}

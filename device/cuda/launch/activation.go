package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// Activate: y = f(x), n elements; y may be x.
func Activate(y, x uint64, n int, f device.ActivationSpec, t Type) Launch {
	return launch(name("activate", "", t), t.packs(n), pointer(y), pointer(x), long(n), integer(int(f.Kind)), float(f.Alpha))
}

// ActivateBackward: dx = dy * f'(x); dx may be dy. What the slope does not need is not read: x for Sigmoid and Tanh, y for
// ReLU and LeakyReLU, both for Step and Identity.
func ActivateBackward(dx, dy, x, y uint64, n int, f device.ActivationSpec, t Type) Launch {
	return launch(name("activate_backward", "", t), t.packs(n), pointer(dx), pointer(dy), pointer(x), pointer(y), long(n), integer(int(f.Kind)), float(f.Alpha))
}

// Maxout writes y of shape shape from x with so many times its channels.
func Maxout(y, x uint64, shape tensor.Shape, pieces int, t Type) Launch {
	n, inner := spread(shape)
	return launch(name("maxout", "", t), [2]int{ceil(n, threads), 1}, pointer(y), pointer(x), long(n), long(inner), integer(pieces))
}

// MaxoutBackward writes all of dx; shape is dy's.
func MaxoutBackward(dx, dy, x uint64, shape tensor.Shape, pieces int, t Type) Launch {
	n, inner := spread(shape)
	return launch(name("maxout_backward", "", t), [2]int{ceil(n, threads), 1}, pointer(dx), pointer(dy), pointer(x), long(n), long(inner), integer(pieces))
}

func spread(shape tensor.Shape) (n, inner int) {
	_, _, inner = lies(shape)
	return device.Size(shape), inner
}

// classes is struct Classes of classes.cuh.
type classes struct {
	rows, inner    int64
	classes, lanes int32
	perBlock       int64
}

// byClasses gives each place a group of threads; blocks is how many there are, at most limit.
func byClasses(shape tensor.Shape, limit int) (g classes, blocks int) {
	outer, channels, inner := lies(shape)
	lanes := 1
	if inner == 1 {
		lanes = 32
		if channels > 256 {
			lanes = threads
		}
	}
	rows := outer * inner
	perBlock := threads / lanes
	perBlock *= max(1, ceil(rows, perBlock*limit))
	return classes{int64(rows), int64(inner), int32(channels), int32(lanes), int64(perBlock)}, ceil(rows, perBlock)
}

const unlimited = 1 << 30

// Softmax over the channels, or its logarithm.
func Softmax(y, x uint64, shape tensor.Shape, logarithm bool, t Type) Launch {
	g, blocks := byClasses(shape, unlimited)
	return launch(name("softmax", "", t), [2]int{blocks, 1}, pointer(y), pointer(x), arg(g), flag(logarithm))
}

// SoftmaxBackward is its gradient; y is what Softmax wrote.
func SoftmaxBackward(dx, dy, y uint64, shape tensor.Shape, logarithm bool, t Type) Launch {
	g, blocks := byClasses(shape, unlimited)
	return launch(name("softmax_backward", "", t), [2]int{blocks, 1}, pointer(dx), pointer(dy), pointer(y), arg(g), flag(logarithm))
}

// mapOf is struct Map of activation.cu.
type mapOf struct{ elements, places, channels int64 }

// Dropout keeps an element where its number of the stream is at least the threshold of the rate. live may be 0, or point to
// a philox.Stream in device memory that is used instead, so that a recorded graph can be replayed with another.
func Dropout(y, x uint64, shape tensor.Shape, rate float64, stream philox.Stream, live uint64, t Type) Launch {
	n := device.Size(shape)
	random := []argument{arg(stream), pointer(live), arg(device.DropThreshold(rate)), float(1 / (1 - rate))}
	if len(shape) == 4 && shape[1] > 1 && shape[2]*shape[3] > 1 {
		places, channels := shape[2]*shape[3], shape[1]
		workers := shape[0] * channels * ceil(places, 4)
		return launch(name("dropout_map", "", t), [2]int{ceil(workers, threads), 1},
			append([]argument{pointer(y), pointer(x), arg(mapOf{int64(n), int64(places), int64(channels)})}, random...)...)
	}
	return launch(name("dropout", "", t), t.packs(n), append([]argument{pointer(y), pointer(x), long(n)}, random...)...)
}

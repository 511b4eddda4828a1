package cpu

import (
	"fmt"
	"math/bits"

	"gorgonia.org/tensor"

	"fovea/device"
)

// buffer is a piece of memory as long as its size class.
type buffer[T float32 | int32] struct {
	all     []T  // the whole class
	data    []T  // what its tensor uses of it
	blocked bool // a feature map in blocks of channels, see layout.go
}

// pool keeps released buffers by size class. A request takes the smallest one that is large enough: then a step that
// repeats, or a smaller one like an epoch's last batch, never needs more than the step before left behind. (For every
// size, as many buffers of at least that size are free as were at the same point of that step, whatever it chose then.)
type pool[T float32 | int32] struct {
	free [classes][]*buffer[T]
}

// classes: eight for every doubling, so that at most an eighth of a buffer is wasted by rounding.
const classes = 8 * 64

// classOf is the smallest class that holds n elements, and how many it holds.
func classOf(n int) (class, size int) {
	n = max(n, 64)
	shift := bits.Len(uint(n-1)) - 4
	top := (n + 1<<shift - 1) >> shift // 8 < top <= 16
	return shift*8 + top - 8, top << shift
}

func (p *pool[T]) get(n int, stats *device.Stats) *buffer[T] {
	class, size := classOf(n)
	for c := class; c < classes; c++ {
		if last := len(p.free[c]) - 1; last >= 0 {
			b := p.free[c][last]
			p.free[c] = p.free[c][:last]
			b.data, b.blocked = b.all[:n], false
			return b
		}
	}
	b := &buffer[T]{all: make([]T, size)}
	b.data = b.all[:n]
	stats.SystemAllocations++
	stats.SystemBytes += int64(size) * 4
	return b
}

func (p *pool[T]) put(b *buffer[T]) {
	class, _ := classOf(len(b.all))
	p.free[class] = append(p.free[class], b)
}

// New implements device.Memory.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	n := device.Size(shape)
	var handle any
	switch dtype {
	case tensor.Float32:
		handle = d.floats.get(n, &d.stats)
	case tensor.Int32:
		handle = d.labels.get(n, &d.stats)
	default:
		return nil, fmt.Errorf("%w: %v, the cpu device has float32 and int32", device.ErrDType, dtype)
	}
	return d.live(shape, dtype, handle), nil
}

// live counts a new tensor.
func (d *Device) live(shape tensor.Shape, dtype tensor.Dtype, handle any) *device.Tensor {
	d.stats.LiveTensors++
	d.stats.LiveBytes += int64(device.Size(shape)) * 4
	d.stats.PeakBytes = max(d.stats.PeakBytes, d.stats.LiveBytes)
	return device.NewTensor(d, shape, dtype, handle)
}

// Free implements device.Memory.
func (d *Device) Free(t *device.Tensor) {
	switch b := t.Handle.(type) {
	case *buffer[float32]:
		d.floats.put(b)
	case *buffer[int32]:
		d.labels.put(b)
	}
	d.stats.LiveTensors--
	d.stats.LiveBytes -= int64(t.Size()) * 4
}

// Upload implements device.Memory.
func (d *Device) Upload(dst *device.Tensor, src any) error {
	if blocked(dst) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Upload(t[0], src) }, dst)
	}
	switch to := dst.Handle.(type) {
	case *buffer[float32]:
		switch from := src.(type) {
		case []float32:
			if len(from) == len(to.data) {
				copy(out(dst), from)
				return nil
			}
		case []float64:
			if len(from) == len(to.data) {
				for i, v := range from {
					out(dst)[i] = float32(v)
				}
				return nil
			}
		}
	case *buffer[int32]:
		if from, ok := src.([]int32); ok && len(from) == len(to.data) {
			copy(to.data, from)
			return nil
		}
	}
	return device.TransferError("upload", dst, src)
}

// Download implements device.Memory.
func (d *Device) Download(dst any, src *device.Tensor) error {
	if blocked(src) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.Download(dst, t[0]) }, src)
	}
	switch from := src.Handle.(type) {
	case *buffer[float32]:
		switch to := dst.(type) {
		case []float32:
			if len(from.data) == len(to) {
				copy(to, from.data)
				return nil
			}
		case []float64:
			if len(from.data) == len(to) {
				for i, v := range from.data {
					to[i] = float64(v)
				}
				return nil
			}
		}
	case *buffer[int32]:
		if to, ok := dst.([]int32); ok && len(from.data) == len(to) {
			copy(to, from.data)
			return nil
		}
	}
	return device.TransferError("download", src, dst)
}

// floats is the memory of a tensor of real numbers that is to be read, nil for no tensor.
func floats(t *device.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.Handle.(*buffer[float32]).data
}

// out is the memory of a tensor of real numbers that is to be written, nil for no tensor.
func out(t *device.Tensor) []float32 { return floats(t) }

func labels(t *device.Tensor) []int32 { return t.Handle.(*buffer[int32]).data }

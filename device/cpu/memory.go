package cpu

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/kernels/amd64"
)

// buffer is the memory of a tensor.
type buffer[T float32 | int32] struct {
	data    []T
	blocked bool   // a feature map in blocks of channels, see layout.go
	written uint64 // when last, by the clock, see forms.go
	forms   map[formKey]*form
	piece   extent // of its arena
}

// pool is where buffers come from and go back to. Numbers have an arena of their own, so that a loss that somebody keeps does
// not stand in the way of a feature map.
type pool[T float32 | int32] struct {
	numbers, arrays arena
	idle            []*buffer[T] // records without memory
}

func newPool[T float32 | int32]() pool[T] {
	return pool[T]{numbers: arena{first: 1 << 16}, arrays: arena{first: 16 << 20}}
}

const (
	numberBytes = 256
	// stagger is added to large buffers: their sizes are often multiples of 4096, and reads and writes at addresses that are
	// equal modulo 4096 wait for each other and fall into one set of the first-level cache.
	largeBytes = 1 << 16
	stagger    = 7 * cacheLine
)

func (p *pool[T]) arena(bytes int) *arena {
	if bytes <= numberBytes {
		return &p.numbers
	}
	return &p.arrays
}

// get returns a buffer of n elements of undefined contents. It panics when the system has no memory; try says so.
func (p *pool[T]) get(n int, stats *device.Stats) *buffer[T] {
	b, err := p.try(n, stats)
	if err != nil {
		panic(err)
	}
	return b
}

func (p *pool[T]) try(n int, stats *device.Stats) (*buffer[T], error) {
	bytes := max(cacheLine, (n*4+cacheLine-1)/cacheLine*cacheLine)
	if bytes >= largeBytes {
		bytes += stagger
	}
	piece, memory, err := p.arena(bytes).take(bytes, stats)
	if err != nil {
		return nil, err
	}
	var b *buffer[T]
	if last := len(p.idle) - 1; last >= 0 {
		b, p.idle = p.idle[last], p.idle[:last]
	} else {
		b = new(buffer[T])
	}
	*b = buffer[T]{data: unsafe.Slice((*T)(memory), n), piece: piece}
	return b, nil
}

func (p *pool[T]) put(b *buffer[T]) {
	p.arena(b.piece.to - b.piece.from).give(b.piece)
	*b = buffer[T]{}
	p.idle = append(p.idle, b)
}

func (p *pool[T]) close(stats *device.Stats) error {
	p.idle = nil
	return errors.Join(p.numbers.close(stats), p.arrays.close(stats))
}

// New implements device.Memory.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	n := device.Size(shape)
	var handle any
	var err error
	switch dtype {
	case tensor.Float32:
		handle, err = d.floats.try(n, &d.stats)
	case tensor.Int32:
		handle, err = d.labels.try(n, &d.stats)
	default:
		err = fmt.Errorf("%w: %v, the cpu device has float32 and int32", device.ErrDType, dtype)
	}
	if err != nil {
		return nil, err
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
		d.dropForms(b)
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
				elements := out(dst)
				d.elements(len(from), func(first, last int) { move(elements[first:last], from[first:last]) })
				return nil
			}
		case []float64:
			if len(from) == len(to.data) {
				elements := out(dst)
				for i, v := range from {
					elements[i] = float32(v)
				}
				return nil
			}
		}
	case *buffer[int32]:
		if from, ok := src.([]int32); ok && len(from) == len(to.data) {
			move(to.data, from)
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
				move(to, from.data) // by the caller alone: a tensor may outlive the device, and so its workers
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
			move(to, from.data)
			return nil
		}
	}
	return device.TransferError("download", src, dst)
}

// longestMove is how many elements are copied at a time, within which the collector cannot stop us: some tens of microseconds.
const longestMove = 1 << 16

// move is copy of two slices of one length that lets the collector stop us.
func move[T any](to, from []T) {
	for len(from) > 0 {
		n := amd64.Piece(len(from), longestMove)
		copy(to, from[:n])
		to, from = to[n:], from[n:]
	}
}

// floats is the memory of a tensor of real numbers that is to be read, nil for no tensor.
func floats(t *device.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.Handle.(*buffer[float32]).data
}

// out is the memory of a tensor of real numbers that is to be written, nil for no tensor.
func out(t *device.Tensor) []float32 {
	if t == nil {
		return nil
	}
	b := t.Handle.(*buffer[float32])
	touch(b)
	return b.data
}

func labels(t *device.Tensor) []int32 { return t.Handle.(*buffer[int32]).data }

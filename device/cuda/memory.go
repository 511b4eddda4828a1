//go:build cuda

package cuda

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"gorgonia.org/cu"
	"gorgonia.org/tensor"

	"fovea/device"
)

// buffer is a piece of the GPU's memory, as long as its size class.
type buffer struct {
	at    C.CUdeviceptr
	bytes int64
}

// pool keeps released buffers by size class, over the driver's stream-ordered memory. Since everything that touches a
// buffer is queued in one stream, it may be handed out again while the work of its last owner is still to run.
type pool struct {
	mu   sync.Mutex // callers take and give; the worker drops
	free [classes][]*buffer
	// All memory that the driver has given, in tensors or not; the worker's.
	held map[C.CUdeviceptr]int64
}

// classes: eight for every doubling, so that at most an eighth of a buffer is wasted by rounding.
const classes = 8 * 64

// classOf is the smallest class that holds so many bytes, and how many it holds: a multiple of 256, which is how the
// driver aligns what it hands out.
func classOf(bytes int64) (class int, size int64) {
	n := max(bytes, 2048)
	shift := bits.Len64(uint64(n-1)) - 4
	top := (n + 1<<shift - 1) >> shift // 8 < top <= 16
	return shift*8 + int(top) - 8, top << shift
}

// A request may take a larger buffer than it needs, but of a large one not one that is more than twice as large.
const always = 1 << 20

func (p *pool) get(d *Device, bytes int64) (*buffer, error) {
	class, size := classOf(bytes)
	if b := p.take(class, size); b != nil {
		return b, nil
	}
	at, err := d.fromSystem(size, bytes)
	if err != nil {
		return nil, err
	}
	return &buffer{at, size}, nil
}

// take is the smallest free buffer that will do, or nil.
func (p *pool) take(class int, size int64) *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := class; c < classes; c++ {
		if last := len(p.free[c]) - 1; last >= 0 {
			b := p.free[c][last]
			if b.bytes > always && b.bytes > 2*size {
				break
			}
			p.free[c] = p.free[c][:last]
			return b
		}
	}
	return nil
}

func (p *pool) put(b *buffer) {
	class, _ := classOf(b.bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[class] = append(p.free[class], b)
}

// drop gives every free buffer back to the driver. The worker calls it.
func (p *pool) drop(d *Device) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, list := range p.free {
		for _, b := range list {
			if err := d.systemFree(b); err != nil {
				return err
			}
		}
		p.free[c] = nil
	}
	return nil
}

// fromSystem asks the driver for memory for the pool.
func (d *Device) fromSystem(size, asked int64) (at C.CUdeviceptr, err error) {
	err = d.queue.do("", func() error {
		at, err = d.systemMemory(size)
		if isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) {
			return fmt.Errorf("%d bytes asked for: %w", asked, err)
		}
		return err
	})
	return at, err
}

// systemMemory asks the driver for memory, on the worker. If it has none, the pool's free buffers go back, and it is asked
// once more.
func (d *Device) systemMemory(size int64) (at C.CUdeviceptr, err error) {
	// While a stream is captured, memory of its own would become a part of the graph: the other stream hands it out.
	stream := d.stream
	if d.capture.active {
		stream = d.copies
	}
	allocate := func() error { return check("cuMemAllocAsync", C.cuMemAllocAsync(&at, C.size_t(size), stream)) }
	err = allocate()
	if isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) && !d.capture.active {
		if failed := d.pool.drop(d); failed != nil {
			return 0, failed
		}
		if failed := d.queue.wait(); failed != nil {
			return 0, failed
		}
		err = allocate()
	}
	if err == nil && d.capture.active {
		err = check("cuStreamSynchronize", C.cuStreamSynchronize(stream))
	}
	if isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) {
		free, total, unknown := cu.MemInfo()
		if unknown != nil {
			free, total = -1, -1
		}
		return 0, fmt.Errorf("out of memory on %s: %d bytes in use by tensors, %d free of the GPU's %d: %w (a smaller batch needs less)",
			d.Name(), d.system.live.Load(), free, total, err)
	}
	if err == nil {
		d.system.add(size)
		d.pool.held[at] = size
	}
	return at, err
}

// systemFree gives memory back when the work queued before is done, on the worker.
func (d *Device) systemFree(b *buffer) error {
	d.system.bytes.Add(-b.bytes)
	delete(d.pool.held, b.at)
	return check("cuMemFreeAsync", C.cuMemFreeAsync(b.at, d.stream))
}

// everything gives all memory back, that of tensors never released too. The worker calls it at the end.
func (p *pool) everything(d *Device) error {
	var errs []error
	for at, bytes := range p.held {
		errs = append(errs, d.systemFree(&buffer{at, bytes}))
	}
	return errors.Join(errs...)
}

// New implements device.Memory.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	if dtype != tensor.Float32 && dtype != tensor.Int32 {
		return nil, fmt.Errorf("%w: %v, the cuda device has float32 and int32", device.ErrDType, dtype)
	}
	bytes := int64(device.Size(shape)) * 4
	b, err := d.pool.get(d, bytes)
	if err != nil {
		return nil, err
	}
	d.stats.LiveTensors++
	d.stats.LiveBytes += bytes
	d.stats.PeakBytes = max(d.stats.PeakBytes, d.stats.LiveBytes)
	d.system.live.Store(d.stats.LiveBytes)
	return device.NewTensor(d, shape, dtype, b), nil
}

// Free implements device.Memory.
func (d *Device) Free(t *device.Tensor) {
	d.pool.put(t.Handle.(*buffer))
	d.stats.LiveTensors--
	d.stats.LiveBytes -= int64(t.Size()) * 4
	d.system.live.Store(d.stats.LiveBytes)
}

// counters are the part of the statistics that the worker keeps or reads.
type counters struct{ allocations, bytes, live atomic.Int64 }

func (c *counters) add(bytes int64) {
	c.allocations.Add(1)
	c.bytes.Add(bytes)
}

// address is where a tensor lies; 0 for no tensor.
func address(t *device.Tensor) uint64 {
	if t == nil {
		return 0
	}
	return uint64(t.Handle.(*buffer).at)
}

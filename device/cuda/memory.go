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
	"fovea/device/cuda/launch"
)

// ErrMemory says that the GPU, or the host's memory that it can reach, has no room.
var ErrMemory = errors.New("out of memory")

// buffer is a piece of the GPU's memory, as long as its size class.
type buffer struct {
	at    C.CUdeviceptr
	bytes int64

	// Of a tensor:
	storage launch.Type
	written int64   // the number of its last write, of all writes on the device
	rounded *kept   // as bfloat16; nil: none
	folded  *folded // as weights, with a normalisation; nil: none
}

// idle is a buffer that nobody uses.
type idle struct {
	*buffer
	since int64 // jobs that were in the queue before it was released; later ones do not use it
}

// pool keeps released buffers by size class, over the driver's stream-ordered memory. Since everything that touches a
// buffer is queued in one stream, it may be handed out again while the work of its last owner is still to run.
//
// A request takes the smallest buffer that is large enough, as in device/cpu/memory.go, where it is argued that a step which
// repeats, or a smaller one like an epoch's last batch, then never needs more than the step before left behind.
type pool struct {
	queue *queue
	mu    sync.Mutex // callers take and give; the worker drops
	free  [classes][]idle
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

func (p *pool) get(d *Device, bytes int64) (*buffer, error) {
	class, size := classOf(bytes)
	if b := p.take(class); b != nil {
		return b, nil
	}
	b := &buffer{bytes: size}
	err := d.queue.do("", func() (err error) {
		b.at, err = d.systemMemory(size)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// take is the smallest free buffer of the class or above, or nil.
func (p *pool) take(class int) *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := class; c < classes; c++ {
		if last := len(p.free[c]) - 1; last >= 0 {
			b := p.free[c][last].buffer
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
	p.free[class] = append(p.free[class], idle{b, p.queue.sent.Load()})
}

// drop takes free buffers out of the pool by free: those that no job uses after the first done ones.
func (p *pool) drop(done int64, free func(b *buffer) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, list := range p.free {
		var kept []idle
		for i, b := range list {
			if b.since > done {
				kept = append(kept, b)
				continue
			}
			if err := free(b.buffer); err != nil {
				p.free[c] = append(kept, list[i:]...)
				return err
			}
		}
		p.free[c] = kept
	}
	return nil
}

// allocate asks the driver for memory, on the worker. If it has none, what lies unused here goes back, and it is asked once
// more.
func (d *Device) allocate(ask func() error) error {
	err := ask()
	if !isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) {
		return err
	}
	if failed := d.relieve(); failed != nil {
		return errors.Join(err, failed)
	}
	return ask()
}

// relieve gives the pool's free buffers and the workspace back to the driver, as far as nothing needs them that is still to
// be queued, or is in the graph that is being captured.
func (d *Device) relieve() error {
	if d.capture.active { // a stream-ordered free would become a part of the graph; this one waits for the steps before
		return d.pool.drop(d.capture.begun, func(b *buffer) error {
			return d.freed(b, check("cuMemFree", C.cuMemFree(b.at)))
		})
	}
	if err := d.pool.drop(d.queue.issued, d.systemFree); err != nil {
		return err
	}
	if space := d.dnn.space; space != nil {
		if err := d.systemFree(space); err != nil {
			return err
		}
		d.dnn.space = nil
	}
	return d.queue.wait()
}

// systemMemory asks the driver for memory for the pool, on the worker.
func (d *Device) systemMemory(size int64) (at C.CUdeviceptr, err error) {
	// While a stream is captured, memory of its own would become a part of the graph: the other stream hands it out.
	stream := d.stream
	if d.capture.active {
		stream = d.copies
	}
	if err := d.allocate(func() error { return check("cuMemAllocAsync", C.cuMemAllocAsync(&at, C.size_t(size), stream)) }); err != nil {
		return 0, d.noRoom(size, err)
	}
	d.system.add(size)
	d.pool.held[at] = size
	if !d.capture.active {
		return at, nil
	}
	if err := check("cuStreamSynchronize", C.cuStreamSynchronize(stream)); err != nil {
		return 0, errors.Join(err, d.systemFree(&buffer{at: at, bytes: size}))
	}
	return at, nil
}

// noRoom says of a failure to get memory how full the GPU is.
func (d *Device) noRoom(asked int64, err error) error {
	if !isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) {
		return err
	}
	text := "how much is free is not known"
	if free, total, unknown := cu.MemInfo(); unknown == nil {
		text = fmt.Sprintf("%d are free of the GPU's %d", free, total)
	}
	return fmt.Errorf("%w on %s: %d bytes asked for, %d in use by tensors, %s (a smaller batch needs less): %w",
		ErrMemory, d.Name(), asked, d.system.live.Load(), text, err)
}

// systemFree gives memory back when the work queued before is done, on the worker.
func (d *Device) systemFree(b *buffer) error {
	if d.capture.active {
		d.capture.retired = append(d.capture.retired, func() error { return d.systemFree(b) })
		return nil
	}
	return d.freed(b, check("cuMemFreeAsync", C.cuMemFreeAsync(b.at, d.stream)))
}

// freed notes that a buffer went back, if it did.
func (d *Device) freed(b *buffer, err error) error {
	if err == nil {
		d.system.bytes.Add(-b.bytes)
		delete(d.pool.held, b.at)
	}
	return err
}

// everything gives all memory back, that of tensors never released too. The worker calls it at the end.
func (p *pool) everything(d *Device) error {
	var errs []error
	for at, bytes := range p.held {
		errs = append(errs, d.systemFree(&buffer{at: at, bytes: bytes}))
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
	return d.newStored(shape, dtype, launch.F32)
}

// Free implements device.Memory.
func (d *Device) Free(t *device.Tensor) {
	b := t.Handle.(*buffer)
	d.forget(b, d.pool.put)
	d.pool.put(b)
	d.stats.LiveTensors--
	d.live(-int64(t.Size() * storage(t).Bytes()))
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

//go:build cuda

package cuda

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// staging is how data comes in without stopping the GPU: a ring of slots, each with pinned memory on the host and a copy of
// it on the GPU. While the GPU computes with one batch, the next is copied to another slot on a stream of its own; the
// computing stream then waits for the copy and lays the elements out where they belong.
type staging struct {
	slots []*slot
	next  int
	used  int    // by the step that is being captured
	out   pinned // for downloads
}

// slotsAtFirst hold the pictures and the labels of two batches.
const slotsAtFirst = 4

// slot is one place of the ring.
type slot struct {
	pinned
	gpu      C.CUdeviceptr
	copied   C.CUevent // the GPU has what the host wrote
	consumed C.CUevent // the GPU needs the slot no more
	open     bool      // what needs the slot is queued, the event is not; after a failure it stays so
}

// pinned is memory of the host that the GPU can read and write by itself.
type pinned struct {
	host  unsafe.Pointer
	bytes int64
}

// Larger transfers go through the ring in pieces.
const slotMax = 64 << 20

// turn is the slot for the next transfer. A captured step needs one for each: none is free again before its graph has run.
func (s *staging) turn(captured bool) *slot {
	for len(s.slots) < slotsAtFirst {
		s.slots = append(s.slots, &slot{})
	}
	if captured {
		if s.used == len(s.slots) {
			s.slots = slices.Insert(s.slots, s.next, &slot{})
		}
		s.used++
	}
	now := s.slots[s.next]
	s.next = (s.next + 1) % len(s.slots)
	return now
}

// reserve makes the memory at least so large, on the worker. What it held is lost.
func (p *pinned) reserve(d *Device, bytes int64) error {
	if bytes <= p.bytes {
		return nil
	}
	_, size := classOf(bytes)
	if err := p.release(); err != nil {
		return err
	}
	if err := d.allocate(func() error { return check("cuMemHostAlloc", C.cuMemHostAlloc(&p.host, C.size_t(size), 0)) }); err != nil {
		p.host = nil
		if isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) {
			err = fmt.Errorf("%w on the host: %d bytes of pinned memory asked for: %w", ErrMemory, size, err)
		}
		return err
	}
	p.bytes = size
	return nil
}

// release gives the memory back. Nothing may be on its way to or from it.
func (p *pinned) release() error {
	if p.host == nil {
		return nil
	}
	err := check("cuMemFreeHost", C.cuMemFreeHost(p.host))
	if err == nil {
		*p = pinned{}
	}
	return err
}

// reserve makes a slot at least so large, on the worker.
func (s *slot) reserve(d *Device, bytes int64) error {
	for _, e := range []*C.CUevent{&s.copied, &s.consumed} {
		if *e == nil {
			if err := check("cuEventCreate", C.cuEventCreate(e, C.CU_EVENT_DISABLE_TIMING)); err != nil {
				return err
			}
		}
	}
	if bytes <= s.bytes && s.gpu != 0 {
		return nil
	}
	if err := s.retire(d); err != nil {
		return err
	}
	if err := s.pinned.reserve(d, bytes); err != nil {
		return err
	}
	if err := d.allocate(func() error { return check("cuMemAlloc", C.cuMemAlloc(&s.gpu, C.size_t(s.bytes))) }); err != nil {
		s.gpu = 0
		return d.noRoom(s.bytes, err)
	}
	d.system.add(s.bytes)
	return nil
}

// retire gives a slot's memory back, which may be on its way still, or in the graph that is being captured.
func (s *slot) retire(d *Device) error {
	if s.gpu == 0 {
		return nil
	}
	if d.capture.active {
		old := &slot{pinned: s.pinned, gpu: s.gpu}
		d.capture.retired = append(d.capture.retired, func() error { return old.retire(d) })
		s.pinned, s.gpu = pinned{}, 0
		return nil
	}
	if err := d.quiet(); err != nil {
		return err
	}
	return s.release(d)
}

// release is retire without waiting.
func (s *slot) release(d *Device) error {
	if s.gpu != 0 {
		if err := check("cuMemFree", C.cuMemFree(s.gpu)); err != nil {
			return err
		}
		s.gpu = 0
		d.system.bytes.Add(-s.bytes)
	}
	return s.pinned.release()
}

// quiet waits until nothing is on its way.
func (d *Device) quiet() error {
	if err := check("cuStreamSynchronize", C.cuStreamSynchronize(d.copies)); err != nil {
		return err
	}
	return d.queue.wait()
}

// settle closes slots that a failure has left open, before a step is captured: in it nobody can wait.
func (s *staging) settle(d *Device) error {
	for _, slot := range s.slots {
		if slot.open {
			if err := d.quiet(); err != nil {
				return err
			}
			slot.open = false
		}
	}
	return nil
}

// release gives everything back, when all work is done. The worker calls it.
func (s *staging) release(d *Device) error {
	errs := []error{s.out.release()}
	for _, slot := range s.slots {
		errs = append(errs, slot.release(d))
		for _, e := range []*C.CUevent{&slot.copied, &slot.consumed} {
			if *e != nil {
				errs = append(errs, check("cuEventDestroy", C.cuEventDestroy(*e)))
				*e = nil
			}
		}
	}
	return errors.Join(errs...)
}

// Upload implements device.Memory.
func (d *Device) Upload(dst *device.Tensor, src any) error {
	from, ok := hostBytes(src, dst)
	if !ok {
		return device.TransferError("upload", dst, src)
	}
	if dst.Size() == 0 {
		return nil
	}
	d.overwrite(dst, d.pool.put)
	if launch.RowMajorAnyway(dst.Shape) { // any piece of it can be laid down alone
		for at := int64(0); at < int64(dst.Size())*4; at += slotMax {
			n := min(slotMax, int64(dst.Size())*4-at)
			if err := d.uploadPart(n, func(host []byte) { from(host, int(at/4)) }, func(gpu uint64) error {
				if t := storage(dst); t != launch.F32 {
					return d.launch("upload", launch.Cast(address(dst)+uint64(at/4)*uint64(t.Bytes()), gpu, int(n/4), t, launch.F32))
				}
				return d.copyBytes("upload", address(dst)+uint64(at), gpu, n)
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return d.uploadPart(int64(dst.Size())*4, func(host []byte) { from(host, 0) }, func(gpu uint64) error {
		return d.launch("upload", launch.ToChannelsLast(address(dst), gpu, dst.Shape, storage(dst), launch.F32))
	})
}

// uploadPart fills a slot by write, sends it, and queues what place does with it on the GPU.
func (d *Device) uploadPart(bytes int64, write func(host []byte), place func(gpu uint64) error) error {
	s := d.staging.turn(d.capture.active)
	err := d.queue.do("upload", func() error {
		if s.gpu != 0 {
			// Two batches ago: done long since, unless the host is far ahead of the GPU.
			status := C.cuEventQuery(s.copied)
			if status == C.CUDA_ERROR_NOT_READY {
				status = C.cuEventSynchronize(s.copied)
			}
			if err := check("cuEventSynchronize", status); err != nil {
				return err
			}
		}
		if s.open && !d.capture.active {
			if err := d.quiet(); err != nil {
				return err
			}
		}
		for _, s := range d.staging.slots { // all alike, so that the ring stops growing with the first batch
			if err := s.reserve(d, bytes); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	write(unsafe.Slice((*byte)(s.host), bytes))
	arrive := func() error {
		return check("cuStreamWaitEvent", C.cuStreamWaitEvent(d.stream, s.copied, 0))
	}
	if err := d.queue.post("upload", func() error {
		s.open = true
		if err := check("cuStreamWaitEvent", C.cuStreamWaitEvent(d.copies, s.consumed, 0)); err != nil {
			return err
		}
		if err := check("cuMemcpyHtoDAsync", C.cuMemcpyHtoDAsync(s.gpu, s.host, C.size_t(bytes), d.copies)); err != nil {
			return err
		}
		if err := check("cuEventRecord", C.cuEventRecord(s.copied, d.copies)); err != nil {
			return err
		}
		if d.capture.active {
			d.capture.before = append(d.capture.before, arrive)
			return nil
		}
		return arrive()
	}); err != nil {
		return err
	}
	if err := place(uint64(s.gpu)); err != nil {
		return err
	}
	return d.queue.post("upload", func() error {
		mark := func() error {
			err := check("cuEventRecord", C.cuEventRecord(s.consumed, d.stream))
			s.open = err != nil
			return err
		}
		if d.capture.active {
			d.capture.after = append(d.capture.after, mark)
			return nil
		}
		return mark()
	})
}

// Download implements device.Memory.
func (d *Device) Download(dst any, src *device.Tensor) error {
	into, ok := fromBytes(dst, src)
	if !ok {
		return device.TransferError("download", src, dst)
	}
	if src.Size() == 0 {
		return d.Synchronize()
	}
	at := address(src)
	if !launch.RowMajorAnyway(src.Shape) || storage(src) != launch.F32 {
		flat, err := d.pool.get(d, int64(src.Size())*4)
		if err != nil {
			return err
		}
		defer d.pool.put(flat)
		plain := launch.Cast(uint64(flat.at), at, src.Size(), launch.F32, storage(src))
		if !launch.RowMajorAnyway(src.Shape) {
			plain = launch.FromChannelsLast(uint64(flat.at), at, src.Shape, launch.F32, storage(src))
		}
		if err := d.launch("download", plain); err != nil {
			return err
		}
		at = uint64(flat.at)
	}
	s := &d.staging.out
	total := int64(src.Size()) * 4
	for done := int64(0); done < total; done += slotMax {
		n := min(slotMax, total-done)
		if err := d.queue.do("download", func() error {
			if d.capture.active {
				return errCaptured
			}
			if err := s.reserve(d, n); err != nil {
				return err
			}
			if err := check("cuMemcpyDtoHAsync", C.cuMemcpyDtoHAsync(s.host, C.CUdeviceptr(at)+C.CUdeviceptr(done), C.size_t(n), d.stream)); err != nil {
				return err
			}
			return d.queue.wait()
		}); err != nil {
			return err
		}
		into(unsafe.Slice((*byte)(s.host), n), int(done/4))
	}
	return nil
}

// hostBytes returns what writes the elements of a host slice from number first on, as the GPU wants them, or says that the
// slice does not fit the tensor.
func hostBytes(src any, t *device.Tensor) (write func(to []byte, first int), ok bool) {
	switch from := src.(type) {
	case []float32:
		return func(to []byte, first int) { copy(as[float32](to), from[first:]) }, t.DType == tensor.Float32 && len(from) == t.Size()
	case []int32:
		return func(to []byte, first int) { copy(as[int32](to), from[first:]) }, t.DType == tensor.Int32 && len(from) == t.Size()
	case []float64:
		return func(to []byte, first int) {
			for i := range as[float32](to) {
				as[float32](to)[i] = float32(from[first+i])
			}
		}, t.DType == tensor.Float32 && len(from) == t.Size()
	}
	return nil, false
}

// fromBytes is the reverse.
func fromBytes(dst any, t *device.Tensor) (read func(from []byte, first int), ok bool) {
	switch to := dst.(type) {
	case []float32:
		return func(from []byte, first int) { copy(to[first:], as[float32](from)) }, t.DType == tensor.Float32 && len(to) == t.Size()
	case []int32:
		return func(from []byte, first int) { copy(to[first:], as[int32](from)) }, t.DType == tensor.Int32 && len(to) == t.Size()
	case []float64:
		return func(from []byte, first int) {
			for i, v := range as[float32](from) {
				to[first+i] = float64(v)
			}
		}, t.DType == tensor.Float32 && len(to) == t.Size()
	}
	return nil, false
}

// as reads bytes as numbers of four bytes; the GPU and the machines that have one are little-endian alike.
func as[T float32 | int32](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/4)
}

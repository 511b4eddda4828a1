//go:build cuda

package cuda

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
)

// staging is how data comes in without stopping the GPU: a ring of slots, each with pinned memory on the host and a copy of
// it on the GPU. While the GPU computes with one batch, the next is copied to another slot on a stream of its own; the
// computing stream then waits for the copy and lays the elements out where they belong.
type staging struct {
	slots [4]slot // the pictures and the labels of two batches
	next  int
	out   slot // for downloads
}

// slot is one place of the ring.
type slot struct {
	host     unsafe.Pointer // pinned
	gpu      C.CUdeviceptr
	bytes    int64
	copied   C.CUevent // the GPU has what the host wrote
	consumed C.CUevent // the GPU needs the slot no more
}

// Larger transfers go through the ring in pieces.
const slotMax = 64 << 20

// reserve makes a slot at least so large, on the worker.
func (s *slot) reserve(d *Device, bytes int64) error {
	if s.copied == nil {
		if err := check("cuEventCreate", C.cuEventCreate(&s.copied, C.CU_EVENT_DISABLE_TIMING)); err != nil {
			return err
		}
		if err := check("cuEventCreate", C.cuEventCreate(&s.consumed, C.CU_EVENT_DISABLE_TIMING)); err != nil {
			return err
		}
	}
	if bytes <= s.bytes {
		return nil
	}
	_, size := classOf(bytes)
	if s.bytes > 0 { // it may still be on its way
		if err := check("cuStreamSynchronize", C.cuStreamSynchronize(d.copies)); err != nil {
			return err
		}
		if err := d.queue.wait(); err != nil {
			return err
		}
	}
	if err := s.release(d); err != nil {
		return err
	}
	if err := check("cuMemHostAlloc", C.cuMemHostAlloc(&s.host, C.size_t(size), 0)); err != nil {
		return err
	}
	if err := check("cuMemAlloc", C.cuMemAlloc(&s.gpu, C.size_t(size))); err != nil {
		return errors.Join(err, check("cuMemFreeHost", C.cuMemFreeHost(s.host)))
	}
	s.bytes = size
	d.system.add(size)
	return nil
}

// release gives a slot's memory back, on the worker.
func (s *slot) release(d *Device) error {
	if s.bytes == 0 {
		return nil
	}
	d.system.bytes.Add(-s.bytes)
	s.bytes = 0
	return errors.Join(check("cuMemFree", C.cuMemFree(s.gpu)), check("cuMemFreeHost", C.cuMemFreeHost(s.host)))
}

func (s *staging) release(d *Device) error {
	var errs []error
	all := []*slot{&s.out}
	for i := range s.slots {
		all = append(all, &s.slots[i])
	}
	for _, slot := range all {
		errs = append(errs, slot.release(d))
		for _, e := range []C.CUevent{slot.copied, slot.consumed} {
			if e != nil {
				errs = append(errs, check("cuEventDestroy", C.cuEventDestroy(e)))
			}
		}
		slot.copied, slot.consumed = nil, nil
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
	if !needsLayout(dst.Shape) { // any piece of it can be laid down alone
		for at := int64(0); at < int64(dst.Size())*4; at += slotMax {
			n := min(slotMax, int64(dst.Size())*4-at)
			if err := d.uploadPart(n, func(host []byte) { from(host, int(at/4)) }, func(gpu uint64) error {
				return d.copyBytes("upload", address(dst)+uint64(at), gpu, n)
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return d.uploadPart(int64(dst.Size())*4, func(host []byte) { from(host, 0) }, func(gpu uint64) error {
		return d.toChannelsLast("upload", address(dst), gpu, dst.Shape)
	})
}

// uploadPart fills a slot by write, sends it, and queues what place does with it on the GPU.
func (d *Device) uploadPart(bytes int64, write func(host []byte), place func(gpu uint64) error) error {
	s := &d.staging.slots[d.staging.next]
	d.staging.next = (d.staging.next + 1) % len(d.staging.slots)
	err := d.queue.do("upload", func() error {
		if s.copied != nil && s.bytes > 0 {
			// Two batches ago: done long since, unless the host is far ahead of the GPU.
			status := C.cuEventQuery(s.copied)
			if status == C.CUDA_ERROR_NOT_READY {
				status = C.cuEventSynchronize(s.copied)
			}
			if err := check("cuEventSynchronize", status); err != nil {
				return err
			}
		}
		for i := range d.staging.slots { // all alike, so that the ring stops growing with the first batch
			if err := d.staging.slots[i].reserve(d, bytes); err != nil {
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
		for _, err := range []error{
			check("cuStreamWaitEvent", C.cuStreamWaitEvent(d.copies, s.consumed, 0)),
			check("cuMemcpyHtoDAsync", C.cuMemcpyHtoDAsync(s.gpu, s.host, C.size_t(bytes), d.copies)),
			check("cuEventRecord", C.cuEventRecord(s.copied, d.copies)),
		} {
			if err != nil {
				return err
			}
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
		mark := func() error { return check("cuEventRecord", C.cuEventRecord(s.consumed, d.stream)) }
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
	if needsLayout(src.Shape) {
		flat, err := d.pool.get(d, int64(src.Size())*4)
		if err != nil {
			return err
		}
		defer d.pool.put(flat)
		if err := d.fromChannelsLast("download", uint64(flat.at), at, src.Shape); err != nil {
			return err
		}
		at = uint64(flat.at)
	}
	s := &d.staging.out
	total := int64(src.Size()) * 4
	for done := int64(0); done < total; done += slotMax {
		n := min(slotMax, total-done)
		if err := d.queue.do("download", func() error {
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

// needsLayout says that a tensor lies otherwise on the GPU than row-major: feature maps and weights are channels-last there.
func needsLayout(s tensor.Shape) bool { return len(s) == 4 && s[1] > 1 && s[2]*s[3] > 1 }

//go:build cuda

package cuda

/*
#include <stdlib.h>
#include "native.h"
#include "loader/loader.h"
#include <cudnn.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
	"gorgonia.org/tensor"

	"fovea/device"
	kernels "fovea/kernels/cuda"
)

func init() {
	device.Register(device.Driver{Name: "cuda", Preference: 10, Open: func(index int, o device.Options) (device.Device, error) {
		return New(index, o)
	}})
}

// Reasons for which there is no GPU to open.
var (
	ErrNoDriver  = errors.New("no NVIDIA driver on this machine")
	ErrOldDriver = errors.New("the NVIDIA driver is too old")
	ErrNoGPU     = errors.New("the NVIDIA driver finds no GPU")
)

// oldestDriver is the CUDA version that a driver must support: that of the libraries the build is made for.
const oldestDriver = C.CUDA_VERSION / 1000 * 1000

// Device is one NVIDIA GPU. It works asynchronously: methods queue work and return; a failure comes back from a later
// call, at the latest from Synchronize or Download.
type Device struct {
	index   int
	name    string
	gpu     cu.Device
	context cu.CUContext
	queue   *queue
	stream  C.CUstream // where everything computes
	copies  C.CUstream // where batches come in meanwhile
	module  C.CUmodule
	found   map[string]C.CUfunction // the module's kernels, by name; the worker's
	pool    pool
	staging staging
	capture capture
	table   parameterTable
	choices choices
	dnn     dnn
	blas    blas
	stats   device.Stats // of the callers; the worker's are in system
	system  counters
	exact   bool // algorithms that give the same bits each time
	tf32    bool // products of numbers rounded to 10 bits of mantissa, on tensor cores
}

var (
	_ device.Device   = (*Device)(nil)
	_ device.Capturer = (*Device)(nil)
)

// present says why there is no GPU number index, or returns it.
func present(index int) (cu.Device, error) {
	var why *C.char
	switch status := C.fovea_cuda_status(&why); status {
	case C.CUDA_SUCCESS:
	case C.FOVEA_CUDA_NO_DRIVER:
		return 0, fmt.Errorf("%w (%s)", ErrNoDriver, C.GoString(why))
	case C.CUDA_ERROR_NO_DEVICE:
		return 0, ErrNoGPU
	case C.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, C.CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
		return 0, fmt.Errorf("%w: %w", ErrOldDriver, check("cuInit", C.CUresult(status)))
	default:
		return 0, fmt.Errorf("the NVIDIA driver does not start: %w", check("cuInit", C.CUresult(status)))
	}
	if version := cu.Version(); version < oldestDriver {
		return 0, fmt.Errorf("%w: it supports CUDA %d.%d, this build needs %d.%d", ErrOldDriver, version/1000, version%1000/10,
			oldestDriver/1000, oldestDriver%1000/10)
	}
	count, err := cu.NumDevices()
	if err != nil {
		return 0, fmt.Errorf("cuDeviceGetCount: %w", err)
	}
	if count == 0 {
		return 0, ErrNoGPU
	}
	if index >= count {
		return 0, fmt.Errorf("there is no GPU number %d, expected 0 to %d", index, count-1)
	}
	gpu, err := cu.GetDevice(index)
	if err != nil {
		return 0, fmt.Errorf("cuDeviceGet %d: %w", index, err)
	}
	return gpu, nil
}

// New opens GPU number index.
func New(index int, o device.Options) (*Device, error) {
	gpu, err := present(index)
	if err != nil {
		return nil, err
	}
	if err := loadLibraries(); err != nil {
		return nil, err
	}
	d := &Device{pool: pool{held: map[C.CUdeviceptr]int64{}}, index: index, gpu: gpu, exact: o.Deterministic, found: map[string]C.CUfunction{}}
	if d.name, err = gpu.Name(); err != nil {
		return nil, fmt.Errorf("cuDeviceGetName: %w", err)
	}
	if d.context, err = gpu.RetainPrimaryCtx(); err != nil {
		return nil, fmt.Errorf("cuDevicePrimaryCtxRetain: %w", err)
	}
	if d.queue, err = newQueue(d.begin); err != nil {
		return nil, errors.Join(err, gpu.ReleasePrimaryCtx())
	}
	return d, nil
}

// begin makes the context current on the worker's thread and what lives in it. What it made before a failure goes with the
// context.
func (d *Device) begin(q *queue) error {
	if err := cu.SetCurrentContext(d.context); err != nil {
		return fmt.Errorf("cuCtxSetCurrent: %w", err)
	}
	if err := check("cuStreamCreate", C.cuStreamCreate(&d.stream, C.CU_STREAM_NON_BLOCKING)); err != nil {
		return err
	}
	if err := check("cuStreamCreate", C.cuStreamCreate(&d.copies, C.CU_STREAM_NON_BLOCKING)); err != nil {
		return err
	}
	image := C.CBytes(kernels.Fatbin)
	defer C.free(image)
	if err := check("cuModuleLoadData", C.cuModuleLoadData(&d.module, image)); err != nil {
		return fmt.Errorf("the kernels for %s: %w", d.name, err)
	}
	q.stream, q.library = d.stream, d.function
	d.choices = loadChoices(d.name, int(C.cudnnGetVersion()))
	if err := d.dnn.begin(unsafe.Pointer(d.stream)); err != nil {
		return err
	}
	return d.blas.begin()
}

// function finds a kernel of the module.
func (d *Device) function(name string) (C.CUfunction, error) {
	if f, known := d.found[name]; known {
		return f, nil
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var f C.CUfunction
	if err := check("cuModuleGetFunction "+name, C.cuModuleGetFunction(&f, d.module, text)); err != nil {
		return nil, err
	}
	d.found[name] = f
	return f, nil
}

// Name implements device.Memory.
func (d *Device) Name() string { return fmt.Sprintf("cuda:%d", d.index) }

// Describe implements device.Memory.
func (d *Device) Describe() string {
	total, _ := d.gpu.TotalMem()
	version := cu.Version()
	return fmt.Sprintf("cuda:%d (%s, %.0f GiB, driver for CUDA %d.%d, float32)", d.index, d.name, float64(total)/(1<<30), version/1000, version%1000/10)
}

// Float implements device.Memory.
func (d *Device) Float() tensor.Dtype { return tensor.Float32 }

// Synchronize implements device.Memory.
func (d *Device) Synchronize() error {
	return d.queue.do("synchronize", d.queue.wait)
}

// Stats implements device.Memory.
func (d *Device) Stats() device.Stats {
	s := d.stats
	s.SystemAllocations, s.SystemBytes = d.system.allocations.Load(), d.system.bytes.Load()
	return s
}

// Close implements device.Memory.
func (d *Device) Close() error {
	d.table.release()
	leak := device.LeakError(d)
	err := d.queue.always(func() error {
		errs := []error{d.queue.wait(), d.capture.release(), d.dnn.release(), d.blas.release(), d.staging.release(d), d.pool.everything(d)}
		errs = append(errs, d.choices.save(), check("cuStreamSynchronize", C.cuStreamSynchronize(d.stream)), check("cuModuleUnload", C.cuModuleUnload(d.module)),
			check("cuStreamDestroy", C.cuStreamDestroy(d.copies)), check("cuStreamDestroy", C.cuStreamDestroy(d.stream)),
			cu.SetCurrentContext(cu.CUContext{}))
		return errors.Join(errs...)
	})
	d.queue.close()
	if lost := d.queue.lost; lost != nil {
		err = nil // in a lost context nothing can be given back, and lost has been said before
	}
	return errors.Join(leak, err, d.gpu.ReleasePrimaryCtx())
}

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
	"fovea/device/cuda/launch"
	"fovea/device/measured"
	kernels "fovea/kernels/cuda"
)

func init() {
	device.Register(device.Driver{Name: "cuda", Preference: 10, Precisions: []device.Precision{device.TF32, device.BF16}, Open: func(index int, o device.Options) (device.Device, error) {
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
	choices *measured.File[choice]
	dnn     dnn
	blas    blas
	stats   device.Stats // of the callers; the worker's are in system
	writes  int64        // of tensors, so far
	system  counters
	exact   bool // algorithms that give the same bits each time

	precision device.Precision
	products  launch.Type // how the operands of convolutions and matrix products lie
}

var (
	_ device.Device   = (*Device)(nil)
	_ device.Capturer = (*Device)(nil)
	_ device.Compact  = (*Device)(nil)
	_ device.Measurer = (*Device)(nil)
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
	d := &Device{pool: pool{held: map[C.CUdeviceptr]int64{}}, index: index, gpu: gpu, exact: o.Deterministic, precision: o.Precision, found: map[string]C.CUfunction{}}
	if d.name, err = gpu.Name(); err != nil {
		return nil, fmt.Errorf("cuDeviceGetName: %w", err)
	}
	if o.Precision == device.BF16 {
		d.products = launch.BF16
	}
	if err := d.capable(); err != nil {
		return nil, err
	}
	if d.context, err = gpu.RetainPrimaryCtx(); err != nil {
		return nil, fmt.Errorf("cuDevicePrimaryCtxRetain: %w", err)
	}
	if d.queue, err = newQueue(func(q *queue) error {
		err := d.begin(q)
		if err != nil {
			err = errors.Join(err, d.end())
		}
		return err
	}); err != nil {
		return nil, errors.Join(err, called("cuDevicePrimaryCtxRelease", gpu.ReleasePrimaryCtx()))
	}
	d.pool.queue = d.queue
	return d, nil
}

// capable refuses a precision that the GPU has no arithmetic for: tensor cores have TF32 and bfloat16 since compute
// capability 8.0.
func (d *Device) capable() error {
	major, err := d.gpu.Attribute(cu.ComputeCapabilityMajor)
	if err != nil {
		return fmt.Errorf("cuDeviceGetAttribute: %w", err)
	}
	minor, err := d.gpu.Attribute(cu.ComputeCapabilityMinor)
	if err != nil {
		return fmt.Errorf("cuDeviceGetAttribute: %w", err)
	}
	if d.precision != device.FP32 && major < 8 {
		return fmt.Errorf("%w %v needs a GPU of compute capability 8.0 or later, %s has %d.%d: it offers fp32", device.ErrPrecision, d.precision, d.name, major, minor)
	}
	return nil
}

// begin makes the context current on the worker's thread and what lives in it.
func (d *Device) begin(q *queue) error {
	if err := called("cuCtxSetCurrent", cu.SetCurrentContext(d.context)); err != nil {
		return err
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
	q.stream, q.other, q.library, q.relieve = d.stream, d.copies, d.function, d.relieve
	d.choices = measured.Load[choice](fmt.Sprintf("cudnn-%d", int(C.cudnnGetVersion())), d.name)
	if err := d.dnn.begin(unsafe.Pointer(d.stream)); err != nil {
		return err
	}
	return d.blas.begin(d.exact)
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
	return fmt.Sprintf("cuda:%d (%s, %.0f GiB, driver for CUDA %d.%d, %v)", d.index, d.name, float64(total)/(1<<30), version/1000, version%1000/10, d.precision)
}

// Float implements device.Memory.
func (d *Device) Float() tensor.Dtype { return tensor.Float32 }

// SaveChoices implements device.Measurer. A folder that cannot be written is no failure, see measured.File.
func (d *Device) SaveChoices() error {
	return d.queue.do("save choices", func() error {
		d.choices.Save()
		return nil
	})
}

// Synchronize implements device.Memory.
func (d *Device) Synchronize() error {
	return d.queue.do("synchronize", func() error {
		if d.capture.active {
			return errCaptured
		}
		return d.queue.wait()
	})
}

// Stats implements device.Memory.
func (d *Device) Stats() device.Stats {
	s := d.stats
	s.SystemAllocations, s.SystemBytes = d.system.allocations.Load(), d.system.bytes.Load()
	return s
}

// end gives back what begin and all work since have made in the context, on the worker.
func (d *Device) end() error {
	var errs []error
	wait := func() {
		for _, s := range []C.CUstream{d.copies, d.stream} {
			if s != nil {
				errs = append(errs, check("cuStreamSynchronize", C.cuStreamSynchronize(s)))
			}
		}
	}
	wait()
	errs = append(errs, d.capture.release(), d.capture.forget(), d.dnn.release(), d.blas.release(), d.staging.release(d), d.pool.everything(d))
	wait()
	if d.module != nil {
		errs = append(errs, check("cuModuleUnload", C.cuModuleUnload(d.module)))
	}
	for _, s := range []C.CUstream{d.copies, d.stream} {
		if s != nil {
			errs = append(errs, check("cuStreamDestroy", C.cuStreamDestroy(s)))
		}
	}
	return errors.Join(append(errs, called("cuCtxSetCurrent", cu.SetCurrentContext(cu.CUContext{})))...)
}

// Close implements device.Memory.
func (d *Device) Close() error {
	d.table.release()
	leak := device.LeakError(d)
	err := d.queue.always(func() error {
		d.choices.Save()
		err := errors.Join(d.queue.take(), d.end())
		d.queue.other = nil
		return err
	})
	d.queue.close()
	if d.queue.lost != nil {
		err = nil // in a lost context nothing can be given back, and that it is lost has been said before
	}
	return errors.Join(leak, err, called("cuDevicePrimaryCtxRelease", d.gpu.ReleasePrimaryCtx()))
}

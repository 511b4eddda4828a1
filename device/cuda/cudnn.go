//go:build cuda

package cuda

/*
#include <cudnn.h>
#include "libraries.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// dnn is cuDNN as the worker uses it. Descriptors are made once per shape and kept.
type dnn struct {
	handle      C.cudnnHandle_t
	tensors     map[tensorKey]C.cudnnTensorDescriptor_t
	filters     map[filterKey]C.cudnnFilterDescriptor_t
	convs       map[convKey]*convPlan
	pools       map[poolKey]C.cudnnPoolingDescriptor_t
	activations map[activationKey]C.cudnnActivationDescriptor_t
	lrns        map[device.LRNSpec]C.cudnnLRNDescriptor_t
	space       *buffer // workspace, shared by everything that needs some: the stream keeps it in order
}

// dnnError is a call of cuDNN that failed.
type dnnError struct {
	call, status, detail string
}

func (e *dnnError) Error() string {
	if e.detail == "" {
		return e.call + ": " + e.status
	}
	return fmt.Sprintf("%s: %s (%s)", e.call, e.status, e.detail)
}

// checkDNN turns the status of a cuDNN call into an error.
func checkDNN(call string, status C.cudnnStatus_t) error {
	if status == C.CUDNN_STATUS_SUCCESS {
		return nil
	}
	var detail [512]C.char
	C.cudnnGetLastErrorString(&detail[0], C.size_t(len(detail)))
	return &dnnError{call, C.GoString(C.cudnnGetErrorString(status)), C.GoString(&detail[0])}
}

// loadLibraries finds cuDNN and cuBLASLt.
func loadLibraries() error {
	var why *C.char
	if C.fovea_load_libraries(&why) != 0 {
		return fmt.Errorf("a library of the CUDA build is missing: %s (docs/cuda.md says how to install it)", C.GoString(why))
	}
	return nil
}

func (n *dnn) begin(stream unsafe.Pointer) error {
	n.tensors, n.filters, n.convs = map[tensorKey]C.cudnnTensorDescriptor_t{}, map[filterKey]C.cudnnFilterDescriptor_t{}, map[convKey]*convPlan{}
	n.pools, n.lrns = map[poolKey]C.cudnnPoolingDescriptor_t{}, map[device.LRNSpec]C.cudnnLRNDescriptor_t{}
	n.activations = map[activationKey]C.cudnnActivationDescriptor_t{}
	if err := checkDNN("cudnnCreate", C.cudnnCreate(&n.handle)); err != nil {
		return err
	}
	return checkDNN("cudnnSetStream", C.cudnnSetStream(n.handle, C.cudaStream_t(stream)))
}

func (n *dnn) release() error {
	var errs []error
	for _, t := range n.tensors {
		errs = append(errs, checkDNN("cudnnDestroyTensorDescriptor", C.cudnnDestroyTensorDescriptor(t)))
	}
	for _, f := range n.filters {
		errs = append(errs, checkDNN("cudnnDestroyFilterDescriptor", C.cudnnDestroyFilterDescriptor(f)))
	}
	for _, c := range n.convs {
		errs = append(errs, checkDNN("cudnnDestroyConvolutionDescriptor", C.cudnnDestroyConvolutionDescriptor(c.conv)))
	}
	for _, p := range n.pools {
		errs = append(errs, checkDNN("cudnnDestroyPoolingDescriptor", C.cudnnDestroyPoolingDescriptor(p)))
	}
	for _, a := range n.activations {
		errs = append(errs, checkDNN("cudnnDestroyActivationDescriptor", C.cudnnDestroyActivationDescriptor(a)))
	}
	for _, l := range n.lrns {
		errs = append(errs, checkDNN("cudnnDestroyLRNDescriptor", C.cudnnDestroyLRNDescriptor(l)))
	}
	if n.handle != nil {
		errs = append(errs, checkDNN("cudnnDestroy", C.cudnnDestroy(n.handle)))
	}
	return errors.Join(errs...)
}

// tensorKey is all that a tensor's descriptor depends on.
type tensorKey struct {
	n, c, h, w int
	rowMajor   bool // maps apart from one another, as shapes of other ranks than 4 lie
	type_      launch.Type
}

// filterKey is likewise.
type filterKey struct {
	shape [4]int
	type_ launch.Type
}

func dataType(t launch.Type) C.cudnnDataType_t {
	if t == launch.BF16 {
		return C.CUDNN_DATA_BFLOAT16
	}
	return C.CUDNN_DATA_FLOAT
}

// describe reads any shape of rank 2 or more as [N, C, H, W] as it lies in memory.
func describe(s tensor.Shape) tensorKey {
	if len(s) == 4 {
		return tensorKey{n: s[0], c: s[1], h: s[2], w: s[3]}
	}
	outer, channels, inner := device.Channels(s)
	return tensorKey{n: outer, c: channels, h: inner, w: 1, rowMajor: true}
}

// vector describes [C] as cuDNN wants statistics and biases: [1, C, 1, 1].
func vector(c int) tensorKey { return tensorKey{n: 1, c: c, h: 1, w: 1} }

func (n *dnn) tensor(k tensorKey) (C.cudnnTensorDescriptor_t, error) {
	if t, known := n.tensors[k]; known {
		return t, nil
	}
	var t C.cudnnTensorDescriptor_t
	if err := checkDNN("cudnnCreateTensorDescriptor", C.cudnnCreateTensorDescriptor(&t)); err != nil {
		return nil, err
	}
	format := C.cudnnTensorFormat_t(C.CUDNN_TENSOR_NHWC)
	if k.rowMajor {
		format = C.CUDNN_TENSOR_NCHW
	}
	if err := checkDNN("cudnnSetTensor4dDescriptor", C.cudnnSetTensor4dDescriptor(t, format, dataType(k.type_),
		C.int(k.n), C.int(k.c), C.int(k.h), C.int(k.w))); err != nil {
		return nil, errors.Join(fmt.Errorf("%w for [%d, %d, %d, %d]", err, k.n, k.c, k.h, k.w), checkDNN("cudnnDestroyTensorDescriptor", C.cudnnDestroyTensorDescriptor(t)))
	}
	n.tensors[k] = t
	return t, nil
}

func (n *dnn) filter(s tensor.Shape, t launch.Type) (C.cudnnFilterDescriptor_t, error) {
	k := filterKey{[4]int(s), t}
	if f, known := n.filters[k]; known {
		return f, nil
	}
	var f C.cudnnFilterDescriptor_t
	if err := checkDNN("cudnnCreateFilterDescriptor", C.cudnnCreateFilterDescriptor(&f)); err != nil {
		return nil, err
	}
	if err := checkDNN("cudnnSetFilter4dDescriptor", C.cudnnSetFilter4dDescriptor(f, dataType(t), C.CUDNN_TENSOR_NHWC,
		C.int(s[0]), C.int(s[1]), C.int(s[2]), C.int(s[3]))); err != nil {
		return nil, errors.Join(fmt.Errorf("%w for %v", err, s), checkDNN("cudnnDestroyFilterDescriptor", C.cudnnDestroyFilterDescriptor(f)))
	}
	n.filters[k] = f
	return f, nil
}

// workspace is memory of at least so many bytes for a call of the worker's. The worker asks the driver itself: the pool
// belongs to the callers.
func (d *Device) workspace(bytes C.size_t) (unsafe.Pointer, error) {
	if bytes == 0 {
		return nil, nil
	}
	n := &d.dnn
	if n.space == nil || n.space.bytes < int64(bytes) {
		_, size := classOf(int64(bytes))
		at, err := d.systemMemory(size)
		if err != nil {
			return nil, fmt.Errorf("%d bytes of workspace: %w", bytes, err)
		}
		if n.space != nil {
			if err := d.systemFree(n.space); err != nil {
				return nil, err
			}
		}
		n.space = &buffer{at: at, bytes: size}
	}
	return pointer(uint64(n.space.at)), nil
}

// pointer is a device address as the libraries take it. It is never followed on the host.
func pointer(address uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// The factors of cuDNN's y = alpha*f(x) + beta*y.
var (
	one  = C.float(1)
	zero = C.float(0)
)

func factor(f *C.float) unsafe.Pointer { return unsafe.Pointer(f) }

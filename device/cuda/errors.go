//go:build cuda

package cuda

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
)

// statusError is a driver call that failed.
type statusError struct {
	call   string
	status C.CUresult
}

func (e *statusError) Error() string {
	var name, text *C.char
	if C.cuGetErrorName(e.status, &name) != C.CUDA_SUCCESS || C.cuGetErrorString(e.status, &text) != C.CUDA_SUCCESS {
		return fmt.Sprintf("%s: unknown driver status %d", e.call, int(e.status))
	}
	return fmt.Sprintf("%s: %s (%s)", e.call, C.GoString(name), C.GoString(text))
}

// check turns the status of a driver call into an error.
func check(call string, status C.CUresult) error {
	if status == C.CUDA_SUCCESS {
		return nil
	}
	return &statusError{call, status}
}

// called names the call that gorgonia.org/cu's error is of.
func called(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", call, err)
}

func isStatus(err error, status C.CUresult) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// asynchronous says of a failure that work queued earlier has caused it: the driver reports it from whatever call comes
// next, and the context is lost.
func asynchronous(err error) bool {
	for _, s := range []C.CUresult{C.CUDA_ERROR_ILLEGAL_ADDRESS, C.CUDA_ERROR_LAUNCH_FAILED, C.CUDA_ERROR_LAUNCH_TIMEOUT,
		C.CUDA_ERROR_ILLEGAL_INSTRUCTION, C.CUDA_ERROR_MISALIGNED_ADDRESS, C.CUDA_ERROR_ASSERT, C.CUDA_ERROR_HARDWARE_STACK_ERROR,
		C.CUDA_ERROR_INVALID_ADDRESS_SPACE, C.CUDA_ERROR_INVALID_PC, C.CUDA_ERROR_ECC_UNCORRECTABLE} {
		if isStatus(err, s) {
			return true
		}
	}
	return false
}

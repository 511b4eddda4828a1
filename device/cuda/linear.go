//go:build cuda

package cuda

/*
#include <cublasLt.h>
#include <stdint.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// blas is cuBLASLt as the worker uses it.
type blas struct {
	handle     C.cublasLtHandle_t
	preference C.cublasLtMatmulPreference_t
	products   map[productKey]*productPlan
}

// productKey is all that a product depends on: C [m, n] = op(A) op(B), row-major, with what is added to it.
type productKey struct {
	m, n, k                int
	transposeA, transposeB bool
	epilogue               C.cublasLtEpilogue_t
	result                 launch.Type // of C and the bias; op(A) and op(B) are the device's products
}

// productPlan is a product as cuBLASLt knows it. It is column-major: it computes the transpose, C^T = op(B)^T op(A)^T, for
// which a row-major matrix is what it wants its transpose to be.
type productPlan struct {
	operation C.cublasLtMatmulDesc_t
	a, b, c   C.cublasLtMatrixLayout_t
	algorithm C.cublasLtMatmulAlgo_t
	workspace C.size_t
}

// blasError is a call of cuBLASLt that failed.
type blasError struct {
	call   string
	status C.cublasStatus_t
}

func (e *blasError) Error() string {
	name, known := map[C.cublasStatus_t]string{
		C.CUBLAS_STATUS_NOT_INITIALIZED: "not initialised", C.CUBLAS_STATUS_ALLOC_FAILED: "allocation failed", C.CUBLAS_STATUS_INVALID_VALUE: "invalid value",
		C.CUBLAS_STATUS_ARCH_MISMATCH: "architecture mismatch", C.CUBLAS_STATUS_EXECUTION_FAILED: "execution failed",
		C.CUBLAS_STATUS_INTERNAL_ERROR: "internal error", C.CUBLAS_STATUS_NOT_SUPPORTED: "not supported",
	}[e.status]
	if !known {
		name = "unknown status"
	}
	return fmt.Sprintf("%s: %s (%d)", e.call, name, int(e.status))
}

func checkBLAS(call string, status C.cublasStatus_t) error {
	if status == C.CUBLAS_STATUS_SUCCESS {
		return nil
	}
	return &blasError{call, status}
}

// productSpace is the workspace that a product may use.
const productSpace = 32 << 20

// begin readies cuBLASLt. Where results must repeat, partial sums of a product that is split may only be added up out of
// place, in a fixed order, and not in the order in which they come.
func (b *blas) begin(exact bool) error {
	b.products = map[productKey]*productPlan{}
	if err := checkBLAS("cublasLtCreate", C.cublasLtCreate(&b.handle)); err != nil {
		return err
	}
	if err := checkBLAS("cublasLtMatmulPreferenceCreate", C.cublasLtMatmulPreferenceCreate(&b.preference)); err != nil {
		return err
	}
	if exact {
		schemes := C.uint32_t(C.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
		if err := checkBLAS("cublasLtMatmulPreferenceSetAttribute", C.cublasLtMatmulPreferenceSetAttribute(b.preference,
			C.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, unsafe.Pointer(&schemes), C.size_t(unsafe.Sizeof(schemes)))); err != nil {
			return err
		}
	}
	space := C.uint64_t(productSpace)
	return checkBLAS("cublasLtMatmulPreferenceSetAttribute", C.cublasLtMatmulPreferenceSetAttribute(b.preference,
		C.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, unsafe.Pointer(&space), C.size_t(unsafe.Sizeof(space))))
}

func (b *blas) release() error {
	var errs []error
	for _, p := range b.products {
		errs = append(errs, p.release())
	}
	if b.preference != nil {
		errs = append(errs, checkBLAS("cublasLtMatmulPreferenceDestroy", C.cublasLtMatmulPreferenceDestroy(b.preference)))
	}
	if b.handle != nil {
		errs = append(errs, checkBLAS("cublasLtDestroy", C.cublasLtDestroy(b.handle)))
	}
	return errors.Join(errs...)
}

func (p *productPlan) release() error {
	var errs []error
	for _, l := range []C.cublasLtMatrixLayout_t{p.a, p.b, p.c} {
		if l != nil {
			errs = append(errs, checkBLAS("cublasLtMatrixLayoutDestroy", C.cublasLtMatrixLayoutDestroy(l)))
		}
	}
	if p.operation != nil {
		errs = append(errs, checkBLAS("cublasLtMatmulDescDestroy", C.cublasLtMatmulDescDestroy(p.operation)))
	}
	return errors.Join(errs...)
}

// set gives a descriptor one of its attributes.
func (p *productPlan) set(attribute C.cublasLtMatmulDescAttributes_t, value unsafe.Pointer, size uintptr) error {
	return checkBLAS("cublasLtMatmulDescSetAttribute", C.cublasLtMatmulDescSetAttribute(p.operation, attribute, value, C.size_t(size)))
}

// productPlan finds or makes what cuBLASLt needs for a product.
func (d *Device) productPlan(k productKey) (_ *productPlan, err error) {
	if p, known := d.blas.products[k]; known {
		return p, nil
	}
	p := &productPlan{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.release())
		}
	}()
	compute := C.cublasComputeType_t(C.CUBLAS_COMPUTE_32F)
	if d.precision == device.TF32 {
		compute = C.CUBLAS_COMPUTE_32F_FAST_TF32
	}
	if err := checkBLAS("cublasLtMatmulDescCreate", C.cublasLtMatmulDescCreate(&p.operation, compute, C.CUDA_R_32F)); err != nil {
		return nil, err
	}
	operation := func(transposed bool) C.int32_t {
		if transposed {
			return C.CUBLAS_OP_T
		}
		return C.CUBLAS_OP_N
	}
	first, second := operation(k.transposeB), operation(k.transposeA) // B comes first in the transposed product
	if err := p.set(C.CUBLASLT_MATMUL_DESC_TRANSA, unsafe.Pointer(&first), unsafe.Sizeof(first)); err != nil {
		return nil, err
	}
	if err := p.set(C.CUBLASLT_MATMUL_DESC_TRANSB, unsafe.Pointer(&second), unsafe.Sizeof(second)); err != nil {
		return nil, err
	}
	epilogue := k.epilogue
	if err := p.set(C.CUBLASLT_MATMUL_DESC_EPILOGUE, unsafe.Pointer(&epilogue), unsafe.Sizeof(epilogue)); err != nil {
		return nil, err
	}
	layout := func(to *C.cublasLtMatrixLayout_t, t launch.Type, rows, cols int, transposed bool) error {
		if transposed {
			rows, cols = cols, rows
		}
		return checkBLAS("cublasLtMatrixLayoutCreate", C.cublasLtMatrixLayoutCreate(to, matrixType(t), C.uint64_t(rows), C.uint64_t(cols), C.int64_t(rows)))
	}
	for _, err := range []error{layout(&p.b, d.products, k.n, k.k, k.transposeB), layout(&p.a, d.products, k.k, k.m, k.transposeA),
		layout(&p.c, k.result, k.n, k.m, false)} {
		if err != nil {
			return nil, err
		}
	}
	var result C.cublasLtMatmulHeuristicResult_t
	var found C.int
	if err := checkBLAS("cublasLtMatmulAlgoGetHeuristic", C.cublasLtMatmulAlgoGetHeuristic(d.blas.handle, p.operation, p.b, p.a, p.c, p.c,
		d.blas.preference, 1, &result, &found)); err != nil {
		return nil, err
	}
	if found == 0 {
		return nil, errors.New("cuBLASLt has no algorithm for this product")
	}
	p.algorithm, p.workspace = result.algo, result.workspaceSize
	d.blas.products[k] = p
	return p, nil
}

func matrixType(t launch.Type) C.cudaDataType {
	if t == launch.BF16 {
		return C.CUDA_R_16BF
	}
	return C.CUDA_R_32F
}

// product queues C = op(A) op(B), with a bias added to each row if there is one.
func (d *Device) product(op string, c, a, b, bias *device.Tensor, transposeA, transposeB bool, epilogue C.cublasLtEpilogue_t) error {
	k := productKey{m: c.Shape[0], n: c.Shape[1], k: a.Shape[1], transposeA: transposeA, transposeB: transposeB, epilogue: epilogue, result: storage(c)}
	if transposeA {
		k.k = a.Shape[0]
	}
	if c.Size() == 0 {
		return nil
	}
	if k.k == 0 {
		if err := d.Fill(c, 0); err != nil || bias == nil {
			return err
		}
		return d.AddBias(c, c, bias)
	}
	q := d.as(d.products, fmt.Sprintf("%s of [%d, %d] with [%d, %d]", op, k.m, k.k, k.k, k.n))
	ap, bp, biasp := q.in(a), q.in(b), q.inAs(bias, k.result)
	cp := q.outAs(c, k.result)
	return q.post(func() error {
		p, err := d.productPlan(k)
		if err != nil {
			return err
		}
		if biasp != 0 {
			at := C.uint64_t(biasp)
			if err := p.set(C.CUBLASLT_MATMUL_DESC_BIAS_POINTER, unsafe.Pointer(&at), unsafe.Sizeof(at)); err != nil {
				return err
			}
		}
		space, err := d.workspace(p.workspace)
		if err != nil {
			return err
		}
		return checkBLAS("cublasLtMatmul", C.cublasLtMatmul(d.blas.handle, p.operation, factor(&one), pointer(bp), p.b, pointer(ap), p.a,
			factor(&zero), pointer(cp), p.c, pointer(cp), p.c, &p.algorithm, space, p.workspace, C.cudaStream_t(unsafe.Pointer(d.stream))))
	})
}

// Linear implements device.FullyConnected.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	epilogue := C.cublasLtEpilogue_t(C.CUBLASLT_EPILOGUE_DEFAULT)
	if b != nil {
		epilogue = C.CUBLASLT_EPILOGUE_BIAS
	}
	return d.product("linear", y, x, w, b, false, true, epilogue)
}

// MatMul implements device.FullyConnected.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	return d.product("matmul", c, a, b, nil, transposeA, transposeB, C.CUBLASLT_EPILOGUE_DEFAULT)
}

//go:build cuda

package cuda

/*
#include <cudnn.h>

// The three kinds of algorithm have the same fields under different types.
typedef struct { int number, status, deterministic, math; float time; size_t memory; } fovea_perf;
#define FOVEA_PERF(to, from) (to).number = (from).algo, (to).status = (from).status, (to).deterministic = (from).determinism == CUDNN_DETERMINISTIC, \
	(to).math = (from).mathType, (to).time = (from).time, (to).memory = (from).memory

enum { FOVEA_FORWARD, FOVEA_DATA, FOVEA_WEIGHT, FOVEA_MOST = 16 };

// fovea_suggest asks cuDNN which algorithms it holds for best, best first.
static cudnnStatus_t fovea_suggest(cudnnHandle_t h, int kind, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t c,
                                   cudnnTensorDescriptor_t y, fovea_perf *out, int *n) {
	cudnnStatus_t s;
	if (kind == FOVEA_FORWARD) {
		cudnnConvolutionFwdAlgoPerf_t p[FOVEA_MOST];
		s = cudnnGetConvolutionForwardAlgorithm_v7(h, x, w, c, y, FOVEA_MOST, n, p);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	} else if (kind == FOVEA_DATA) {
		cudnnConvolutionBwdDataAlgoPerf_t p[FOVEA_MOST];
		s = cudnnGetConvolutionBackwardDataAlgorithm_v7(h, w, y, c, x, FOVEA_MOST, n, p);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	} else {
		cudnnConvolutionBwdFilterAlgoPerf_t p[FOVEA_MOST];
		s = cudnnGetConvolutionBackwardFilterAlgorithm_v7(h, x, y, c, w, FOVEA_MOST, n, p);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	}
	return s;
}

// fovea_measure has cuDNN run every algorithm on the operands, whose output it overwrites.
static cudnnStatus_t fovea_measure(cudnnHandle_t h, int kind, cudnnTensorDescriptor_t x, void *px, cudnnFilterDescriptor_t w, void *pw,
                                   cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y, void *py, void *space, size_t bytes, fovea_perf *out, int *n) {
	cudnnStatus_t s;
	if (kind == FOVEA_FORWARD) {
		cudnnConvolutionFwdAlgoPerf_t p[FOVEA_MOST];
		s = cudnnFindConvolutionForwardAlgorithmEx(h, x, px, w, pw, c, y, py, FOVEA_MOST, n, p, space, bytes);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	} else if (kind == FOVEA_DATA) {
		cudnnConvolutionBwdDataAlgoPerf_t p[FOVEA_MOST];
		s = cudnnFindConvolutionBackwardDataAlgorithmEx(h, w, pw, y, py, c, x, px, FOVEA_MOST, n, p, space, bytes);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	} else {
		cudnnConvolutionBwdFilterAlgoPerf_t p[FOVEA_MOST];
		s = cudnnFindConvolutionBackwardFilterAlgorithmEx(h, x, px, y, py, c, w, pw, FOVEA_MOST, n, p, space, bytes);
		for (int i = 0; s == CUDNN_STATUS_SUCCESS && i < *n; i++) FOVEA_PERF(out[i], p[i]);
	}
	return s;
}
*/
import "C"

import (
	"fmt"

	"fovea/device"
)

// algorithm is one of cuDNN's ways to compute a convolution or one of its gradients.
type algorithm struct {
	number    C.int
	workspace C.size_t
	math      C.cudnnMathType_t // with which it was judged, and must run

	milliseconds float64 // if measured
}

// Workspace that an algorithm may ask for, and what is set aside while algorithms are measured.
const workspaceMost = 256 << 20

var passes = [...]string{C.FOVEA_FORWARD: "forward", C.FOVEA_DATA: "data", C.FOVEA_WEIGHT: "weight"}

func (d *Device) chooseForward(p *convPlan, name string, x, w, y uint64) error {
	return d.choose(&p.forward, C.FOVEA_FORWARD, p, name, x, w, y)
}

func (d *Device) chooseData(p *convPlan, name string, x, w, y uint64) error {
	return d.choose(&p.data, C.FOVEA_DATA, p, name, x, w, y)
}

func (d *Device) chooseWeight(p *convPlan, name string, x, w, y uint64) error {
	return d.choose(&p.weight, C.FOVEA_WEIGHT, p, name, x, w, y)
}

// choose settles the algorithm of one pass of a convolution at its first use: from the file of choices, by measuring, or,
// where nothing may be measured (algorithms must be exact, or a step is being captured), by cuDNN's own judgement.
func (d *Device) choose(chosen **algorithm, kind C.int, p *convPlan, name string, x, w, y uint64) error {
	if *chosen != nil {
		return nil
	}
	key := fmt.Sprintf("%s, %v: %s", passes[kind], d.precision, p.text)
	var perf [C.FOVEA_MOST]C.fovea_perf
	var n C.int
	if err := checkDNN("cudnnGetConvolutionAlgorithm_v7", C.fovea_suggest(d.dnn.handle, kind, p.x, p.w, p.conv, p.y, &perf[0], &n)); err != nil {
		return err
	}
	usable := d.usable(perf[:n])
	if len(usable) == 0 {
		return fmt.Errorf("%s: cuDNN has no algorithm (of %d) that works here with at most %d bytes of workspace", name, n, workspaceMost)
	}
	if kept, known := d.choices.Find(key); known && !d.exact {
		for _, u := range usable {
			if int(u.number) == kept.Number && int(u.math) == kept.Math {
				*chosen = &u
				return nil
			}
		}
	}
	best := usable[0]
	if !d.exact && !d.capture.active && len(usable) > 1 {
		most := C.size_t(0)
		for _, u := range usable {
			most = max(most, u.workspace)
		}
		space, err := d.workspace(most)
		if err != nil {
			return err
		}
		if err := checkDNN("cudnnFindConvolutionAlgorithmEx", C.fovea_measure(d.dnn.handle, kind, p.x, pointer(x), p.w, pointer(w), p.conv, p.y, pointer(y),
			space, most, &perf[0], &n)); err != nil {
			return err
		}
		if measured := d.usable(perf[:n]); len(measured) > 0 {
			best = measured[0]
		}
		d.choices.Keep(key, choice{Number: int(best.number), Math: int(best.math), Milliseconds: best.milliseconds})
	}
	*chosen = &best
	return nil
}

// usable are the algorithms that work, fit, and are as exact as asked for, in the order given.
func (d *Device) usable(perf []C.fovea_perf) []algorithm {
	var usable []algorithm
	for _, p := range perf {
		switch {
		case p.status != C.CUDNN_STATUS_SUCCESS, p.memory > workspaceMost, d.exact && p.deterministic == 0:
		case p.math == C.CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, d.precision == device.FP32 && p.math == C.CUDNN_TENSOR_OP_MATH:
		default:
			if d.precision == device.FP32 {
				p.math = C.CUDNN_FMA_MATH // the default would allow TF32
			}
			usable = append(usable, algorithm{p.number, p.memory, C.cudnnMathType_t(p.math), float64(p.time)})
		}
	}
	return usable
}

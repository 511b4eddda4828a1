//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// convKey is all that the choice of an algorithm depends on.
type convKey struct {
	x, y tensorKey
	w    [4]int
	spec device.ConvSpec
}

// convPlan is a convolution as cuDNN knows it, with the algorithms chosen for it.
type convPlan struct {
	text                  string // shapes, as the file of choices names them
	x, y                  C.cudnnTensorDescriptor_t
	w                     C.cudnnFilterDescriptor_t
	conv                  C.cudnnConvolutionDescriptor_t
	forward, data, weight *algorithm // nil until the first use
	fused                 C.size_t   // workspace of convolution with bias; known once fusedKnown
	fusedKnown            bool
}

// plan finds or makes what cuDNN needs for a convolution of x with w to y. Padding is the same on opposite sides.
func (d *Device) plan(x, w, y tensor.Shape, s device.ConvSpec) (_ *convPlan, err error) {
	n := &d.dnn
	s.Learning = false // cuDNN takes weights as they are
	key := convKey{describe(x), describe(y), [4]int(w), s}
	key.x.type_, key.y.type_ = d.products, d.products
	if p, known := n.convs[key]; known {
		return p, nil
	}
	p := &convPlan{text: fmt.Sprintf("x=%v w=%v stride=%v padding=%v dilation=%v groups=%d", x, w, s.Stride, s.Padding, s.Dilation, s.Groups)}
	if p.x, err = n.tensor(key.x); err != nil {
		return nil, err
	}
	if p.y, err = n.tensor(key.y); err != nil {
		return nil, err
	}
	if p.w, err = n.filter(w, d.products); err != nil {
		return nil, err
	}
	if err := checkDNN("cudnnCreateConvolutionDescriptor", C.cudnnCreateConvolutionDescriptor(&p.conv)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, checkDNN("cudnnDestroyConvolutionDescriptor", C.cudnnDestroyConvolutionDescriptor(p.conv)))
		}
	}()
	for _, err := range []error{
		checkDNN("cudnnSetConvolution2dDescriptor", C.cudnnSetConvolution2dDescriptor(p.conv, C.int(s.Padding.Top), C.int(s.Padding.Left),
			C.int(s.Stride[0]), C.int(s.Stride[1]), C.int(s.Dilation[0]), C.int(s.Dilation[1]), C.CUDNN_CROSS_CORRELATION, C.CUDNN_DATA_FLOAT)),
		p.with(d.math()),
		checkDNN("cudnnSetConvolutionGroupCount", C.cudnnSetConvolutionGroupCount(p.conv, C.int(s.Groups))),
	} {
		if err != nil {
			return nil, err
		}
	}
	var got [4]C.int
	if err := checkDNN("cudnnGetConvolution2dForwardOutputDim", C.cudnnGetConvolution2dForwardOutputDim(p.conv, p.x, p.w, &got[0], &got[1], &got[2], &got[3])); err != nil {
		return nil, err
	}
	for i, size := range y {
		if int(got[i]) != size {
			return nil, fmt.Errorf("cuDNN expects an output of %v, the shape rule says %v", got, y)
		}
	}
	n.convs[key] = p
	return p, nil
}

// math is the arithmetic asked for. With float32 operands cuDNN's default is TF32.
func (d *Device) math() C.cudnnMathType_t {
	if d.precision == device.FP32 {
		return C.CUDNN_FMA_MATH
	}
	return C.CUDNN_DEFAULT_MATH
}

// with sets the arithmetic of the next call.
func (p *convPlan) with(math C.cudnnMathType_t) error {
	return checkDNN("cudnnSetConvolutionMathType", C.cudnnSetConvolutionMathType(p.conv, math))
}

func convName(op string, x, w tensor.Shape) string { return fmt.Sprintf("%s of %v with %v", op, x, w) }

// span is how much of the padded x the windows of so many outputs see, along one axis.
func span(outputs, window, stride, dilation int) int {
	return (outputs-1)*stride + dilation*(window-1) + 1
}

// even brings a convolution into cuDNN's form, in which padding is the same on opposite sides and y is as large as x
// allows. Where it is not (a transposed convolution with output padding beyond the stride has a smaller y), x is copied into
// what the windows see of it, padding included. It returns what to convolve, and where x is in it (nil: it is x itself).
func (d *Device) even(x *device.Tensor, w, y tensor.Shape, s device.ConvSpec, copyIn bool) (*device.Tensor, device.ConvSpec, []int, []int, error) {
	p := s.Padding
	natural, err := s.Output(x.Shape, w, nil)
	if err == nil && device.EqualShape(natural, y) && p.Top == p.Bottom && p.Left == p.Right {
		return x.Retain(), s, nil, nil, nil
	}
	shape := tensor.Shape{x.Shape[0], x.Shape[1], span(y[2], w[2], s.Stride[0], s.Dilation[0]), span(y[3], w[3], s.Stride[1], s.Dilation[1])}
	place := []int{0, 0, p.Top, p.Left}
	extent := x.Shape.Clone()
	for i := 2; i < 4; i++ {
		extent[i] = max(0, min(extent[i], shape[i]-place[i]))
	}
	seen, err := d.newStored(shape, x.DType, storage(x))
	if err != nil {
		return nil, s, nil, nil, err
	}
	s.Padding = device.Padding{}
	if copyIn {
		if err = d.Fill(seen, 0); err == nil {
			err = d.CopyRegion(seen, place, x, make([]int, 4), extent)
		}
	}
	if err != nil {
		seen.Release()
		return nil, s, nil, nil, err
	}
	return seen, s, place, extent, nil
}

// epilogue is what is done to the sums of a convolution in the pass that finds them: bias and residual are added, and the larger of
// 0 and that taken if relu is set. Bias and residual may be nil. The weights and the bias are those of a convolution, or of one
// and the normalisation after it.
type epilogue struct {
	bias, residual *device.Tensor
	relu           bool
	fold           *folding
}

// Conv implements device.Convolution.
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return d.convolve(y, x, w, epilogue{bias: b}, s)
}

// convolve is y = Conv(x, w) and what comes after. A residual or a ReLU needs a bias, or a normalisation, which makes one.
func (d *Device) convolve(y, x, w *device.Tensor, e epilogue, s device.ConvSpec) error {
	if y.Size() == 0 {
		return nil
	}
	if x.Size() == 0 { // no channels: nothing to add up
		return d.epilogueAlone(y, e)
	}
	x, s, _, _, err := d.even(x, w.Shape, y.Shape, s, true)
	if err != nil {
		return err
	}
	defer x.Release()
	xs, ws, ys := x.Shape.Clone(), w.Shape.Clone(), y.Shape.Clone()
	name := convName("conv2d", xs, ws)
	c := d.as(d.products, name)
	xp, zp := c.in(x), c.in(e.residual)
	wp, bp := c.weights(w, e)
	yp := c.out(y)
	return c.post(func() error {
		p, err := d.plan(xs, ws, ys, s)
		if err != nil {
			return err
		}
		if bp != 0 {
			return d.fused(p, xp, wp, bp, zp, yp, ys[1], e.relu)
		}
		return d.forward(p, name, xp, wp, yp)
	})
}

// epilogueAlone is convolve where every sum is 0.
func (d *Device) epilogueAlone(y *device.Tensor, e epilogue) error {
	if err := d.Fill(y, 0); err != nil {
		return err
	}
	if e.bias != nil {
		if err := d.AddBias(y, y, e.bias); err != nil {
			return err
		}
	}
	if f := e.fold; f != nil {
		c := d.like(y, named("batch_norm (inference)", y.Shape))
		return c.batchNormInfer(y, y, e.residual, f.scale, f.shift, f.mean, f.variance, f.BatchNormSpec, e.relu)
	}
	if e.relu {
		return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
	}
	return nil
}

// forward is the convolution alone, on the worker.
func (d *Device) forward(p *convPlan, name string, x, w, y uint64) error {
	if err := d.chooseForward(p, name, x, w, y); err != nil {
		return err
	}
	if err := p.with(p.forward.math); err != nil {
		return err
	}
	space, err := d.workspace(p.forward.workspace)
	if err != nil {
		return err
	}
	return checkDNN("cudnnConvolutionForward", C.cudnnConvolutionForward(d.dnn.handle, factor(&one), p.x, pointer(x), p.w, pointer(w),
		p.conv, C.cudnnConvolutionFwdAlgo_t(p.forward.number), space, p.forward.workspace, factor(&zero), p.y, pointer(y)))
}

// fused is the convolution with bias, residual z (0 for none) and activation in the same pass, on the worker.
func (d *Device) fused(p *convPlan, x, w, bias, z, y uint64, maps int, relu bool) error {
	if err := p.with(d.math()); err != nil {
		return err
	}
	// Identity is allowed with this algorithm only.
	const algorithm = C.CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM
	if !p.fusedKnown {
		if err := checkDNN("cudnnGetConvolutionForwardWorkspaceSize", C.cudnnGetConvolutionForwardWorkspaceSize(d.dnn.handle, p.x, p.w, p.conv, p.y,
			algorithm, &p.fused)); err != nil {
			return err
		}
		p.fusedKnown = true
	}
	space, err := d.workspace(p.fused)
	if err != nil {
		return err
	}
	key := vector(maps)
	key.type_ = d.products
	b, err := d.dnn.tensor(key)
	if err != nil {
		return err
	}
	mode, share := C.cudnnActivationMode_t(C.CUDNN_ACTIVATION_IDENTITY), &one
	if relu {
		mode = C.CUDNN_ACTIVATION_RELU
	}
	if z == 0 {
		z, share = y, &zero // it is not read
	}
	act, err := d.dnn.activation(mode, 0, C.CUDNN_NOT_PROPAGATE_NAN) // the only one it takes
	if err != nil {
		return err
	}
	return checkDNN("cudnnConvolutionBiasActivationForward", C.cudnnConvolutionBiasActivationForward(d.dnn.handle, factor(&one), p.x, pointer(x),
		p.w, pointer(w), p.conv, algorithm, space, p.fused, factor(share), p.y, pointer(z), b, pointer(bias), act, p.y, pointer(y)))
}

// ConvBackwardData implements device.Convolution.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	if dx.Size() == 0 {
		return nil
	}
	if dy.Size() == 0 || w.Size() == 0 {
		return d.Fill(dx, 0)
	}
	padded, s, place, extent, err := d.even(dx, w.Shape, dy.Shape, s, false)
	if err != nil {
		return err
	}
	defer padded.Release()
	xs, ws, ys := padded.Shape.Clone(), w.Shape.Clone(), dy.Shape.Clone()
	name := convName("gradient of the input of conv2d", xs, ws)
	c := d.as(d.products, name)
	wp, yp, xp := c.in(w), c.in(dy), c.out(padded)
	if err := c.post(func() error {
		p, err := d.plan(xs, ws, ys, s)
		if err != nil {
			return err
		}
		if err := d.chooseData(p, name, xp, wp, yp); err != nil {
			return err
		}
		if err := p.with(p.data.math); err != nil {
			return err
		}
		space, err := d.workspace(p.data.workspace)
		if err != nil {
			return err
		}
		return checkDNN("cudnnConvolutionBackwardData", C.cudnnConvolutionBackwardData(d.dnn.handle, factor(&one), p.w, pointer(wp), p.y, pointer(yp),
			p.conv, C.cudnnConvolutionBwdDataAlgo_t(p.data.number), space, p.data.workspace, factor(&zero), p.x, pointer(xp)))
	}); err != nil || place == nil {
		return err
	}
	if !device.EqualShape(extent, dx.Shape) { // the rest of dx is seen by no window
		if err := d.Fill(dx, 0); err != nil {
			return err
		}
	}
	return d.CopyRegion(dx, make([]int, 4), padded, place, extent)
}

// ConvBackwardWeights implements device.Convolution.
func (d *Device) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	if dw.Size() == 0 {
		return nil
	}
	if dy.Size() == 0 || x.Size() == 0 {
		return d.Fill(dw, 0)
	}
	x, s, _, _, err := d.even(x, dw.Shape, dy.Shape, s, true)
	if err != nil {
		return err
	}
	defer x.Release()
	xs, ws, ys := x.Shape.Clone(), dw.Shape.Clone(), dy.Shape.Clone()
	name := convName("gradient of the weights of conv2d", xs, ws)
	c := d.as(d.products, name)
	xp, yp, wp := c.in(x), c.in(dy), c.out(dw)
	return c.post(func() error {
		p, err := d.plan(xs, ws, ys, s)
		if err != nil {
			return err
		}
		if err := d.chooseWeight(p, name, xp, wp, yp); err != nil {
			return err
		}
		if err := p.with(p.weight.math); err != nil {
			return err
		}
		space, err := d.workspace(p.weight.workspace)
		if err != nil {
			return err
		}
		return checkDNN("cudnnConvolutionBackwardFilter", C.cudnnConvolutionBackwardFilter(d.dnn.handle, factor(&one), p.x, pointer(xp), p.y, pointer(yp),
			p.conv, C.cudnnConvolutionBwdFilterAlgo_t(p.weight.number), space, p.weight.workspace, factor(&zero), p.w, pointer(wp)))
	})
}

// Rotate180 implements device.Convolution.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	if w.Size() == 0 {
		return nil
	}
	c := d.like(y, named("rotate180", w.Shape))
	wp := c.in(w)
	return c.launch(launch.Rotate180(c.out(y), wp, w.Shape, c.type_))
}

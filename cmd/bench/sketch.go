package main

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// sketch is a device that computes nothing and has no memory: it notes what it was asked.
type sketch struct {
	self     device.Device // what tensors belong to: this, or what it is part of
	calls    []call
	backward bool // the backward pass has begun
}

var _ device.Device = (*sketch)(nil)

type (
	tensors = []*device.Tensor
	again   = func(d device.Device, t tensors) error
)

func (s *sketch) note(layer, pass string, flops float64, run again, operands ...*device.Tensor) error {
	if pass == "" {
		pass = "forward"
		if s.backward {
			pass = "backward"
		}
	}
	c := call{layer: layer, pass: pass, flops: flops, run: run}
	number := map[*device.Tensor]int{}
	for _, o := range operands {
		n, seen := number[o]
		switch {
		case o == nil:
			n = -1
		case !seen:
			n = len(c.tensors)
			number[o] = n
			c.tensors = append(c.tensors, device.NewTensor(nil, o.Shape, o.DType, o.Handle))
		}
		c.operand = append(c.operand, n)
	}
	s.calls = append(s.calls, c)
	return nil
}

// The texts of layers.

func size(x *device.Tensor) string {
	if len(x.Shape) == 0 {
		return "scalar"
	}
	words := make([]string, 0, 3)
	for _, d := range x.Shape[1:] {
		words = append(words, fmt.Sprint(d))
	}
	return strings.Join(words, "x")
}

func both(v [2]int) string {
	if v[0] == v[1] {
		return fmt.Sprint(v[0])
	}
	return fmt.Sprintf("%dx%d", v[0], v[1])
}

func padding(p device.Padding) string {
	switch {
	case p == device.Padding{}:
		return ""
	case p == device.Pad(p.Top):
		return fmt.Sprintf(", pad %d", p.Top)
	}
	return fmt.Sprintf(", pad %d %d %d %d", p.Top, p.Bottom, p.Left, p.Right)
}

func stride(v [2]int) string {
	if v == [2]int{1, 1} {
		return ""
	}
	return ", stride " + both(v)
}

func convText(name string, x, w, y *device.Tensor, s device.ConvSpec) string {
	text := fmt.Sprintf("%s %s to %s, %dx%d", name, size(x), size(y), w.Shape[2], w.Shape[3]) + stride(s.Stride) + padding(s.Padding)
	if s.Dilation != [2]int{1, 1} {
		text += ", dilation " + both(s.Dilation)
	}
	if s.Groups != 1 {
		text += fmt.Sprintf(", groups %d", s.Groups)
	}
	return text
}

func poolText(x, y *device.Tensor, s device.PoolSpec) string {
	return fmt.Sprintf("%s %s to %s, %dx%d", s.Kind, size(x), size(y), s.Window[0], s.Window[1]) + stride(s.Stride) + padding(s.Padding)
}

func linearText(name string, w *device.Tensor) string {
	return fmt.Sprintf("%s %d to %d", name, w.Shape[1], w.Shape[0])
}

func products(y, w *device.Tensor) float64 { return 2 * float64(device.Products(y.Shape, w.Shape)) }

func (s *sketch) Name() string                              { return "sketch" }
func (s *sketch) Describe() string                          { return "sketch (computes nothing)" }
func (s *sketch) Float() tensor.Dtype                       { return tensor.Float32 }
func (s *sketch) Free(*device.Tensor)                       {}
func (s *sketch) Upload(*device.Tensor, any) error          { return nil }
func (s *sketch) Download(any, *device.Tensor) error        { return nil }
func (s *sketch) Synchronize() error                        { return nil }
func (s *sketch) Stats() device.Stats                       { return device.Stats{} }
func (s *sketch) Close() error                              { return nil }
func (s *sketch) Fill(*device.Tensor, float64) error        { return nil } // of one number, at the start of backward
func (s *sketch) CountCorrect(_, _, _ *device.Tensor) error { return nil }
func (s *sketch) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return device.NewTensor(s.self, shape, dtype, nil), device.CheckShape(shape)
}

// activation is the handle of a tensor that a device may store in fewer bits.
type activation struct{}

func (s *sketch) NewActivation(shape tensor.Shape) (*device.Tensor, error) {
	return device.NewTensor(s.self, shape, tensor.Float32, activation{}), device.CheckShape(shape)
}

func (s *sketch) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return device.NewTensor(s.self, shape, x.DType, x.Handle), nil
}

func (s *sketch) Conv(y, x, w, b *device.Tensor, c device.ConvSpec) error {
	return s.note(convText("conv2d", x, w, y, c), "", products(y, w), func(d device.Device, t tensors) error { return d.Conv(t[0], t[1], t[2], t[3], c) }, y, x, w, b)
}

func (s *sketch) ConvBackwardData(dx, dy, w *device.Tensor, c device.ConvSpec) error {
	return s.note(convText("conv2d", dx, w, dy, c), "backward data", products(dy, w), func(d device.Device, t tensors) error { return d.ConvBackwardData(t[0], t[1], t[2], c) }, dx, dy, w)
}

func (s *sketch) ConvBackwardWeights(dw, x, dy *device.Tensor, c device.ConvSpec) error {
	return s.note(convText("conv2d", x, dw, dy, c), "backward weights", products(dy, dw), func(d device.Device, t tensors) error { return d.ConvBackwardWeights(t[0], t[1], t[2], c) }, dw, x, dy)
}

func (s *sketch) Rotate180(y, w *device.Tensor) error {
	return s.note("rotate180 "+size(w), "", 0, func(d device.Device, t tensors) error { return d.Rotate180(t[0], t[1]) }, y, w)
}

func (s *sketch) Pool(y, x *device.Tensor, p device.PoolSpec) error {
	return s.note(poolText(x, y, p), "", 0, func(d device.Device, t tensors) error { return d.Pool(t[0], t[1], p) }, y, x)
}

func (s *sketch) PoolBackward(dx, dy, x, y *device.Tensor, p device.PoolSpec) error {
	return s.note(poolText(x, y, p), "", 0, func(d device.Device, t tensors) error { return d.PoolBackward(t[0], t[1], t[2], t[3], p) }, dx, dy, x, y)
}

func (s *sketch) Linear(y, x, w, b *device.Tensor) error {
	return s.note(linearText("linear", w), "", products(y, w), func(d device.Device, t tensors) error { return d.Linear(t[0], t[1], t[2], t[3]) }, y, x, w, b)
}

// MatMul is what the gradients of a fully connected layer are made of, dx = dy w and dw = dy^T x.
func (s *sketch) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	layer, pass := fmt.Sprintf("matmul %s, %s", a.Shape, b.Shape), ""
	switch {
	case s.backward && transposeA && !transposeB:
		layer, pass = linearText("linear", c), "backward weights"
	case s.backward && !transposeA && !transposeB:
		layer, pass = linearText("linear", b), "backward data"
	}
	flops := 2 * float64(a.Size()) * float64(c.Shape[1])
	return s.note(layer, pass, flops, func(d device.Device, t tensors) error { return d.MatMul(t[0], t[1], t[2], transposeA, transposeB) }, c, a, b)
}

func (s *sketch) AddBias(y, x, b *device.Tensor) error {
	return s.note("add_bias "+size(x), "", 0, func(d device.Device, t tensors) error { return d.AddBias(t[0], t[1], t[2]) }, y, x, b)
}

func (s *sketch) SumChannels(db, dy *device.Tensor) error {
	return s.note("sum_channels "+size(dy), "backward bias", 0, func(d device.Device, t tensors) error { return d.SumChannels(t[0], t[1]) }, db, dy)
}

func (s *sketch) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, n device.BatchNormSpec) error {
	return s.note("batch_norm "+size(x), "", 0, func(d device.Device, t tensors) error {
		return d.BatchNorm(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], n)
	}, y, mean, invStd, runningMean, runningVar, x, scale, shift)
}

func (s *sketch) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	return s.note("batch_norm "+size(x), "", 0, func(d device.Device, t tensors) error {
		return d.BatchNormBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7])
	}, dx, dscale, dshift, dy, x, scale, mean, invStd)
}

func (s *sketch) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, n device.BatchNormSpec) error {
	return s.note("batch_norm "+size(x), "", 0, func(d device.Device, t tensors) error {
		return d.BatchNormInfer(t[0], t[1], t[2], t[3], t[4], t[5], n)
	}, y, x, scale, shift, mean, variance)
}

func (s *sketch) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, n device.BatchNormSpec) error {
	return s.note("batch_norm "+size(x), "", 0, func(d device.Device, t tensors) error {
		return d.BatchNormInferBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], n)
	}, dx, dscale, dshift, dy, x, scale, mean, variance)
}

func (s *sketch) LRN(y, x *device.Tensor, n device.LRNSpec) error {
	return s.note("lrn "+size(x), "", 0, func(d device.Device, t tensors) error { return d.LRN(t[0], t[1], n) }, y, x)
}

func (s *sketch) LRNBackward(dx, dy, x, y *device.Tensor, n device.LRNSpec) error {
	return s.note("lrn "+size(x), "", 0, func(d device.Device, t tensors) error { return d.LRNBackward(t[0], t[1], t[2], t[3], n) }, dx, dy, x, y)
}

func (s *sketch) ContrastNorm(y, x *device.Tensor, n device.LRNSpec) error {
	return s.note("contrast_norm "+size(x), "", 0, func(d device.Device, t tensors) error { return d.ContrastNorm(t[0], t[1], n) }, y, x)
}

func (s *sketch) ContrastNormBackward(dx, dy, x *device.Tensor, n device.LRNSpec) error {
	return s.note("contrast_norm "+size(x), "", 0, func(d device.Device, t tensors) error { return d.ContrastNormBackward(t[0], t[1], t[2], n) }, dx, dy, x)
}

func (s *sketch) Activate(y, x *device.Tensor, a device.ActivationSpec) error {
	return s.note(fmt.Sprintf("%s %s", a.Kind, size(x)), "", 0, func(d device.Device, t tensors) error { return d.Activate(t[0], t[1], a) }, y, x)
}

func (s *sketch) ActivateBackward(dx, dy, x, y *device.Tensor, a device.ActivationSpec) error {
	return s.note(fmt.Sprintf("%s %s", a.Kind, size(x)), "", 0, func(d device.Device, t tensors) error { return d.ActivateBackward(t[0], t[1], t[2], t[3], a) }, dx, dy, x, y)
}

func (s *sketch) Maxout(y, x *device.Tensor, pieces int) error {
	return s.note("maxout "+size(x), "", 0, func(d device.Device, t tensors) error { return d.Maxout(t[0], t[1], pieces) }, y, x)
}

func (s *sketch) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	return s.note("maxout "+size(x), "", 0, func(d device.Device, t tensors) error { return d.MaxoutBackward(t[0], t[1], t[2], t[3], pieces) }, dx, dy, x, y)
}

func (s *sketch) Softmax(y, x *device.Tensor, logarithm bool) error {
	return s.note("softmax "+size(x), "", 0, func(d device.Device, t tensors) error { return d.Softmax(t[0], t[1], logarithm) }, y, x)
}

func (s *sketch) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	return s.note("softmax "+size(y), "", 0, func(d device.Device, t tensors) error { return d.SoftmaxBackward(t[0], t[1], t[2], logarithm) }, dx, dy, y)
}

func (s *sketch) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	return s.note("dropout "+size(x), "", 0, func(d device.Device, t tensors) error { return d.Dropout(t[0], t[1], rate, stream) }, y, x)
}

func (s *sketch) Binary(y, a, b *device.Tensor, kind device.BinaryKind) error {
	return s.note(fmt.Sprintf("%s %s", kind, size(y)), "", 0, func(d device.Device, t tensors) error { return d.Binary(t[0], t[1], t[2], kind) }, y, a, b)
}

func (s *sketch) Scale(y, x *device.Tensor, factor, offset float64) error {
	return s.note("scale "+size(x), "", 0, func(d device.Device, t tensors) error { return d.Scale(t[0], t[1], factor, offset) }, y, x)
}

func (s *sketch) ReduceSum(y, x *device.Tensor, factor float64) error {
	return s.note("reduce_sum "+size(x), "", 0, func(d device.Device, t tensors) error { return d.ReduceSum(t[0], t[1], factor) }, y, x)
}

func (s *sketch) Broadcast(y, x *device.Tensor, factor float64) error {
	return s.note("broadcast "+size(y), "", 0, func(d device.Device, t tensors) error { return d.Broadcast(t[0], t[1], factor) }, y, x)
}

// CopyRegion's places are copied: the caller may use the slices again.
func (s *sketch) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from, extent []int) error {
	to, from, extent = slices.Clone(to), slices.Clone(from), slices.Clone(extent)
	return s.note("copy_region "+size(src), "", 0, func(d device.Device, t tensors) error { return d.CopyRegion(t[0], to, t[1], from, extent) }, dst, src)
}

func (s *sketch) Upsample(y, x *device.Tensor, u device.UpsampleSpec) error {
	return s.note("upsample "+size(x), "", 0, func(d device.Device, t tensors) error { return d.Upsample(t[0], t[1], u) }, y, x)
}

func (s *sketch) UpsampleBackward(dx, dy *device.Tensor, u device.UpsampleSpec) error {
	return s.note("upsample "+size(dx), "", 0, func(d device.Device, t tensors) error { return d.UpsampleBackward(t[0], t[1], u) }, dx, dy)
}

func (s *sketch) CrossEntropy(loss, x, labels *device.Tensor) error {
	return s.note("cross_entropy "+size(x), "", 0, func(d device.Device, t tensors) error { return d.CrossEntropy(t[0], t[1], t[2]) }, loss, x, labels)
}

// CrossEntropyBackward begins the backward pass.
func (s *sketch) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	s.backward = true
	return s.note("cross_entropy "+size(x), "", 0, func(d device.Device, t tensors) error { return d.CrossEntropyBackward(t[0], t[1], t[2], t[3]) }, dx, dloss, x, labels)
}

func (s *sketch) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return s.note(fmt.Sprintf("%s %s", kind, size(x)), "", 0, func(d device.Device, t tensors) error { return d.ElementLoss(t[0], t[1], t[2], kind) }, loss, x, y)
}

func (s *sketch) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	s.backward = true
	return s.note(fmt.Sprintf("%s %s", kind, size(x)), "", 0, func(d device.Device, t tensors) error { return d.ElementLossBackward(t[0], t[1], t[2], t[3], kind) }, dx, dloss, x, y)
}

func (s *sketch) SGD(list []device.Update, o device.SGDSpec) error {
	return s.update("sgd", list, func(d device.Device, list []device.Update) error { return d.SGD(list, o) })
}

func (s *sketch) RMSProp(list []device.Update, o device.RMSPropSpec) error {
	return s.update("rmsprop", list, func(d device.Device, list []device.Update) error { return d.RMSProp(list, o) })
}

func (s *sketch) Adam(list []device.Update, o device.AdamSpec) error {
	return s.update("adam", list, func(d device.Device, list []device.Update) error { return d.Adam(list, o) })
}

// update lays the list out flat: value, gradient and two states of each parameter.
func (s *sketch) update(name string, list []device.Update, run func(d device.Device, list []device.Update) error) error {
	var operands tensors
	parameters := 0
	for _, u := range list {
		operands = append(operands, u.Value, u.Grad, u.State[0], u.State[1])
		parameters += u.Value.Size()
	}
	return s.note(fmt.Sprintf("%s, %d parameters", name, parameters), "update", 0, func(d device.Device, t tensors) error {
		list := make([]device.Update, len(t)/4)
		for i := range list {
			list[i] = device.Update{Value: t[4*i], Grad: t[4*i+1], State: [2]*device.Tensor{t[4*i+2], t[4*i+3]}}
		}
		return run(d, list)
	}, operands...)
}

// fusing is a sketch that offers the fused primitives but for device.FoldedConvolution, which folding has too.
type fusing struct{ *sketch }

func (s *fusing) ConvReLU(y, x, w, b *device.Tensor, c device.ConvSpec) error {
	return s.note(convText("conv2d_relu", x, w, y, c), "", products(y, w), func(d device.Device, t tensors) error {
		return d.(device.FusedConvolution).ConvReLU(t[0], t[1], t[2], t[3], c)
	}, y, x, w, b)
}

func (s *fusing) LinearReLU(y, x, w, b *device.Tensor) error {
	return s.note(linearText("linear_relu", w), "", products(y, w), func(d device.Device, t tensors) error {
		return d.(device.FusedLinear).LinearReLU(t[0], t[1], t[2], t[3])
	}, y, x, w, b)
}

// normText says whether there is a sum between normalisation and ReLU.
func normText(x, residual *device.Tensor) string {
	if residual != nil {
		return "batch_norm_add_relu " + size(x)
	}
	return "batch_norm_relu " + size(x)
}

func (s *fusing) BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, n device.BatchNormSpec) error {
	return s.note(normText(x, residual), "", 0, func(d device.Device, t tensors) error {
		return d.(device.FusedNormalisation).BatchNormReLU(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], n)
	}, y, mean, invStd, runningMean, runningVar, x, residual, scale, shift)
}

func (s *fusing) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	return s.note(normText(x, dresidual), "", 0, func(d device.Device, t tensors) error {
		return d.(device.FusedNormalisation).BatchNormReLUBackward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9])
	}, dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd)
}

func (s *fusing) BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, n device.BatchNormSpec) error {
	return s.note(normText(x, residual), "", 0, func(d device.Device, t tensors) error {
		return d.(device.FusedNormalisation).BatchNormReLUInfer(t[0], t[1], t[2], t[3], t[4], t[5], t[6], n)
	}, y, x, residual, scale, shift, mean, variance)
}

type folding struct{ fusing }

func (s *folding) ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *device.Tensor, c device.ConvSpec, n device.BatchNormSpec, relu bool) error {
	name := "conv2d_batch_norm"
	if residual != nil {
		name += "_add"
	}
	if relu {
		name += "_relu"
	}
	return s.note(convText(name, x, w, y, c), "", products(y, w), func(d device.Device, t tensors) error {
		return d.(device.FoldedConvolution).ConvBatchNorm(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], c, n, relu)
	}, y, x, w, b, scale, shift, mean, variance, residual)
}

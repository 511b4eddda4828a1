package devicetest

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// hooked is a device each of whose primitives goes through around, which sees the results and inputs and decides whether
// and when to do the work.
type hooked struct {
	device.Device
	around func(method string, results, inputs []*device.Tensor, do func() error) error
}

type list = []*device.Tensor

func (h hooked) New(s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	t, err := h.Device.New(s, dtype)
	if err == nil {
		t.Device = h
	}
	return t, err
}

func (h hooked) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return h.around("Conv", list{y}, list{x, w, b}, func() error { return h.Device.Conv(y, x, w, b, s) })
}

func (h hooked) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	return h.around("ConvBackwardData", list{dx}, list{dy, w}, func() error { return h.Device.ConvBackwardData(dx, dy, w, s) })
}

func (h hooked) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	return h.around("ConvBackwardWeights", list{dw}, list{x, dy}, func() error { return h.Device.ConvBackwardWeights(dw, x, dy, s) })
}

func (h hooked) Rotate180(y, w *device.Tensor) error {
	return h.around("Rotate180", list{y}, list{w}, func() error { return h.Device.Rotate180(y, w) })
}

func (h hooked) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	return h.around("Pool", list{y}, list{x}, func() error { return h.Device.Pool(y, x, s) })
}

func (h hooked) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	return h.around("PoolBackward", list{dx}, list{dy, x, y}, func() error { return h.Device.PoolBackward(dx, dy, x, y, s) })
}

func (h hooked) Linear(y, x, w, b *device.Tensor) error {
	return h.around("Linear", list{y}, list{x, w, b}, func() error { return h.Device.Linear(y, x, w, b) })
}

func (h hooked) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	return h.around("MatMul", list{c}, list{a, b}, func() error { return h.Device.MatMul(c, a, b, transposeA, transposeB) })
}

func (h hooked) AddBias(y, x, b *device.Tensor) error {
	return h.around("AddBias", list{y}, list{x, b}, func() error { return h.Device.AddBias(y, x, b) })
}

func (h hooked) SumChannels(db, dy *device.Tensor) error {
	return h.around("SumChannels", list{db}, list{dy}, func() error { return h.Device.SumChannels(db, dy) })
}

func (h hooked) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return h.around("BatchNorm", list{y, mean, invStd, runningMean, runningVar}, list{x, scale, shift}, func() error {
		return h.Device.BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift, s)
	})
}

func (h hooked) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	return h.around("BatchNormBackward", list{dx, dscale, dshift}, list{dy, x, scale, mean, invStd}, func() error {
		return h.Device.BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd)
	})
}

func (h hooked) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return h.around("BatchNormInfer", list{y}, list{x, scale, shift, mean, variance}, func() error {
		return h.Device.BatchNormInfer(y, x, scale, shift, mean, variance, s)
	})
}

func (h hooked) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return h.around("BatchNormInferBackward", list{dx, dscale, dshift}, list{dy, x, scale, mean, variance}, func() error {
		return h.Device.BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance, s)
	})
}

func (h hooked) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	return h.around("LRN", list{y}, list{x}, func() error { return h.Device.LRN(y, x, s) })
}

func (h hooked) LRNBackward(dx, dy, x, y *device.Tensor, s device.LRNSpec) error {
	return h.around("LRNBackward", list{dx}, list{dy, x, y}, func() error { return h.Device.LRNBackward(dx, dy, x, y, s) })
}

func (h hooked) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	return h.around("ContrastNorm", list{y}, list{x}, func() error { return h.Device.ContrastNorm(y, x, s) })
}

func (h hooked) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	return h.around("ContrastNormBackward", list{dx}, list{dy, x}, func() error { return h.Device.ContrastNormBackward(dx, dy, x, s) })
}

func (h hooked) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	return h.around("Activate", list{y}, list{x}, func() error { return h.Device.Activate(y, x, s) })
}

func (h hooked) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	return h.around("ActivateBackward", list{dx}, list{dy, x, y}, func() error { return h.Device.ActivateBackward(dx, dy, x, y, s) })
}

func (h hooked) Maxout(y, x *device.Tensor, pieces int) error {
	return h.around("Maxout", list{y}, list{x}, func() error { return h.Device.Maxout(y, x, pieces) })
}

func (h hooked) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	return h.around("MaxoutBackward", list{dx}, list{dy, x, y}, func() error { return h.Device.MaxoutBackward(dx, dy, x, y, pieces) })
}

func (h hooked) Softmax(y, x *device.Tensor, logarithm bool) error {
	return h.around("Softmax", list{y}, list{x}, func() error { return h.Device.Softmax(y, x, logarithm) })
}

func (h hooked) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	return h.around("SoftmaxBackward", list{dx}, list{dy, y}, func() error { return h.Device.SoftmaxBackward(dx, dy, y, logarithm) })
}

func (h hooked) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	return h.around("Dropout", list{y}, list{x}, func() error { return h.Device.Dropout(y, x, rate, stream) })
}

func (h hooked) Fill(y *device.Tensor, value float64) error {
	return h.around("Fill", list{y}, nil, func() error { return h.Device.Fill(y, value) })
}

func (h hooked) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	return h.around("Binary", list{y}, list{a, b}, func() error { return h.Device.Binary(y, a, b, op) })
}

func (h hooked) Scale(y, x *device.Tensor, factor, offset float64) error {
	return h.around("Scale", list{y}, list{x}, func() error { return h.Device.Scale(y, x, factor, offset) })
}

func (h hooked) ReduceSum(y, x *device.Tensor, factor float64) error {
	return h.around("ReduceSum", list{y}, list{x}, func() error { return h.Device.ReduceSum(y, x, factor) })
}

func (h hooked) Broadcast(y, x *device.Tensor, factor float64) error {
	return h.around("Broadcast", list{y}, list{x}, func() error { return h.Device.Broadcast(y, x, factor) })
}

// Reshape gives a copy, so that what is done to the result is not done to x.
func (h hooked) Reshape(x *device.Tensor, s tensor.Shape) (*device.Tensor, error) {
	y, err := h.New(s, x.DType)
	if err != nil {
		return nil, err
	}
	err = h.around("Reshape", list{y}, list{x}, func() error {
		elements, err := x.Floats()
		if err != nil {
			return err
		}
		return h.Upload(y, elements)
	})
	return y, err
}

func (h hooked) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from, extent []int) error {
	return h.around("CopyRegion", list{dst}, list{src}, func() error { return h.Device.CopyRegion(dst, to, src, from, extent) })
}

func (h hooked) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	return h.around("Upsample", list{y}, list{x}, func() error { return h.Device.Upsample(y, x, s) })
}

func (h hooked) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	return h.around("UpsampleBackward", list{dx}, list{dy}, func() error { return h.Device.UpsampleBackward(dx, dy, s) })
}

func (h hooked) CrossEntropy(loss, x, labels *device.Tensor) error {
	return h.around("CrossEntropy", list{loss}, list{x, labels}, func() error { return h.Device.CrossEntropy(loss, x, labels) })
}

func (h hooked) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	return h.around("CrossEntropyBackward", list{dx}, list{dloss, x, labels}, func() error {
		return h.Device.CrossEntropyBackward(dx, dloss, x, labels)
	})
}

func (h hooked) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return h.around("ElementLoss", list{loss}, list{x, y}, func() error { return h.Device.ElementLoss(loss, x, y, kind) })
}

func (h hooked) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return h.around("ElementLossBackward", list{dx}, list{dloss, x, y}, func() error {
		return h.Device.ElementLossBackward(dx, dloss, x, y, kind)
	})
}

func (h hooked) CountCorrect(count, x, labels *device.Tensor) error {
	return h.around("CountCorrect", list{count}, list{x, labels}, func() error { return h.Device.CountCorrect(count, x, labels) })
}

func (h hooked) SGD(u []device.Update, s device.SGDSpec) error {
	return h.optimise("SGD", u, func() error { return h.Device.SGD(u, s) })
}

func (h hooked) RMSProp(u []device.Update, s device.RMSPropSpec) error {
	return h.optimise("RMSProp", u, func() error { return h.Device.RMSProp(u, s) })
}

func (h hooked) Adam(u []device.Update, s device.AdamSpec) error {
	return h.optimise("Adam", u, func() error { return h.Device.Adam(u, s) })
}

// optimise shows the value and states of the first parameter, all values, and all gradients.
func (h hooked) optimise(method string, updates []device.Update, do func() error) error {
	results, inputs := list{updates[0].Value, updates[0].State[0], updates[0].State[1]}, list{}
	for _, u := range updates {
		results, inputs = append(results, u.Value), append(inputs, u.Grad)
	}
	return h.around(method, results, inputs, do)
}

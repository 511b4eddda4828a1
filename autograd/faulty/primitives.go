package faulty

import (
	"fovea/device"
	"fovea/device/philox"
)

// The primitives: each counts as one call.

// Conv implements device.Device.
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return first(d.call("Conv"), func() error { return d.Device.Conv(y, x, w, b, s) })
}

// ConvBackwardData implements device.Device.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	return first(d.call("ConvBackwardData"), func() error { return d.Device.ConvBackwardData(dx, dy, w, s) })
}

// ConvBackwardWeights implements device.Device.
func (d *Device) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	return first(d.call("ConvBackwardWeights"), func() error { return d.Device.ConvBackwardWeights(dw, x, dy, s) })
}

// Rotate180 implements device.Device.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	return first(d.call("Rotate180"), func() error { return d.Device.Rotate180(y, w) })
}

// Pool implements device.Device.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	return first(d.call("Pool"), func() error { return d.Device.Pool(y, x, s) })
}

// PoolBackward implements device.Device.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	return first(d.call("PoolBackward"), func() error { return d.Device.PoolBackward(dx, dy, x, y, s) })
}

// Linear implements device.Device.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	return first(d.call("Linear"), func() error { return d.Device.Linear(y, x, w, b) })
}

// MatMul implements device.Device.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	return first(d.call("MatMul"), func() error { return d.Device.MatMul(c, a, b, transposeA, transposeB) })
}

// AddBias implements device.Device.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	return first(d.call("AddBias"), func() error { return d.Device.AddBias(y, x, b) })
}

// SumChannels implements device.Device.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	return first(d.call("SumChannels"), func() error { return d.Device.SumChannels(db, dy) })
}

// BatchNorm implements device.Device.
func (d *Device) BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return first(d.call("BatchNorm"), func() error { return d.Device.BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift, s) })
}

// BatchNormBackward implements device.Device.
func (d *Device) BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd *device.Tensor) error {
	return first(d.call("BatchNormBackward"), func() error { return d.Device.BatchNormBackward(dx, dscale, dshift, dy, x, scale, mean, invStd) })
}

// BatchNormInfer implements device.Device.
func (d *Device) BatchNormInfer(y, x, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return first(d.call("BatchNormInfer"), func() error { return d.Device.BatchNormInfer(y, x, scale, shift, mean, variance, s) })
}

// BatchNormInferBackward implements device.Device.
func (d *Device) BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return first(d.call("BatchNormInferBackward"), func() error {
		return d.Device.BatchNormInferBackward(dx, dscale, dshift, dy, x, scale, mean, variance, s)
	})
}

// LRN implements device.Device.
func (d *Device) LRN(y, x *device.Tensor, s device.LRNSpec) error {
	return first(d.call("LRN"), func() error { return d.Device.LRN(y, x, s) })
}

// LRNBackward implements device.Device.
func (d *Device) LRNBackward(dx, dy, x, y *device.Tensor, s device.LRNSpec) error {
	return first(d.call("LRNBackward"), func() error { return d.Device.LRNBackward(dx, dy, x, y, s) })
}

// ContrastNorm implements device.Device.
func (d *Device) ContrastNorm(y, x *device.Tensor, s device.LRNSpec) error {
	return first(d.call("ContrastNorm"), func() error { return d.Device.ContrastNorm(y, x, s) })
}

// ContrastNormBackward implements device.Device.
func (d *Device) ContrastNormBackward(dx, dy, x *device.Tensor, s device.LRNSpec) error {
	return first(d.call("ContrastNormBackward"), func() error { return d.Device.ContrastNormBackward(dx, dy, x, s) })
}

// Activate implements device.Device.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	return first(d.call("Activate"), func() error { return d.Device.Activate(y, x, s) })
}

// ActivateBackward implements device.Device.
func (d *Device) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	return first(d.call("ActivateBackward"), func() error { return d.Device.ActivateBackward(dx, dy, x, y, s) })
}

// Maxout implements device.Device.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	return first(d.call("Maxout"), func() error { return d.Device.Maxout(y, x, pieces) })
}

// MaxoutBackward implements device.Device.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	return first(d.call("MaxoutBackward"), func() error { return d.Device.MaxoutBackward(dx, dy, x, y, pieces) })
}

// Softmax implements device.Device.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	return first(d.call("Softmax"), func() error { return d.Device.Softmax(y, x, logarithm) })
}

// SoftmaxBackward implements device.Device.
func (d *Device) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	return first(d.call("SoftmaxBackward"), func() error { return d.Device.SoftmaxBackward(dx, dy, y, logarithm) })
}

// Dropout implements device.Device.
func (d *Device) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	return first(d.call("Dropout"), func() error { return d.Device.Dropout(y, x, rate, stream) })
}

// Fill implements device.Device.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	return first(d.call("Fill"), func() error { return d.Device.Fill(y, value) })
}

// Binary implements device.Device.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	return first(d.call("Binary"), func() error { return d.Device.Binary(y, a, b, op) })
}

// Scale implements device.Device.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	return first(d.call("Scale"), func() error { return d.Device.Scale(y, x, factor, offset) })
}

// ReduceSum implements device.Device.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	return first(d.call("ReduceSum"), func() error { return d.Device.ReduceSum(y, x, factor) })
}

// Broadcast implements device.Device.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	return first(d.call("Broadcast"), func() error { return d.Device.Broadcast(y, x, factor) })
}

// CopyRegion implements device.Device.
func (d *Device) CopyRegion(dst *device.Tensor, to []int, src *device.Tensor, from []int, extent []int) error {
	return first(d.call("CopyRegion"), func() error { return d.Device.CopyRegion(dst, to, src, from, extent) })
}

// Upsample implements device.Device.
func (d *Device) Upsample(y, x *device.Tensor, s device.UpsampleSpec) error {
	return first(d.call("Upsample"), func() error { return d.Device.Upsample(y, x, s) })
}

// UpsampleBackward implements device.Device.
func (d *Device) UpsampleBackward(dx, dy *device.Tensor, s device.UpsampleSpec) error {
	return first(d.call("UpsampleBackward"), func() error { return d.Device.UpsampleBackward(dx, dy, s) })
}

// CrossEntropy implements device.Device.
func (d *Device) CrossEntropy(loss, x, labels *device.Tensor) error {
	return first(d.call("CrossEntropy"), func() error { return d.Device.CrossEntropy(loss, x, labels) })
}

// CrossEntropyBackward implements device.Device.
func (d *Device) CrossEntropyBackward(dx, dloss, x, labels *device.Tensor) error {
	return first(d.call("CrossEntropyBackward"), func() error { return d.Device.CrossEntropyBackward(dx, dloss, x, labels) })
}

// ElementLoss implements device.Device.
func (d *Device) ElementLoss(loss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return first(d.call("ElementLoss"), func() error { return d.Device.ElementLoss(loss, x, y, kind) })
}

// ElementLossBackward implements device.Device.
func (d *Device) ElementLossBackward(dx, dloss, x, y *device.Tensor, kind device.ElementLossKind) error {
	return first(d.call("ElementLossBackward"), func() error { return d.Device.ElementLossBackward(dx, dloss, x, y, kind) })
}

// CountCorrect implements device.Device.
func (d *Device) CountCorrect(count, x, labels *device.Tensor) error {
	return first(d.call("CountCorrect"), func() error { return d.Device.CountCorrect(count, x, labels) })
}

// SGD implements device.Device.
func (d *Device) SGD(list []device.Update, s device.SGDSpec) error {
	return first(d.call("SGD"), func() error { return d.Device.SGD(list, s) })
}

// RMSProp implements device.Device.
func (d *Device) RMSProp(list []device.Update, s device.RMSPropSpec) error {
	return first(d.call("RMSProp"), func() error { return d.Device.RMSProp(list, s) })
}

// Adam implements device.Device.
func (d *Device) Adam(list []device.Update, s device.AdamSpec) error {
	return first(d.call("Adam"), func() error { return d.Device.Adam(list, s) })
}

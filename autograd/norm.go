package autograd

import (
	"errors"

	"gorgonia.org/tensor"

	"fovea/device"
)

// BatchNorm normalises each channel of x [N, C, ...], see device.Normalisation. While the tape is training it uses the
// batch's statistics and updates running ones, else, or if both its parameters are frozen, it uses the running ones.
// scale, shift [C] are parameters; runningMean, runningVar [C] belong to the layer.
func BatchNorm(x, scale, shift *Value, runningMean, runningVar *device.Tensor, s device.BatchNormSpec) *Value {
	const op = "batch_norm"
	t := begin(op, x, scale, shift).floats(op, x, scale, shift)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if err := checkBatchNorm(op, t, x.Shape(), scale, shift, runningMean, runningVar); err != nil {
		return t.Fail(err)
	}
	o := operation{name: op, operands: []*Value{x, scale, shift}, shape: x.Shape()}
	if !t.ownStatistics(scale, shift) {
		o.forward = func(y *device.Tensor) error {
			return t.dev.BatchNormInfer(y, x.data, scale.data, shift.data, runningMean, runningVar, s)
		}
		o.backward = func(dy *device.Tensor) error {
			return t.giveAll([]*Value{x, scale, shift}, func(g []*device.Tensor) error {
				return t.dev.BatchNormInferBackward(g[0], g[1], g[2], dy, x.data, scale.data, runningMean, runningVar, s)
			}, true)
		}
		return t.apply(o)
	}
	mean, invStd := t.temporary(op, scale.Shape()), t.temporary(op, scale.Shape())
	o.saved = []*device.Tensor{mean, invStd}
	o.forward = func(y *device.Tensor) error {
		return t.dev.BatchNorm(y, mean, invStd, runningMean, runningVar, x.data, scale.data, shift.data, s)
	}
	o.backward = func(dy *device.Tensor) error {
		return t.giveAll([]*Value{x, scale, shift}, func(g []*device.Tensor) error {
			return t.dev.BatchNormBackward(g[0], g[1], g[2], dy, x.data, scale.data, mean, invStd)
		}, true)
	}
	return t.apply(o)
}

// ownStatistics says whether a normalisation uses the batch's own statistics.
func (t *Tape) ownStatistics(scale, shift *Value) bool {
	return t.Training && !(scale.Frozen && shift.Frozen)
}

func checkBatchNorm(op string, t *Tape, x tensor.Shape, scale, shift *Value, runningMean, runningVar *device.Tensor) error {
	if runningMean == nil || runningVar == nil {
		return errors.New(op + ": running statistics are nil")
	}
	return device.CheckBatchNorm(x, t.ownStatistics(scale, shift), scale.Shape(), shift.Shape(), runningMean.Shape, runningVar.Shape)
}

// LRN is local response normalisation across maps, x [N, C, H, W].
func LRN(x *Value, s device.LRNSpec) *Value {
	const op = "lrn"
	t := begin(op, x).floats(op, x)
	if t.err == nil {
		if err := s.Check(op, x.Shape()); err != nil {
			t.Fail(err)
		}
	}
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.LRN(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.LRNBackward(dx, dy, x.data, y.data, s) })
		}})
	return y
}

// ContrastNorm is the contrast normalisation across maps of Zeiler and Fergus, x [N, C, H, W].
func ContrastNorm(x *Value, s device.LRNSpec) *Value {
	const op = "contrast_norm"
	t := begin(op, x).floats(op, x)
	if t.err == nil {
		if err := s.Check(op, x.Shape()); err != nil {
			t.Fail(err)
		}
	}
	return t.apply(operation{name: op, operands: []*Value{x}, shape: x.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.ContrastNorm(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.ContrastNormBackward(dx, dy, x.data, s) })
		}})
}

package autograd

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
)

// CrossEntropy is the mean over samples (and places) of -log softmax(x)[label]: logits x [N, classes, ...] and
// labels [N, ...] from Tape.Labels.
func CrossEntropy(x, labels *Value) *Value {
	const op = "cross_entropy"
	t := begin(op, x, labels).floats(op, x)
	t.checkLabels(op, x, labels)
	return t.apply(operation{name: op, operands: []*Value{x}, shape: tensor.Shape{}, precise: true,
		forward: func(y *device.Tensor) error { return t.dev.CrossEntropy(y, x.data, labels.data) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.CrossEntropyBackward(dx, dy, x.data, labels.data) })
		}})
}

// checkLabels puts an error on the tape if labels do not fit the logits.
func (t *Tape) checkLabels(op string, x, labels *Value) {
	if t.err != nil {
		return
	}
	if labels.data.DType != tensor.Int32 {
		t.Fail(fmt.Errorf("%s: %w: labels hold %v, expected the class indices of Tape.Labels", op, device.ErrDType, labels.data.DType))
		return
	}
	if err := device.CheckLabels(op, x.Shape(), labels.Shape()); err != nil {
		t.Fail(err)
		return
	}
	classes := int32(x.Shape()[1])
	for _, l := range [2]int32{labels.low, labels.high} {
		if l < 0 || l >= classes {
			t.Fail(fmt.Errorf("%s: label %d, expected 0 to %d", op, l, classes-1))
			return
		}
	}
}

// SoftCrossEntropy is the mean over samples (and places) of -sum_k target_k log softmax(x)_k: logits x [N, classes, ...] and
// targets of the same shape, which need not add up to 1. No gradient flows to the targets.
func SoftCrossEntropy(x, target *Value) *Value {
	const op = "soft_cross_entropy"
	t := begin(op, x, target).floats(op, x, target)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if err := device.CheckSoftmax(x.Shape()); err != nil {
		return t.Fail(err)
	}
	if err := device.SameShape(op, x.Shape(), target.Shape()); err != nil {
		return t.Fail(err)
	}
	if x.data.Size() == 0 {
		return t.Fail(fmt.Errorf("%s: %w: no samples: the mean of nothing is undefined", op, device.ErrShape))
	}
	logarithms := t.temporary(op, x.Shape())
	one := make(tensor.Shape, len(x.Shape()))
	for i := range one {
		one[i] = 1
	}
	share := -float64(x.Shape()[1]) / float64(x.data.Size())
	y := t.apply(operation{name: op, operands: []*Value{x}, shape: one, precise: true, saved: []*device.Tensor{logarithms},
		forward: func(y *device.Tensor) error {
			products, err := t.dev.New(x.Shape(), t.dev.Float())
			if err != nil {
				return err
			}
			defer products.Release()
			return firstError(
				t.dev.Softmax(logarithms, x.data, true),
				t.dev.Binary(products, logarithms, target.data, device.Mul),
				t.dev.ReduceSum(y, products, share))
		},
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error {
				slope, err := t.dev.New(x.Shape(), t.dev.Float())
				if err != nil {
					return err
				}
				defer slope.Release()
				return firstError(
					t.dev.Binary(slope, target.data, dy, device.Mul),
					t.dev.Scale(slope, slope, share, 0),
					t.dev.SoftmaxBackward(dx, slope, logarithms, true))
			})
		}})
	return Reshape(y)
}

// ElementLoss is the mean over all elements of a loss of prediction x and target y, which have the same shape.
// No gradient flows to the target.
func ElementLoss(x, y *Value, kind device.ElementLossKind) *Value {
	op := kind.String()
	t := begin(op, x, y).floats(op, x, y)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if err := device.SameShape(op, x.Shape(), y.Shape()); err != nil {
		return t.Fail(err)
	}
	if x.data.Size() == 0 {
		return t.Fail(fmt.Errorf("%s: %w: no samples: the mean of nothing is undefined", op, device.ErrShape))
	}
	return t.apply(operation{name: op, operands: []*Value{x}, shape: tensor.Shape{}, precise: true,
		forward: func(loss *device.Tensor) error { return t.dev.ElementLoss(loss, x.data, y.data, kind) },
		backward: func(dy *device.Tensor) error {
			return t.give(x, func(dx *device.Tensor) error { return t.dev.ElementLossBackward(dx, dy, x.data, y.data, kind) })
		}})
}

// SquaredError is the mean of (x - y)^2.
func SquaredError(x, y *Value) *Value { return ElementLoss(x, y, device.SquaredError) }

// Logistic is the mean of -y log a - (1-y) log(1-a), a = sigmoid(x), y in [0, 1].
func Logistic(x, y *Value) *Value { return ElementLoss(x, y, device.Logistic) }

// Hinge is the mean of max(0, 1 - x*y), y being -1 or 1.
func Hinge(x, y *Value) *Value { return ElementLoss(x, y, device.Hinge) }

// CountCorrect adds to count, a scalar on the device, the samples whose label has the largest logit.
func CountCorrect(count *device.Tensor, x, labels *Value) {
	const op = "count_correct"
	t := begin(op, x, labels).floats(op, x)
	t.checkLabels(op, x, labels)
	if t.err == nil && (count == nil || count.Size() != 1 || count.DType != t.dev.Float()) {
		t.Fail(fmt.Errorf("%s: count, expected a scalar of %v on the device", op, t.dev.Float()))
	}
	if t.err == nil {
		if err := t.dev.CountCorrect(count, x.data, labels.data); err != nil {
			t.Fail(fmt.Errorf("%s: %w", op, err))
		}
	}
}

package autograd

import (
	"fmt"

	"fovea/device"
)

// The functions of this file are two or three others in one, for devices that make one pass of them; on the others they
// are those functions.

// relu is max(0, x). Its slope can be told from its result as well as from x, so x need not be kept.
var relu = device.ActivationSpec{Kind: device.ReLU}

// beforeReLU hands backward the gradient of what went into a ReLU whose result was y. It takes the place of dy where nobody
// else sees that.
func (t *Tape) beforeReLU(y *Value, dy *device.Tensor, backward func(dz *device.Tensor) error) error {
	if y.masked {
		return backward(dy)
	}
	if dy.Exclusive() && !y.keep {
		if err := t.dev.ActivateBackward(dy, dy, y.data, y.data, relu); err != nil {
			return err
		}
		return backward(dy)
	}
	dz, err := t.room(dy.Shape, false)
	if err != nil {
		return err
	}
	defer dz.Release()
	if err := t.dev.ActivateBackward(dz, dy, y.data, y.data, relu); err != nil {
		return err
	}
	return backward(dz)
}

// thenReLU applies the activation to a value that nobody else has seen.
func (t *Tape) thenReLU(x *Value) *Value {
	y := ReLU(x)
	t.Free(x)
	return y
}

// thenAdd adds a residual, unless it is nil, to a value that nobody else has seen.
func (t *Tape) thenAdd(x, residual *Value) *Value {
	if residual == nil {
		return x
	}
	y := Add(x, residual)
	t.Free(x)
	return y
}

// Conv2DReLU is ReLU(Conv2D(x, w, b, s)).
func Conv2DReLU(x, w, b *Value, s device.ConvSpec) *Value {
	const op = "conv2d_relu"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	fused, has := t.dev.(device.FusedConvolution)
	if !has {
		return t.thenReLU(Conv2D(x, w, b, s))
	}
	s = t.learning(s, w)
	shape, err := s.Output(x.Shape(), w.Shape(), b.Shape())
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: operands, shape: shape,
		forward: func(y *device.Tensor) error { return fused.ConvReLU(y, x.data, w.data, b.tensor(), s) },
		backward: func(dy *device.Tensor) error {
			return t.beforeReLU(y, dy, func(dz *device.Tensor) error { return t.convGradients(y, x, w, b, dz, s) })
		}})
	y.rectified, y.convolved = true, true
	return y
}

// PoolsConvolutions says whether Conv2DReLUPool of x is one pass: where the device has one, x gets no gradient, as a picture does not, and
// nobody observes what each layer gives.
func (t *Tape) PoolsConvolutions(x *Value) bool {
	_, has := t.dev.(device.FusedPooling)
	return has && t.Observe == nil && (t.NoGrad || !x.wantsGrad())
}

// Conv2DReLUPool is Pool(Conv2DReLU(x, w, b, s), p).
func Conv2DReLUPool(x, w, b *Value, s device.ConvSpec, p device.PoolSpec) *Value {
	const op = "conv2d_relu_pool"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if p.Kind != device.MaxPool || !t.PoolsConvolutions(x) {
		y := Conv2DReLU(x, w, b, s)
		defer t.Free(y)
		return Pool(y, p)
	}
	fused := t.dev.(device.FusedPooling)
	s, p = t.learning(s, w), p.Normal()
	shape, err := s.Output(x.Shape(), w.Shape(), b.Shape())
	if err == nil {
		shape, err = p.Output(shape)
	}
	if err != nil {
		return t.Fail(err)
	}
	o := operation{name: op, operands: operands, shape: shape}
	var chosen *device.Tensor
	if !t.NoGrad && (w.wantsGrad() || b.wantsGrad()) {
		if chosen, err = t.room(shape, false); err != nil {
			return t.Fail(fmt.Errorf("%s: %w", op, err))
		}
		o.saved = []*device.Tensor{chosen}
	}
	o.forward = func(pooled *device.Tensor) error {
		return fused.ConvReLUPool(pooled, chosen, x.data, w.data, b.tensor(), s, p)
	}
	var y *Value
	o.backward = func(dy *device.Tensor) error { // the gradient goes to the largest elements alone, which are positive where y is
		return t.beforeReLU(y, dy, func(dz *device.Tensor) error {
			return firstError(
				t.give(b, func(db *device.Tensor) error { return t.dev.SumChannels(db, dz) }),
				t.give(w, func(dw *device.Tensor) error { return fused.ConvBackwardWeightsPooled(dw, x.data, dz, chosen, s, p) }))
		})
	}
	y = t.apply(o)
	return y
}

// LinearReLU is ReLU(Linear(x, w, b)).
func LinearReLU(x, w, b *Value) *Value {
	const op = "linear_relu"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	fused, has := t.dev.(device.FusedLinear)
	if !has {
		return t.thenReLU(Linear(x, w, b))
	}
	shape, err := device.LinearOutput(x.Shape(), w.Shape(), b.Shape())
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: operands, shape: shape,
		forward: func(y *device.Tensor) error { return fused.LinearReLU(y, x.data, w.data, b.tensor()) },
		backward: func(dy *device.Tensor) error {
			return t.beforeReLU(y, dy, func(dz *device.Tensor) error { return t.linearGradients(x, w, b, dz) })
		}})
	return y
}

// BatchNormReLU is ReLU(BatchNorm(x, ...) + residual); residual may be nil for no sum.
func BatchNormReLU(x, residual, scale, shift *Value, runningMean, runningVar *device.Tensor, s device.BatchNormSpec) *Value {
	const op = "batch_norm_relu"
	operands := optional(residual, x, scale, shift)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	fused, has := t.dev.(device.FusedNormalisation)
	if !has || (!t.ownStatistics(scale, shift) && !t.NoGrad) { // with the statistics held, a gradient is rare and has no fused form
		return t.thenReLU(t.thenAdd(BatchNorm(x, scale, shift, runningMean, runningVar, s), residual))
	}
	if err := checkBatchNorm(op, t, x.Shape(), scale, shift, runningMean, runningVar); err != nil {
		return t.Fail(err)
	}
	if residual != nil {
		if err := device.SameShape(op, x.Shape(), residual.Shape()); err != nil {
			return t.Fail(err)
		}
	}
	o := operation{name: op, operands: operands, shape: x.Shape()}
	if !t.ownStatistics(scale, shift) {
		o.forward = func(y *device.Tensor) error {
			return fused.BatchNormReLUInfer(y, x.data, residual.tensor(), scale.data, shift.data, runningMean, runningVar, s)
		}
		return t.apply(o)
	}
	mean, invStd := t.temporary(op, scale.Shape()), t.temporary(op, scale.Shape())
	o.saved = []*device.Tensor{mean, invStd}
	o.forward = func(y *device.Tensor) error {
		return fused.BatchNormReLU(y, mean, invStd, runningMean, runningVar, x.data, residual.tensor(), scale.data, shift.data, s)
	}
	var y *Value
	o.backward = func(dy *device.Tensor) error {
		wanted := []*Value{x, scale, shift}
		if residual.wantsGrad() {
			wanted = append(wanted, residual)
		}
		return t.giveAll(wanted, func(g []*device.Tensor) error {
			var dresidual *device.Tensor
			if len(g) == 4 {
				dresidual = g[3]
			}
			return fused.BatchNormReLUBackward(g[0], dresidual, g[1], g[2], dy, x.data, y.data, scale.data, mean, invStd)
		}, true)
	}
	y = t.apply(o)
	return y
}

// ConvBatchNorm is BatchNorm(Conv2D(x, w, b, s), ...) + residual, and ReLU of that if relu is set; b and residual may be nil.
// Where nothing is recorded and the statistics are held, devices may fold the normalisation into the weights.
func ConvBatchNorm(x, w, b, scale, shift, residual *Value, runningMean, runningVar *device.Tensor, s device.ConvSpec, n device.BatchNormSpec, relu bool) *Value {
	op := "conv2d_batch_norm"
	if relu {
		op += "_relu"
	}
	operands := optional(residual, optional(b, x, w, scale, shift)...)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	folded, has := t.dev.(device.FoldedConvolution)
	if !has || t.Training || !t.NoGrad {
		convolved := Conv2D(x, w, b, s)
		defer t.Free(convolved)
		if relu {
			return BatchNormReLU(convolved, residual, scale, shift, runningMean, runningVar, n)
		}
		return t.thenAdd(BatchNorm(convolved, scale, shift, runningMean, runningVar, n), residual)
	}
	s = s.Normal()
	shape, err := s.Output(x.Shape(), w.Shape(), b.Shape())
	if err == nil {
		err = checkBatchNorm(op, t, shape, scale, shift, runningMean, runningVar)
	}
	if err == nil && residual != nil {
		err = device.SameShape(op, shape, residual.Shape())
	}
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: operands, shape: shape, forward: func(y *device.Tensor) error {
		return folded.ConvBatchNorm(y, x.data, w.data, b.tensor(), scale.data, shift.data, runningMean, runningVar, residual.tensor(), s, n, relu)
	}})
}

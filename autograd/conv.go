package autograd

import "fovea/device"

// Conv2D is the sliding window of CNN layers (cross-correlation), see device.Convolution: x [N, C, H, W],
// w [M, C/groups, R, S], b [M] or nil. Gradients: the transposed convolution of dy for x, the correlation of x with dy
// for w, the sum of dy for b.
func Conv2D(x, w, b *Value, s device.ConvSpec) *Value {
	const op = "conv2d"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	s = t.learning(s, w)
	shape, err := s.Output(x.Shape(), w.Shape(), b.Shape())
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: operands, shape: shape,
		forward:  func(y *device.Tensor) error { return t.dev.Conv(y, x.data, w.data, b.tensor(), s) },
		backward: func(dy *device.Tensor) error { return t.convGradients(y, x, w, b, dy, s) }})
	y.convolved = true
	return y
}

// learning is s, whole, with what a device may know of the weights: whether they will be others when they are used again.
func (t *Tape) learning(s device.ConvSpec, w *Value) device.ConvSpec {
	s = s.Normal()
	s.Learning = !t.NoGrad && w.wantsGrad()
	return s
}

// convGradients gives each operand of a convolution with the result y its gradient, of dy or of what y.pooled has in its place.
func (t *Tape) convGradients(y, x, w, b *Value, dy *device.Tensor, s device.ConvSpec) error {
	sums := dy
	if p := y.pooled; p != nil {
		sums = p.dz
		whole, err := t.gradient(y)
		if err != nil {
			return err
		}
		defer whole.Release()
		if err := t.dev.PoolBackward(whole, p.dz, y.data, p.y, p.spec); err != nil {
			return err
		}
		dy = whole
	}
	return firstError(
		t.give(b, func(db *device.Tensor) error { return t.dev.SumChannels(db, sums) }),
		t.give(w, func(dw *device.Tensor) error { return t.dev.ConvBackwardWeights(dw, x.data, dy, s) }),
		t.give(x, func(dx *device.Tensor) error { return t.dev.ConvBackwardData(dx, dy, w.data, s) }))
}

// TrueConv2D is the convolution of signal processing: the mask is rotated by 180 degrees before it slides.
func TrueConv2D(x, w, b *Value, s device.ConvSpec) *Value {
	if t := x.Tape(); t != nil && w != nil && w.tape == nil {
		w = t.Use(w)
	}
	return Conv2D(x, Rotate180(w), b, s)
}

// Rotate180 turns each mask of w [..., R, S] by half a turn.
func Rotate180(w *Value) *Value {
	const op = "rotate180"
	t := begin(op, w).floats(op, w)
	if t.err != nil {
		return t.Fail(t.err)
	}
	if err := device.CheckRotate(w.Shape()); err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: []*Value{w}, shape: w.Shape(),
		forward: func(y *device.Tensor) error { return t.dev.Rotate180(y, w.data) },
		backward: func(dy *device.Tensor) error {
			return t.give(w, func(dw *device.Tensor) error { return t.dev.Rotate180(dw, dy) })
		}})
}

// ConvTranspose2D is the transpose of Conv2D as a linear map ("deconvolution"): x [N, M, P, Q], w [M, C/groups, R, S],
// b [C] or nil; extra rows and columns (output padding) choose among the possible output sizes.
func ConvTranspose2D(x, w, b *Value, s device.ConvSpec, extra [2]int) *Value {
	const op = "conv_transpose2d"
	operands := optional(b, x, w)
	t := begin(op, operands...).floats(op, operands...)
	if t.err != nil {
		return t.Fail(t.err)
	}
	s = t.learning(s, w)
	shape, err := s.TransposedOutput(x.Shape(), w.Shape(), b.Shape(), extra)
	if err != nil {
		return t.Fail(err)
	}
	return t.apply(operation{name: op, operands: operands, shape: shape,
		forward: func(y *device.Tensor) error {
			if err := t.dev.ConvBackwardData(y, x.data, w.data, s); err != nil || b == nil {
				return err
			}
			return t.dev.AddBias(y, y, b.data)
		},
		backward: func(dy *device.Tensor) error {
			return firstError(
				t.give(b, func(db *device.Tensor) error { return t.dev.SumChannels(db, dy) }),
				t.give(w, func(dw *device.Tensor) error { return t.dev.ConvBackwardWeights(dw, dy, x.data, s) }),
				t.give(x, func(dx *device.Tensor) error { return t.dev.Conv(dx, dy, w.data, nil, s) }))
		}})
}

// tensor is v's array, nil for no value.
func (v *Value) tensor() *device.Tensor {
	if v == nil {
		return nil
	}
	return v.data
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package autograd

import (
	"errors"
	"fmt"
	"slices"

	"fovea/device"
)

// Backward computes the gradient of a scalar with respect to every parameter and variable it depends on, adding to
// what parameters hold. It consumes the tape: values and gradients that were not kept are given back as it passes them.
func (t *Tape) Backward(loss *Value) error {
	switch {
	case t.err != nil:
		return t.err
	case t.consumed:
		return errors.New("autograd: second backward on a consumed tape: its values were given back; Reset and compute again")
	case t.NoGrad:
		return errors.New("autograd: backward on a tape without gradients (NoGrad)")
	case loss.Tape() != t:
		return errors.New("autograd: backward from a value that does not belong to this tape")
	case loss.readable() != nil:
		return loss.readable()
	case loss.data.Size() != 1:
		return fmt.Errorf("autograd: backward from a value of shape %v, expected a scalar", loss.data.Shape)
	case !loss.needsGrad:
		return errors.New("autograd: backward from a value that depends on no parameter or variable")
	}
	t.consumed = true
	loss.keep = true
	seed, err := t.dev.New(loss.data.Shape, t.dev.Float())
	if err != nil {
		t.Fail(fmt.Errorf("backward: %w", err))
		return t.err
	}
	loss.grad = seed
	// Gradients of parameters stay. Making them before anything is given back keeps them out of the pool's buffers for
	// values, which the next step wants again.
	for _, p := range t.parameters {
		if err := t.makeGrad(p); err != nil {
			t.Fail(fmt.Errorf("backward: gradient of %s: %w", p.Name, err))
			return t.err
		}
	}
	if err := t.dev.Fill(seed, 1); err != nil {
		t.Fail(fmt.Errorf("backward: %w", err))
		return t.err
	}
	for i := len(t.records) - 1; i >= 0; i-- {
		r := &t.records[i]
		if r.out.grad != nil || r.out.pooled != nil {
			if err := r.backward(r.out.grad); err != nil {
				return t.fail(r.op, r.layer, err)
			}
		}
		// Whoever consumed this value was recorded later, so nobody needs it any more.
		r.release()
		if !r.out.keep {
			r.out.free()
		}
	}
	return nil
}

// makeGrad makes room for a parameter's gradient.
func (t *Tape) makeGrad(p *Value) (err error) {
	if p.data == nil {
		return p.readable()
	}
	if p.grad == nil {
		p.grad, err = t.dev.New(p.data.Shape, t.dev.Float())
	}
	return err
}

func (t *Tape) fail(op, layer string, err error) error {
	if layer != "" {
		layer = "layer " + layer + ": "
	}
	t.err = fmt.Errorf("%sgradient of %s: %w", layer, op, err)
	return t.err
}

// give adds to v's gradient what compute writes. Nothing happens if v wants none.
func (t *Tape) give(v *Value, compute func(dx *device.Tensor) error) error {
	return t.giveAll([]*Value{v}, func(g []*device.Tensor) error {
		if g[0] == nil {
			return nil
		}
		return compute(g[0])
	}, false)
}

// giveAll is give for several at once. With all set, compute gets a tensor for each, wanted or not.
func (t *Tape) giveAll(values []*Value, compute func(g []*device.Tensor) error, all bool) (err error) {
	targets := make([]*device.Tensor, len(values))
	direct := make([]bool, len(values)) // written straight into a parameter's gradient
	defer func() {
		for i, g := range targets {
			if !direct[i] {
				g.Release()
			}
		}
	}()
	wanted := false
	for i, v := range values {
		if !v.wantsGrad() && !all {
			continue
		}
		wanted = wanted || v.wantsGrad()
		if v.wantsGrad() && v.tape == nil && !v.hasGrad && !slices.Contains(values[:i], v) {
			if err := t.makeGrad(v); err != nil {
				return err
			}
			targets[i], direct[i] = v.grad, true
			continue
		}
		if targets[i], err = t.gradient(v); err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	if err := compute(targets); err != nil {
		return err
	}
	for i, v := range values {
		switch {
		case direct[i]:
			v.hasGrad = true
		case v.wantsGrad():
			if err := t.pass(v, targets[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass adds g, which may be shared and is not changed, to v's gradient.
func (t *Tape) pass(v *Value, g *device.Tensor) error {
	switch {
	case !v.wantsGrad():
		return nil
	case v.tape == nil && !v.hasGrad:
		return t.give(v, func(dx *device.Tensor) error { return t.dev.Scale(dx, g, 1, 0) })
	case v.grad == nil:
		v.grad = g.Retain()
		return nil
	case v.tape == nil || v.grad.Exclusive():
		return t.dev.Binary(v.grad, v.grad, g, device.Add)
	}
	sum, err := t.gradient(v)
	if err != nil {
		return err
	}
	if err := t.dev.Binary(sum, v.grad, g, device.Add); err != nil {
		sum.Release()
		return err
	}
	v.grad.Release()
	v.grad = sum
	return nil
}

package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// ResidualSum is body(x) + shortcut(x) (He et al., "Deep Residual Learning for Image Recognition", 2015).
type ResidualSum struct {
	body, shortcut Layer
}

// Residual adds what body makes of its input to what shortcut does, nil being the identity; an activation after the sum
// is a layer of its own. As in torchvision the body's parts keep their names ("conv1.weight") and those of the shortcut
// are below "downsample".
func Residual(body, shortcut Layer) *ResidualSum { return &ResidualSum{body, shortcut} }

// Build implements Layer.
func (l *ResidualSum) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	out, err := b.Child("", l.body, in)
	if err != nil {
		return nil, err
	}
	short, name := in, "the identity shortcut"
	if l.shortcut != nil {
		name = "the shortcut"
		if short, err = b.Child("downsample", l.shortcut, in); err != nil {
			return nil, err
		}
	}
	if !device.EqualShape(out, short) {
		return nil, fmt.Errorf("%w: the body turns %v into %v, %s into %v", device.ErrShape, in, out, name, short)
	}
	b.join(l, out)
	return out, nil
}

// Forward implements Layer.
func (l *ResidualSum) Forward(x *autograd.Value) *autograd.Value {
	tape, body, short := x.Tape(), forward("", l.body, x), x
	if l.shortcut != nil {
		short = forward("downsample", l.shortcut, x)
	}
	y := autograd.Add(body, short)
	for _, v := range []*autograd.Value{body, short} {
		if v != x {
			tape.Free(v)
		}
	}
	return y
}

// ending is what of the body takes the sum and the ReLU after it into its own computation, nil for nothing, and the number
// of layers before it.
func (l *ResidualSum) ending(t *autograd.Tape) (body *Sequence, before int, end addable) {
	body, is := l.body.(*Sequence)
	if !is {
		return nil, 0, nil
	}
	n := len(body.layers)
	if n >= 2 {
		if f, can := fold(t, body.layers[n-2:]); can {
			return body, n - 2, f
		}
	}
	if n >= 1 {
		if norm, is := body.layers[n-1].(*BatchNormalization); is && norm.fuses(t) {
			return body, n - 1, norm
		}
	}
	return nil, 0, nil
}

func (l *ResidualSum) fuses(t *autograd.Tape) bool {
	_, _, end := l.ending(t)
	return end != nil
}

// forwardReLU computes the sum and the ReLU with the end of the body.
func (l *ResidualSum) forwardReLU(x *autograd.Value) *autograd.Value {
	tape := x.Tape()
	body, before, end := l.ending(tape)
	made, short := body.first(before, x), x
	if l.shortcut != nil {
		short = forward("downsample", l.shortcut, x)
	}
	tape.Enter(body.names[before])
	y := end.forwardAddReLU(made, short)
	tape.Leave()
	for _, v := range []*autograd.Value{made, short} {
		if v != x {
			tape.Free(v)
		}
	}
	return y
}

func (l *ResidualSum) String() string { return "Residual" }

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

// normalisation is the batch normalisation that ends the body, if one does.
func (l *ResidualSum) normalisation() (body *Sequence, last int, norm *BatchNormalization) {
	body, is := l.body.(*Sequence)
	if !is || len(body.layers) == 0 {
		return nil, 0, nil
	}
	last = len(body.layers) - 1
	norm, _ = body.layers[last].(*BatchNormalization)
	return body, last, norm
}

func (l *ResidualSum) fuses(d device.Device) bool {
	_, _, norm := l.normalisation()
	return norm != nil && norm.fuses(d)
}

// forwardReLU computes the sum and the ReLU with the normalisation.
func (l *ResidualSum) forwardReLU(x *autograd.Value) *autograd.Value {
	body, last, norm := l.normalisation()
	tape, made, short := x.Tape(), body.first(last, x), x
	if l.shortcut != nil {
		short = forward("downsample", l.shortcut, x)
	}
	tape.Enter(body.names[last])
	y := norm.forwardAddReLU(made, short)
	tape.Leave()
	for _, v := range []*autograd.Value{made, short} {
		if v != x {
			tape.Free(v)
		}
	}
	return y
}

func (l *ResidualSum) String() string { return "Residual" }

package nn

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Fork computes layers side by side on the same input and joins what they make along the channels.
type Fork struct {
	layers []Layer
	names  []string
}

// Branches is the inception module's shape (Szegedy et al., "Going Deeper with Convolutions", 2014). The layers are
// named by number from 0; see Named.
func Branches(layers ...Layer) *Fork {
	f := &Fork{}
	f.layers, f.names = parts(layers)
	return f
}

// Build implements Layer.
func (f *Fork) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	shapes := make([]tensor.Shape, len(f.layers))
	for i, l := range f.layers {
		var err error
		if shapes[i], err = b.Child(f.names[i], l, in); err != nil {
			return nil, err
		}
	}
	out, err := device.ConcatOutput(shapes, 1)
	if err != nil {
		return nil, err
	}
	b.join(f, out)
	return out, nil
}

// Forward implements Layer.
func (f *Fork) Forward(x *autograd.Value) *autograd.Value {
	made := make([]*autograd.Value, len(f.layers))
	for i, l := range f.layers {
		made[i] = forward(f.names[i], l, x)
	}
	y := autograd.Concat(1, made...)
	for _, v := range made {
		if v != x {
			x.Tape().Free(v)
		}
	}
	return y
}

func (f *Fork) String() string { return "Branches" }

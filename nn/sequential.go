package nn

import (
	"strconv"

	"gorgonia.org/tensor"

	"fovea/autograd"
)

// Sequence computes layers one after another.
type Sequence struct {
	layers []Layer
	names  []string
}

// Sequential chains layers; they are named by number from 0, as in PyTorch's nn.Sequential.
func Sequential(layers ...Layer) *Sequence {
	s := &Sequence{layers: layers, names: make([]string, len(layers))}
	for i, l := range layers {
		s.names[i] = strconv.Itoa(i)
		if n, ok := l.(named); ok {
			s.names[i], s.layers[i] = n.name, n.Layer
		}
	}
	return s
}

type named struct {
	Layer
	name string
}

// Named gives a layer in a Sequential another name than its number: "features", "classifier".
func Named(name string, l Layer) Layer { return named{l, name} }

// Build implements Layer.
func (s *Sequence) Build(b *Builder, in tensor.Shape) (shape tensor.Shape, err error) {
	shape = in
	for i, l := range s.layers {
		if shape, err = b.Child(s.names[i], l, shape); err != nil {
			return nil, err
		}
	}
	return shape, nil
}

// Forward implements Layer.
func (s *Sequence) Forward(x *autograd.Value) *autograd.Value {
	tape, input := x.Tape(), x
	for i, l := range s.layers {
		tape.Enter(s.names[i])
		y := l.Forward(x)
		tape.Leave()
		if x != input && x != y { // dropout may hand its input on
			tape.Free(x)
		}
		x = y
	}
	return x
}

func (s *Sequence) String() string { return "Sequential" }

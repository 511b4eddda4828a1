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
	s := &Sequence{}
	s.layers, s.names = parts(layers)
	return s
}

// parts takes the names off a container's layers: Named's, or the number.
func parts(layers []Layer) (plain []Layer, names []string) {
	for i, l := range layers {
		name := strconv.Itoa(i)
		if n, ok := l.(named); ok {
			name, l = n.name, n.Layer
		}
		plain, names = append(plain, l), append(names, name)
	}
	return plain, names
}

type named struct {
	Layer
	name string
}

// Named gives a layer in a container another name than its number: "features", "classifier". The empty name leaves the
// layer's parameters in the container's own.
func Named(name string, l Layer) Layer { return named{l, name} }

// forward computes a part of a container under its name.
func forward(name string, l Layer, x *autograd.Value) *autograd.Value {
	if name == "" {
		return l.Forward(x)
	}
	tape := x.Tape()
	tape.Enter(name)
	defer tape.Leave()
	return l.Forward(x)
}

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
	return s.first(len(s.layers), x)
}

// first computes the first n layers.
func (s *Sequence) first(n int, x *autograd.Value) *autograd.Value {
	tape, input := x.Tape(), x
	for i := 0; i < n; {
		l, count := together(tape, s.layers[i:n], x)
		y := forward(s.names[i], l, x)
		i += count
		if x != input && x != y { // dropout may hand its input on
			tape.Free(x)
		}
		x = y
	}
	return x
}

func (s *Sequence) String() string { return "Sequential" }

package nn

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
)

// AuxiliaryHead is a second output in the middle of a network, which gives the layers before it a gradient of their own
// (Szegedy et al., "Going Deeper with Convolutions", 2014, section 5).
type AuxiliaryHead struct {
	Weight float64

	head Layer
}

// Auxiliary hands its input on. In training, head computes an output of it that Loss adds with that weight; in evaluation
// it does nothing. Head's parameters belong to the network as all others do.
func Auxiliary(weight float64, head Layer) *AuxiliaryHead { return &AuxiliaryHead{weight, head} }

// Build implements Layer.
func (l *AuxiliaryHead) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	rows, before := len(b.net.Rows), b.net.MultiplyAdds
	if _, err := b.Child("", l.head, in); err != nil {
		return nil, err
	}
	for i := range b.net.Rows[rows:] {
		b.net.Rows[rows+i].Auxiliary = true
	}
	b.net.MultiplyAdds = before
	return in, nil
}

// Forward implements Layer.
func (l *AuxiliaryHead) Forward(x *autograd.Value) *autograd.Value {
	if tape := x.Tape(); tape != nil && tape.Training {
		tape.Auxiliaries = append(tape.Auxiliaries, autograd.Auxiliary{Output: forward("", l.head, x), Weight: l.Weight})
	}
	return x
}

func (l *AuxiliaryHead) String() string { return "Auxiliary" }

// Loss is what of makes of a network's output and, times their weights, of the outputs of its auxiliary heads.
func Loss(output *autograd.Value, of func(output *autograd.Value) *autograd.Value) *autograd.Value {
	loss := of(output)
	if tape := output.Tape(); tape != nil {
		for _, a := range tape.Auxiliaries {
			loss = autograd.Add(loss, autograd.Scale(of(a.Output), a.Weight, 0))
		}
	}
	return loss
}

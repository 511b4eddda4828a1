package main

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/zoo"
)

// call is one primitive that a step asks of its device. It knows its operands' shapes only, and can be made again on any
// device that has them.
type call struct {
	layer   string  // geometry for one sample: "conv2d 64x27x27 to 192x27x27, 5x5, pad 2"
	pass    string  // "forward", "backward", "backward data", "backward weights", "backward bias" or "update"
	flops   float64 // of direct convolution or matrix product; 0 for the rest
	tensors []*device.Tensor
	operand []int // the number of each operand among tensors, which are distinct; -1: left out
	run     func(d device.Device, t []*device.Tensor) error
}

// traffic is how many bytes the call reads and writes at least, each tensor once, with elements of so many bytes.
func (c *call) traffic(width int, p device.Precision) (bytes float64) {
	for _, t := range c.tensors {
		if _, few := t.Handle.(activation); few && p == device.BF16 {
			bytes += float64(2 * t.Size())
		} else {
			bytes += float64(width * t.Size())
		}
	}
	return bytes
}

// trace lists the calls of one step without computing it, on the same path as a real step, asked of a device with those
// offers.
func trace(m zoo.Model, batch int, training bool, o offers) ([]call, error) {
	plain := &sketch{}
	switch o {
	case parts:
		plain.self = plain
	case fused:
		plain.self = &fusing{plain}
	case folded:
		plain.self = &folding{fusing{plain}}
	}
	net, err := nn.Describe(m.New(m.Classes), m.Sample)
	if err != nil {
		return nil, err
	}
	input := autograd.Described("input", append(tensor.Shape{batch}, m.Sample...))
	for _, p := range append(net.Parameters, input) {
		p.Tensor().Device = plain.self
	}
	for _, b := range net.Buffers {
		b.Tensor.Device = plain.self
	}
	w, err := assemble(plain.self, net, input, m, training)
	if err != nil {
		return nil, err
	}
	plain.calls = nil // those that made the optimiser's state
	err = w.compute()
	w.tape.Reset()
	return plain.calls, err
}

// offers are the fused primitives of a device: none, all but the folding of normalisations into convolutions, or all. One
// that has others is listed with fewer: autograd then uses some that the list has in parts.
type offers int

const (
	parts offers = iota
	fused
	folded
)

func offersOf(d device.Device) offers {
	_, conv := d.(device.FusedConvolution)
	_, linear := d.(device.FusedLinear)
	_, norm := d.(device.FusedNormalisation)
	_, fold := d.(device.FoldedConvolution)
	switch {
	case !conv || !linear || !norm:
		return parts
	case !fold:
		return fused
	}
	return folded
}

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

// trace lists the calls of one step without computing it, on the same path as a real step. With fused set the device
// that is asked offers every fused primitive, else none.
func trace(m zoo.Model, batch int, training, fused bool) ([]call, error) {
	plain := &sketch{}
	plain.self = plain
	if fused {
		plain.self = &fusing{plain}
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

// offersAll says whether a device has the fused primitives. One that has some only is listed without: autograd may then
// use a few that the list has in parts.
func offersAll(d device.Device) bool {
	_, conv := d.(device.FusedConvolution)
	_, linear := d.(device.FusedLinear)
	_, norm := d.(device.FusedNormalisation)
	return conv && linear && norm
}

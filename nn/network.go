package nn

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Network is a layer (usually a container of many) with its parameters on a device.
type Network struct {
	Device     device.Device
	Input      tensor.Shape      // of one sample, as a batch of one
	Output     tensor.Shape      // likewise
	Parameters []*autograd.Value // in the order of the layers
	Buffers    []Buffer
	Rows       []Row // the summary, one per layer
	// MultiplyAdds is the arithmetic of one sample's evaluation, see Builder.MultiplyAdds; auxiliary heads are not in it.
	MultiplyAdds int

	layer Layer
}

// Buffer is a tensor that belongs to a network and is not trained.
type Buffer struct {
	Name   string
	Tensor *device.Tensor
}

// Build makes the parameters of layer on d for samples of the given shape (without the batch: [C, H, W]); seed decides
// their first values, the same on every device. Release gives them back.
func Build(d device.Device, layer Layer, sample tensor.Shape, seed uint64) (*Network, error) {
	return build(d, layer, sample, &Builder{seed: seed})
}

// Allocate is Build with parameters of zeros, for who loads them next, as package weights does: to draw first values for a
// large network takes seconds.
func Allocate(d device.Device, layer Layer, sample tensor.Shape) (*Network, error) {
	return build(d, layer, sample, &Builder{zeros: true})
}

func build(d device.Device, layer Layer, sample tensor.Shape, b *Builder) (*Network, error) {
	n := &Network{Device: d, layer: layer, Input: append(tensor.Shape{1}, sample...)}
	b.net, b.names = n, map[string]bool{}
	out, err := layer.Build(b, n.Input)
	if err != nil {
		n.Release()
		return nil, err
	}
	n.Output = out
	return n, nil
}

// Describe is Build without memory: a network with names, shapes and a summary, on no device, that cannot compute.
func Describe(layer Layer, sample tensor.Shape) (*Network, error) {
	return Build(nil, layer, sample, 0)
}

// Forward computes the network on the tape of x.
func (n *Network) Forward(x *autograd.Value) *autograd.Value { return n.layer.Forward(x) }

// ParameterCount is the number of trainable weights, frozen ones among them.
func (n *Network) ParameterCount() int {
	count := 0
	for _, p := range n.Parameters {
		count += device.Size(p.Shape())
	}
	return count
}

// ZeroGrad forgets the gradients of all parameters.
func (n *Network) ZeroGrad() {
	for _, p := range n.Parameters {
		p.ZeroGrad()
	}
}

// Tensor is one entry of a network's state dictionary.
type Tensor struct {
	Name   string
	Tensor *device.Tensor
}

// State lists what a file of weights holds: parameters, then buffers.
func (n *Network) State() []Tensor {
	state := make([]Tensor, 0, len(n.Parameters)+len(n.Buffers))
	for _, p := range n.Parameters {
		state = append(state, Tensor{p.Name, p.Tensor()})
	}
	for _, b := range n.Buffers {
		state = append(state, Tensor(b))
	}
	return state
}

// Release gives the memory of parameters and buffers back to the device.
func (n *Network) Release() {
	if n.Device == nil {
		return
	}
	for _, p := range n.Parameters {
		p.Release()
	}
	for _, b := range n.Buffers {
		b.Tensor.Release()
	}
	n.Parameters, n.Buffers = nil, nil
}

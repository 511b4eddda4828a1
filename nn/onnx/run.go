package onnx

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// run is one computation of a program.
type run struct {
	*program
	parameter func(w *weight) (*autograd.Value, error)
	// buffer is a statistic of a batch normalisation: the node, and which operand of it.
	buffer func(w *weight, n *node, operand int) (*device.Tensor, error)
	values map[string]operand
	spent  int // elements made in the host's memory
	// bounded is set where the batch is one sample and what nodes make of it is held to maxValue.
	bounded bool
}

// compute runs the nodes on a tape and returns the outputs. The inputs stay the caller's.
func (r *run) compute(tape *autograd.Tape, inputs map[string]operand) ([]operand, error) {
	r.values, r.spent = map[string]operand{}, 0
	mine := map[*autograd.Value]int{} // how many names each value has; the inputs' one more, so that they are never freed
	for name, o := range inputs {
		r.values[name] = o
		mine[o.value] = 2
	}
	for _, n := range r.nodes {
		o, err := r.step(tape, n)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", n, err)
		}
		r.values[n.out[0]] = o
		mine[o.value]++
		for _, name := range n.last {
			v := r.values[name].value
			delete(r.values, name)
			if mine[v]--; v != nil && mine[v] == 0 {
				delete(mine, v)
				tape.Free(v)
			}
		}
	}
	results := make([]operand, len(r.outputs))
	for i, out := range r.outputs {
		results[i] = r.find(out.name)
	}
	return results, nil
}

func (r *run) find(name string) operand {
	if o := r.values[name]; o.there() {
		return o
	}
	return r.known[name]
}

// step computes one node.
func (r *run) step(tape *autograd.Tape, n *node) (operand, error) {
	c := &call{node: n, tape: tape, run: r, in: make([]operand, len(n.in)), spent: &r.spent}
	for i, name := range n.in {
		if name != "" {
			c.in[i] = r.find(name)
		}
	}
	if onHost(n, c.in) {
		a := c.onHost()
		return operand{array: a}, c.err
	}
	if n.operator.tape == nil {
		return operand{}, errNotConstant
	}
	tape.Enter(n.name)
	defer tape.Leave()
	v := n.operator.tape(c)
	if c.err != nil {
		return operand{}, c.err
	}
	if err := tape.Err(); err != nil {
		return operand{}, err
	}
	if size := device.Size(v.Shape()); r.bounded && size > maxValue {
		return operand{}, fmt.Errorf("it makes %v of a sample, expected at most %d elements", v.Shape(), maxValue)
	}
	return operand{value: v}, nil
}

// constant brings an array onto the tape.
func (r *run) constant(tape *autograd.Tape, a *array) *autograd.Value {
	if len(a.shape) == 0 {
		return tape.Input(tensor.New(tensor.FromScalar(a.values()[0])))
	}
	return tape.Input(tensor.New(tensor.WithShape(a.shape...), tensor.WithBacking(a.values())))
}

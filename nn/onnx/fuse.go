package onnx

import (
	"slices"
	"strings"

	"fovea/autograd"
	"fovea/device"
)

// Nodes that follow one another are computed at once where autograd has a function for them: a convolution or a normalisation
// with what comes after it, a fully connected layer with its ReLU.

// fuse makes one node of each such chain, in the place of its last.
func (p *program) fuse() {
	readers := map[string][]*node{}
	for _, n := range p.nodes {
		for _, name := range n.in {
			readers[name] = append(readers[name], n)
		}
	}
	for _, out := range p.outputs {
		readers[out.name] = append(readers[out.name], nil)
	}
	// next is the only reader of what a node makes, if it is of that kind and reads it in its first operand, or any for a sum.
	next := func(n *node, op string) *node {
		list := readers[n.out[0]]
		if len(list) != 1 || list[0] == nil || list[0].op != op || list[0].in[0] != n.out[0] && op != "Add" {
			return nil
		}
		return list[0]
	}
	taken := map[*node]*node{} // the last node of a chain, or nil for one before it
	for _, n := range p.nodes {
		if _, is := taken[n]; is {
			continue
		}
		chain := []*node{n}
		last := n
		extend := func(op string) bool {
			following := next(last, op)
			if following == nil {
				return false
			}
			if _, is := taken[following]; is {
				return false
			}
			chain, last = append(chain, following), following
			return true
		}
		var compute func(c *call) *autograd.Value
		switch n.op {
		case "Conv":
			if compute = convReLU; extend("BatchNormalization") {
				compute = normalised
				extend("Add")
				extend("Relu")
			} else {
				extend("Relu")
			}
		case "BatchNormalization":
			compute = normalised
			sum := extend("Add")
			if !extend("Relu") && sum {
				continue // a sum alone gains nothing
			}
		case "Gemm":
			compute = gemmReLU
			extend("Relu")
		}
		if len(chain) < 2 {
			continue
		}
		for _, part := range chain {
			taken[part] = nil
		}
		taken[last] = joined(chain, compute)
	}
	var nodes []*node
	for _, n := range p.nodes {
		if whole, is := taken[n]; !is {
			nodes = append(nodes, n)
		} else if whole != nil {
			nodes = append(nodes, whole)
		}
	}
	p.nodes = nodes
}

// joined is a node that stands for a chain.
func joined(chain []*node, compute func(c *call) *autograd.Value) *node {
	first, last := chain[0], chain[len(chain)-1]
	n := &node{name: first.name, opset: first.opset, out: last.out[:1], parts: chain, operator: operator{tape: compute}}
	var ops []string
	made := map[string]bool{}
	for _, part := range chain {
		ops = append(ops, part.op)
		for _, name := range part.in {
			if !made[name] {
				n.in = append(n.in, name)
			}
		}
		made[part.out[0]] = true
	}
	n.op = strings.Join(ops, "+")
	return n
}

// part is the call of one node of a chain; what the nodes before it make is in made.
func (c *call) part(i int, made map[string]operand) *call {
	n := c.parts[i]
	part := &call{node: n, tape: c.tape, run: c.run, in: make([]operand, len(n.in)), spent: c.spent}
	for k, name := range n.in {
		if name == "" {
			continue
		}
		if part.in[k] = made[name]; !part.in[k].there() {
			part.in[k] = c.in[slices.Index(c.node.in, name)]
		}
	}
	return part
}

// apart computes the nodes of a chain from number first on, one by one. v is what the nodes before make.
func (c *call) apart(first int, v *autograd.Value) *autograd.Value {
	made := map[string]operand{}
	before := v
	for i := first; i < len(c.parts); i++ {
		if i > 0 {
			made[c.parts[i-1].out[0]] = operand{value: v}
		}
		part := c.part(i, made)
		next := part.operator.tape(part)
		if part.err != nil {
			c.fail("%w", part.err)
			return nil
		}
		v = c.then(v, before, next)
	}
	return v
}

func convReLU(c *call) *autograd.Value {
	part := c.part(0, nil)
	x, weight, w, rows := convolution(part)
	if part.err != nil || rows {
		return c.apart(0, nil)
	}
	return autograd.Conv2DReLU(x, weight, part.bias(2), w)
}

func gemmReLU(c *call) *autograd.Value {
	part := c.part(0, nil)
	a, b, bias, is := fullyConnected(part)
	if !is {
		return c.apart(0, nil)
	}
	return autograd.LinearReLU(a, b, bias)
}

// normalised is a batch normalisation, of a convolution or not, with the sum and the ReLU after it.
func normalised(c *call) *autograd.Value {
	at := slices.IndexFunc(c.parts, func(n *node) bool { return n.op == "BatchNormalization" })
	relu := c.parts[len(c.parts)-1].op == "Relu"
	// What the normalisation reads comes from the convolution before it, or is given.
	var x, weight, bias *autograd.Value
	var window device.ConvSpec
	var made map[string]operand
	if at == 1 {
		conv := c.part(0, nil)
		var rows bool
		x, weight, window, rows = convolution(conv)
		if conv.err != nil || rows {
			return c.apart(0, nil)
		}
		bias = conv.bias(2)
		made = map[string]operand{c.parts[0].out[0]: {value: x}} // in its place
	}
	part := c.part(at, made)
	n := normalisation(part)
	var residual *autograd.Value
	if at+1 < len(c.parts) && c.parts[at+1].op == "Add" {
		add := c.parts[at+1]
		other := add.in[0]
		if other == c.parts[at].out[0] {
			other = add.in[1]
		}
		sum := c.part(at+1, map[string]operand{c.parts[at].out[0]: {value: n.x}})
		residual = sum.onTape(slices.Index(add.in, other))
		if sum.err != nil {
			return c.apart(0, nil)
		}
	}
	if part.err != nil {
		return c.apart(0, nil)
	}
	if at == 1 {
		shape, err := window.Output(x.Shape(), weight.Shape(), bias.Shape())
		if err != nil || residual != nil && !device.EqualShape(shape, residual.Shape()) {
			return c.apart(0, nil)
		}
		return autograd.ConvBatchNorm(x, weight, bias, n.scale, n.shift, residual, n.mean, n.variance, window, n.spec, relu)
	}
	if !relu || residual != nil && !device.EqualShape(n.x.Shape(), residual.Shape()) {
		return c.apart(0, nil)
	}
	return autograd.BatchNormReLU(n.x, residual, n.scale, n.shift, n.mean, n.variance, n.spec)
}

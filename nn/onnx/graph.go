package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fovea/nn/onnx/internal/onnxpb"
)

// The versions of the standard operators that are read.
const (
	minOpset = 6
	maxOpset = 26
)

// program is a model's computation, checked: nodes in an order in which each finds its operands.
type program struct {
	opset   int
	nodes   []*node
	inputs  []port
	outputs []port
	known   map[string]operand // weights and constants
	count   int                // nodes of the file
}

// port is an input or output of the graph.
type port struct {
	name  string
	dtype onnxpb.TensorProto_DataType
	shape []int // -1 for a dimension that is open; nil if the file says nothing
}

// compile checks a model and computes what needs no input.
func compile(m *onnxpb.ModelProto, from *folder) (*program, error) {
	p := &program{known: map[string]operand{}, count: len(m.Graph.Node)}
	for _, o := range m.OpsetImport {
		if standard(o.GetDomain()) {
			p.opset = int(min(max(o.GetVersion(), 0), 1<<20))
		}
	}
	if p.opset < minOpset || p.opset > maxOpset {
		return nil, fmt.Errorf("operators of version %d, expected %d to %d", p.opset, minOpset, maxOpset)
	}
	if len(m.Graph.SparseInitializer) > 0 {
		return nil, errors.New("sparse weights are not read")
	}
	for _, t := range m.Graph.Initializer {
		if err := p.initialise(t, from); err != nil {
			return nil, err
		}
	}
	for _, v := range m.Graph.Input {
		if _, weight := p.known[v.GetName()]; weight { // files of version 3 list weights here too
			continue
		}
		in, err := newPort(v)
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		p.inputs = append(p.inputs, in)
	}
	for _, v := range m.Graph.Output {
		out, err := newPort(v)
		if err != nil {
			return nil, fmt.Errorf("output: %w", err)
		}
		p.outputs = append(p.outputs, out)
	}
	if len(p.outputs) == 0 {
		return nil, errors.New("the graph has no output")
	}
	if err := unknown(m.Graph.Node, p.opset); err != nil {
		return nil, err
	}
	made := map[string]bool{}
	for name := range p.known {
		made[name] = true
	}
	for _, in := range p.inputs {
		if made[in.name] {
			return nil, fmt.Errorf("input %.100s is there twice", in.name)
		}
		made[in.name] = true
	}
	for i, n := range m.Graph.Node {
		node, err := newNode(n, i, p.opset)
		if err != nil {
			return nil, err
		}
		for _, name := range node.in {
			if name != "" && !made[name] {
				return nil, fmt.Errorf("%v reads %.100q, which no node before it makes", node, name)
			}
		}
		for _, name := range node.out {
			if name == "" {
				continue
			}
			if made[name] {
				return nil, fmt.Errorf("%v makes %.100q, which is there already", node, name)
			}
			made[name] = true
		}
		p.nodes = append(p.nodes, eachOutput(node)...)
	}
	for _, out := range p.outputs {
		if !made[out.name] {
			return nil, fmt.Errorf("output %.100q is made by no node", out.name)
		}
	}
	if err := p.prune(); err != nil {
		return nil, err
	}
	if err := p.fold(from); err != nil {
		return nil, err
	}
	p.fuse()
	p.lifetimes()
	return p, nil
}

func standard(domain string) bool { return domain == "" || domain == "ai.onnx" }

// unknown lists all operators that are not read, each with the first node that wants it.
func unknown(nodes []*onnxpb.NodeProto, opset int) error {
	var missing []string
	seen := map[string]bool{}
	for i, n := range nodes {
		op := n.GetOpType()
		if !standard(n.GetDomain()) {
			op = n.GetDomain() + "." + op
		}
		if _, known := operators[op]; known || seen[op] {
			continue
		}
		seen[op] = true
		missing = append(missing, fmt.Sprintf("%.60s (node %.60s)", op, title(n, i)))
	}
	if len(missing) == 0 {
		return nil
	}
	const shown = 20
	if more := len(missing) - shown; more > 0 {
		missing = append(missing[:shown], fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("operators that are not read (version %d): %s", opset, strings.Join(missing, ", "))
}

// title is what a node is called in messages.
func title(n *onnxpb.NodeProto, index int) string {
	name := n.GetName()
	if name == "" && len(n.Output) > 0 {
		name = n.Output[0]
	}
	return cmp.Or(name, fmt.Sprint("number ", index))
}

func newNode(n *onnxpb.NodeProto, index, opset int) (*node, error) {
	out := &node{name: title(n, index), op: n.GetOpType(), opset: opset, in: n.Input, out: n.Output, attributes: map[string]*onnxpb.AttributeProto{}}
	out.operator = operators[out.op]
	for _, a := range n.Attribute {
		switch {
		case !out.operator.knows(a.GetName()):
			return nil, fmt.Errorf("%v: attribute %.60q is not read", out, a.GetName())
		case out.attributes[a.GetName()] != nil:
			return nil, fmt.Errorf("%v: attribute %.60q is there twice", out, a.GetName())
		case a.GetRefAttrName() != "":
			return nil, fmt.Errorf("%v: attribute %.60q refers to another", out, a.GetName())
		case a.GetType() != typed(out.op, a.GetName()):
			return nil, fmt.Errorf("%v: attribute %.60q is %v, expected %v", out, a.GetName(), a.GetType(), typed(out.op, a.GetName()))
		}
		out.attributes[a.GetName()] = a
	}
	if len(n.Output) == 0 || n.Output[0] == "" {
		return nil, fmt.Errorf("%v makes nothing", out)
	}
	return out, nil
}

func newPort(v *onnxpb.ValueInfoProto) (port, error) {
	p := port{name: v.GetName()}
	if p.name == "" {
		return p, errors.New("it has no name")
	}
	t := v.GetType().GetTensorType()
	if t == nil {
		return p, fmt.Errorf("%.100s is no tensor", p.name)
	}
	p.dtype = onnxpb.TensorProto_DataType(t.GetElemType())
	if t.Shape == nil {
		return p, nil
	}
	if len(t.Shape.Dim) > maxRank {
		return p, fmt.Errorf("%.100s has %d dimensions, expected at most %d", p.name, len(t.Shape.Dim), maxRank)
	}
	p.shape = make([]int, len(t.Shape.Dim))
	for i, d := range t.Shape.Dim {
		p.shape[i] = -1
		if value, fixed := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); fixed {
			if value.DimValue < 0 || value.DimValue > maxElements {
				return p, fmt.Errorf("%.100s has a dimension of %d", p.name, value.DimValue)
			}
			if value.DimValue > 0 {
				p.shape[i] = int(value.DimValue)
			}
		}
	}
	return p, nil
}

// initialise notes an initialiser: real numbers as a weight, whole ones as a constant.
func (p *program) initialise(t *onnxpb.TensorProto, from *folder) error {
	name := t.GetName()
	if name == "" {
		return errors.New("an initialiser has no name")
	}
	if p.known[name].there() {
		return fmt.Errorf("initialiser %.100s is there twice", name)
	}
	s, err := from.check(t)
	if err != nil {
		return fmt.Errorf("initialiser %.100s: %w", name, err)
	}
	o := operand{weight: &weight{name: name, shape: s.shape, stored: s, trained: len(s.shape) > 0}}
	if !isReal(s.dtype) {
		if o = (operand{}); product(s.shape) > maxHost {
			return fmt.Errorf("initialiser %.100s: %d integers, expected at most %d", name, product(s.shape), maxHost)
		}
		if o.array, err = s.read(); err != nil {
			return fmt.Errorf("initialiser %.100s: %w", name, err)
		}
	}
	p.known[name] = o
	return nil
}

// prune drops the nodes that no output needs. Of each node the first output alone is computed.
func (p *program) prune() error {
	needed := map[string]bool{}
	for _, out := range p.outputs {
		needed[out.name] = true
	}
	var kept []*node
	for i := len(p.nodes) - 1; i >= 0; i-- {
		n := p.nodes[i]
		wanted := false
		for k, name := range n.out {
			if k > 0 && needed[name] {
				return fmt.Errorf("%v: its output %d, %.100q, is not computed", n, k, name)
			}
			wanted = wanted || needed[name]
		}
		if !wanted {
			continue
		}
		for _, name := range n.in {
			needed[name] = true
		}
		kept = append(kept, n)
	}
	slices.Reverse(kept)
	p.nodes = kept
	return nil
}

// fold computes the nodes that need no input, as far as they say shapes: what follows from weights stays on the tape, so
// that gradients reach them.
func (p *program) fold(from *folder) error {
	var rest []*node
	invented, host := 0, 0
	for _, n := range p.nodes {
		o, folded, err := p.foldNode(n, from, &host)
		if err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
		if !folded {
			rest = append(rest, n)
			continue
		}
		if w := o.weight; w != nil && w.array != nil && w.array.fill != nil {
			if invented += product(w.shape); invented > maxInvented {
				return fmt.Errorf("%v: weights that the file does not hold have more than %d elements", n, maxInvented)
			}
		}
		p.known[n.out[0]] = o
	}
	p.nodes = rest
	return nil
}

func (p *program) foldNode(n *node, from *folder, spent *int) (o operand, folded bool, err error) {
	operands := make([]operand, len(n.in))
	for i, name := range n.in {
		if name == "" {
			continue
		}
		if operands[i] = p.known[name]; !operands[i].there() {
			return o, false, nil
		}
	}
	switch {
	case n.op == "Constant":
		o, err = constant(n, from)
		return o, err == nil, err
	case n.op == "Identity" && len(operands) == 1 && operands[0].weight != nil:
		// PyTorch writes equal weights once and the others as this. They are trained apart.
		copied := *operands[0].weight
		copied.name = n.out[0]
		return operand{weight: &copied}, true, nil
	case !onHost(n, operands):
		return o, false, nil
	}
	c := &call{node: n, in: operands, spent: spent}
	a := c.onHost()
	if c.err != nil {
		return o, false, c.err
	}
	if a.real() && n.op == "ConstantOfShape" {
		return operand{weight: &weight{name: n.out[0], shape: a.shape, array: a}}, true, nil
	}
	return operand{array: a}, true, nil
}

// onHost says whether a node is computed in the host's memory: if all it reads is there, or small and not trained.
func onHost(n *node, operands []operand) bool {
	if n.operator.host == nil {
		return false
	}
	if n.operator.tape == nil {
		return true
	}
	arrays := 0
	for _, o := range operands {
		switch {
		case o.array != nil:
			arrays++
		case o.value != nil, o.weight != nil && (o.weight.trained || product(o.weight.shape) > 1):
			return false
		}
	}
	return arrays > 0
}

// lifetimes notes with each node what nobody reads after it, and with each weight how often it is read.
func (p *program) lifetimes() {
	kept := map[string]bool{}
	for _, out := range p.outputs {
		kept[out.name] = true
	}
	for _, o := range p.known {
		if o.weight != nil {
			o.weight.readers = 0
		}
	}
	for i := len(p.nodes) - 1; i >= 0; i-- {
		n := p.nodes[i]
		for _, name := range n.in {
			if w := p.known[name].weight; w != nil {
				w.readers++
			}
		}
		for _, name := range append(append([]string{}, n.in...), n.out...) {
			if name != "" && !kept[name] {
				kept[name] = true
				n.last = append(n.last, name)
			}
		}
	}
}

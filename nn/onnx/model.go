package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
	"fovea/nn/onnx/internal/trace"
)

// Model is a network that was read from a file: a layer, to be built once. Its parameters begin with the file's weights
// and have their names. Trained are the initialisers that have dimensions; single numbers and constants are frozen.
type Model struct {
	Sample   tensor.Shape // of the input without the batch; nil if the file leaves a dimension of it open
	Producer string       // the program that wrote the file
	Metadata map[string]string

	program    *program
	parameters map[string]*autograd.Value
	buffers    map[string]*device.Tensor
}

// Load reads a convolutional network with one input and one output. Weights may lie in other files of the same folder.
// Raw data of 4 KiB and more stays in the files, which must not change before the layer is built; of anything else Load
// takes at most twice the file's size of memory and 128 MiB.
func Load(path string) (*Model, error) {
	m, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("onnx %s: %w", path, err)
	}
	return m, nil
}

func load(path string) (*Model, error) {
	file, err := find(path)
	if err != nil {
		return nil, err
	}
	return parse(file.open, file.info.Size(), &folder{path: filepath.Dir(path), used: map[string]int64{}})
}

func parse(open func() (handle, error), size int64, from *folder) (m *Model, err error) {
	defer func() { err = printable(err) }()
	file, apart, err := decode(open, size)
	if err != nil {
		return nil, err
	}
	from.parts = apart
	p, err := compile(file, from)
	if err != nil {
		return nil, err
	}
	m = &Model{program: p, Producer: file.GetProducerName(), Metadata: map[string]string{}}
	for _, entry := range file.MetadataProps {
		m.Metadata[entry.GetKey()] = entry.GetValue()
	}
	if len(p.inputs) != 1 || len(p.outputs) != 1 {
		return nil, fmt.Errorf("inputs %s and outputs %s, expected one of each", names(p.inputs), names(p.outputs))
	}
	in := p.inputs[0]
	if !slices.ContainsFunc(p.nodes, func(n *node) bool { return slices.Contains(n.in, in.name) }) {
		return nil, fmt.Errorf("the network does not use its input %.100q", in.name)
	}
	if in.dtype != onnxpb.TensorProto_FLOAT {
		return nil, fmt.Errorf("input %.100s holds %v, expected FLOAT", in.name, in.dtype)
	}
	if len(in.shape) > 1 {
		m.Sample = tensor.Shape{}
		for _, n := range in.shape[1:] {
			if n < 0 {
				m.Sample = nil
				break
			}
			m.Sample = append(m.Sample, n)
		}
	}
	return m, nil
}

// printable makes one line of an error that has names from a file in it.
func printable(err error) error {
	if err == nil || strings.IndexFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return err
	}
	return errors.New(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, err.Error()))
}

func names(ports []port) string {
	words := []string{}
	for i, p := range ports {
		if i == 8 {
			words = append(words, fmt.Sprintf("%d more", len(ports)-i))
			break
		}
		words = append(words, fmt.Sprintf("%.60q", p.name))
	}
	return "[" + strings.Join(words, " ") + "]"
}

// Logits makes the network end before a last softmax, as losses and metrics want it. It does nothing if there is none.
func (m *Model) Logits() {
	p := m.program
	if n := p.maker(p.outputs[0].name); n != nil && (n.op == "Softmax" || n.op == "LogSoftmax") {
		p.outputs[0].name = n.in[0]
		p.drop(n)
	}
}

// SetOutputs gives the network another number of outputs: the weights of its last layer, which must be a Gemm, are new.
func (m *Model) SetOutputs(count int) error {
	n := m.program.maker(m.program.outputs[0].name)
	for n != nil && n.op == "Identity" {
		n = m.program.maker(n.in[0])
	}
	if n == nil || n.op != "Gemm" || len(n.in) < 2 {
		return errors.New("the last layer is no Gemm: its outputs cannot be changed")
	}
	w := m.program.known[n.in[1]].weight
	if w == nil || len(w.shape) != 2 {
		return fmt.Errorf("%v has no weights of its own: its outputs cannot be changed", n)
	}
	axis := 1 - n.int("transB", 0)
	if w.shape[axis] == count {
		return nil
	}
	fresh := *w
	fresh.shape, fresh.fresh, fresh.stored, fresh.array = []int{count, w.shape[1-axis]}, true, nil, nil
	fresh.inputs = w.shape[1-axis]
	if axis == 1 {
		fresh.shape = []int{w.shape[0], count}
	}
	m.program.known[n.in[1]] = operand{weight: &fresh}
	if len(n.in) > 2 && n.in[2] != "" {
		b := m.program.known[n.in[2]].weight
		if b == nil {
			return fmt.Errorf("%v has a bias that is computed: its outputs cannot be changed", n)
		}
		bias := *b
		bias.shape, bias.fresh, bias.stored, bias.array = []int{count}, true, nil, nil
		m.program.known[n.in[2]] = operand{weight: &bias}
	}
	return nil
}

// maker is the node that makes a value, nil for a weight or an input.
func (p *program) maker(name string) *node {
	for _, n := range p.nodes {
		if n.out[0] == name {
			return n
		}
	}
	return nil
}

func (p *program) drop(gone *node) {
	var rest []*node
	for _, n := range p.nodes {
		if n != gone {
			n.last = nil
			rest = append(rest, n)
		}
	}
	p.nodes = rest
	p.lifetimes()
}

// claim is a parameter or buffer that a computation wanted.
type claim struct {
	weight *weight
	name   string
	buffer bool
}

// Build implements nn.Layer. The shapes, and which weights are parameters, follow from a computation that is only traced.
func (m *Model) Build(b *nn.Builder, in tensor.Shape) (tensor.Shape, error) {
	if m.parameters != nil {
		return nil, errors.New("the model was built before; Load makes another")
	}
	claims, out, err := m.claims(in)
	if err != nil {
		return nil, err
	}
	m.parameters, m.buffers = map[string]*autograd.Value{}, map[string]*device.Tensor{}
	for _, c := range claims {
		if !c.buffer {
			var unread error
			p, err := b.Parameter(c.name, c.weight.shape, c.weight.initial(&unread))
			if err = cmp.Or(err, unread); err != nil {
				return nil, err
			}
			p.Frozen = !c.weight.trained
			m.parameters[c.name] = p
			continue
		}
		t, err := b.Buffer(c.name, c.weight.shape, 0)
		if err != nil {
			return nil, err
		}
		if t.Device != nil { // nn.Describe wants shapes only
			values, err := c.weight.read()
			if err == nil {
				err = t.Device.Upload(t, values.values())
			}
			if err != nil {
				return nil, err
			}
		}
		m.buffers[c.name] = t
	}
	for _, o := range m.program.known {
		if o.weight != nil {
			o.weight.forget()
		}
	}
	return out, nil
}

// claims traces a computation and notes the weights that it uses, in the order of their use.
func (m *Model) claims(in tensor.Shape) (list []claim, out tensor.Shape, err error) {
	d := trace.New()
	d.ShapesOnly = true
	tape := autograd.NewTape(d)
	tape.NoGrad = true
	defer tape.Reset()
	noted := map[string]bool{}
	note := func(w *weight, name string, buffer bool) {
		if !noted[name] {
			noted[name] = true
			list = append(list, claim{w, name, buffer})
		}
	}
	if _, err := checkShape(wide(in), maxValue); err != nil {
		return nil, nil, fmt.Errorf("input: %w", err)
	}
	r := &run{program: m.program, bounded: true,
		parameter: func(w *weight) (*autograd.Value, error) {
			note(w, w.name, false)
			return autograd.ZeroParameter(d, w.name, w.shape)
		},
		buffer: func(w *weight, n *node, operand int) (*device.Tensor, error) {
			note(w, statistic(w, n, operand), true)
			return device.Filled(d, w.shape, 0)
		}}
	x := tape.Input(tensor.New(tensor.WithShape(in...), tensor.Of(tensor.Float32)))
	if err := tape.Err(); err != nil {
		return nil, nil, err
	}
	y, err := m.compute(r, tape, x)
	if err != nil {
		return nil, nil, err
	}
	return list, y.Shape().Clone(), nil
}

// statistic is the name of a buffer. Normalisations that share one in the file have each their own here.
func statistic(w *weight, n *node, operand int) string {
	if w.readers < 2 {
		return w.name
	}
	return fmt.Sprintf("%s@%s.%d", w.name, n.name, operand)
}

func (m *Model) compute(r *run, tape *autograd.Tape, x *autograd.Value) (*autograd.Value, error) {
	results, err := r.compute(tape, map[string]operand{m.program.inputs[0].name: {value: x}})
	if err != nil {
		return nil, printable(err)
	}
	if results[0].value == nil {
		return nil, errors.New("the output does not depend on the input")
	}
	return results[0].value, nil
}

// Forward implements nn.Layer.
func (m *Model) Forward(x *autograd.Value) *autograd.Value {
	tape := x.Tape()
	if tape == nil {
		return autograd.Activate(x, device.ActivationSpec{}) // says what is wrong with x
	}
	if tape.Err() != nil {
		return tape.Fail(tape.Err())
	}
	r := &run{program: m.program,
		parameter: func(w *weight) (*autograd.Value, error) {
			if p := m.parameters[w.name]; p != nil {
				return p, nil
			}
			return nil, fmt.Errorf("weight %s was not used when the model was built for one sample", w.name)
		},
		buffer: func(w *weight, n *node, operand int) (*device.Tensor, error) {
			if b := m.buffers[statistic(w, n, operand)]; b != nil {
				return b, nil
			}
			return nil, fmt.Errorf("statistic %s was not used when the model was built for one sample", w.name)
		}}
	y, err := m.compute(r, tape, x)
	if err != nil {
		return tape.Fail(err)
	}
	return y
}

func (m *Model) String() string { return "ONNX" }

// Shape is what the network makes of one sample of a shape.
func (m *Model) Shape(sample tensor.Shape) (tensor.Shape, error) {
	_, out, err := m.claims(append(tensor.Shape{1}, sample...))
	return out, err
}

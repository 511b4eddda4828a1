package onnx

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data/atomic"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
	"fovea/nn/onnx/internal/trace"
)

// ExportOptions are what is rare about an export.
type ExportOptions struct {
	// Batch is the number of samples of the graph's input; 0 leaves it open, as a dimension called batch.
	Batch int
	// Load gives the network all of its weights, which are 0 before, by the names of its state dictionary: From, or a call of
	// weights.Load. Without it they are the initial ones of Seed.
	Load func(state []nn.Tensor) error
	Seed uint64
	// Name is the graph's.
	Name string
	// Metadata is kept in the file as it is.
	Metadata map[string]string
}

// irVersion is the version of the file format that goes with trace.Opset.
const irVersion = 8

// inputName and outputName are what exported graphs call their two ends.
const (
	inputName  = "input"
	outputName = "output"
)

// maxFile is the most that readers of protocol buffers take. Tests have a smaller one.
var maxFile int64 = math.MaxInt32

// From copies the weights of another network, on whatever device.
func From(source []nn.Tensor) func(state []nn.Tensor) error {
	return func(state []nn.Tensor) error {
		by := make(map[string]*device.Tensor, len(source))
		for _, s := range source {
			by[s.Name] = s.Tensor
		}
		for _, s := range state {
			from := by[s.Name]
			if from == nil || !device.EqualShape(from.Shape, s.Tensor.Shape) {
				return fmt.Errorf("tensor %s %v is not in the network that weights come from", s.Name, s.Tensor.Shape)
			}
			values, err := from.Floats()
			if err == nil {
				err = s.Tensor.Device.Upload(s.Tensor, values)
			}
			if err != nil {
				return fmt.Errorf("tensor %s: %w", s.Name, err)
			}
		}
		return nil
	}
}

// Export writes a layer, which must not have been built, as an ONNX file for samples of the given shape (without the
// batch), in evaluation mode. The weights are initialisers with the names of the state dictionary. The file is replaced in
// one step or stays as it was.
func Export(path string, layer nn.Layer, sample tensor.Shape, o ExportOptions) error {
	if err := export(path, layer, sample, o); err != nil {
		return fmt.Errorf("onnx %s: %w", path, err)
	}
	return nil
}

func export(path string, layer nn.Layer, sample tensor.Shape, o ExportOptions) error {
	if o.Batch < 0 {
		return fmt.Errorf("batch of %d, expected at least 0", o.Batch)
	}
	d := trace.New()
	var net *nn.Network
	var err error
	if o.Load == nil {
		net, err = nn.Build(d, layer, sample, o.Seed)
	} else {
		net, err = nn.Allocate(d, layer, sample)
	}
	if err != nil {
		return err
	}
	defer net.Release()
	if o.Load != nil {
		if err := o.Load(net.State()); err != nil {
			return err
		}
	}
	for _, s := range net.State() {
		trace.Label(s.Tensor, s.Name)
	}
	g, err := record(d, net, max(o.Batch, 1))
	if err != nil {
		return err
	}
	if o.Batch == 0 {
		// What changes with the batch is found by computing another one. 2 and 3 have nothing in common.
		var other *graph
		if g, err = record(d, net, 2); err == nil {
			other, err = record(d, net, 3)
		}
		if err == nil {
			err = g.openBatch(other, 2, 3)
		}
		if err != nil {
			return err
		}
	}
	weights := g.weights(net.State())
	head, err := g.model(o, weights)
	if err != nil {
		return err
	}
	return atomic.WriteFile(path, func(w io.Writer) error { return writeModel(w, head, weights) })
}

// graph is one trace.
type graph struct {
	nodes         []*onnxpb.NodeProto
	integers      []trace.Integers
	floats        []trace.Floats
	input, output tensor.Shape
	openBatches   bool
}

// record computes a batch of that size.
func record(d *trace.Device, net *nn.Network, batch int) (*graph, error) {
	d.Restart()
	tape := autograd.NewTape(d)
	tape.NoGrad = true
	defer tape.Reset()
	d.Layer = tape.Layer
	g := &graph{input: append(tensor.Shape{batch}, net.Input[1:]...)}
	size := device.Size(g.input)
	if size == 0 || device.CheckShape(g.input) != nil {
		return nil, fmt.Errorf("%w: samples %v by %d", device.ErrShape, net.Input[1:], batch)
	}
	x := tape.Input(tensor.New(tensor.WithShape(g.input...), tensor.Of(tensor.Float32)))
	if err := tape.Err(); err != nil {
		return nil, err
	}
	trace.Label(x.Tensor(), inputName)
	y := net.Forward(x)
	if err := tape.Err(); err != nil {
		return nil, err
	}
	name, err := d.Result(y.Tensor())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(d.Nodes, func(n *onnxpb.NodeProto) bool { return n.Output[0] == name }) {
		return nil, errors.New("the network computes nothing")
	}
	d.Rename(name, outputName)
	g.nodes, g.integers, g.floats, g.output = d.Nodes, d.Integers, d.Floats, y.Shape().Clone()
	return g, nil
}

// openBatch makes a graph that was traced with a batch of n serve any, by what differs in that of m.
func (g *graph) openBatch(other *graph, n, m int) error {
	same := slices.EqualFunc(g.nodes, other.nodes, func(a, b *onnxpb.NodeProto) bool { return proto.Equal(a, b) }) &&
		len(g.integers) == len(other.integers)
	if !same {
		return fmt.Errorf("the network computes other things with a batch of %d than with %d; give --batch a number", m, n)
	}
	shapes := map[string]bool{} // constants that are the target of a reshape, where -1 stands for what is left
	for _, node := range g.nodes {
		if node.GetOpType() == "Reshape" {
			shapes[node.Input[1]] = true
		}
	}
	for i, c := range g.integers {
		open := 0
		for k, v := range c.Values {
			if w := other.integers[i].Values[k]; v != w {
				open++
				c.Values[k] = -1
			}
		}
		if open > 1 || open == 1 && !shapes[c.Name] {
			return fmt.Errorf("%s depends on the batch; give --batch a number", c.Name)
		}
	}
	g.openBatches = true
	return nil
}

// initialiser is a constant of the file; its bytes are written when its turn comes.
type initialiser struct {
	head   *onnxpb.TensorProto
	values []float32
}

// weights are the initialisers that the nodes read, in the order of the state dictionary.
func (g *graph) weights(state []nn.Tensor) []initialiser {
	used := map[string]bool{}
	for _, n := range g.nodes {
		for _, name := range n.Input {
			used[name] = true
		}
	}
	var list []initialiser
	add := func(name string, shape []int64, values []float32) {
		if used[name] {
			list = append(list, initialiser{&onnxpb.TensorProto{Name: proto.String(name), Dims: shape, DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT))}, values})
		}
	}
	for _, s := range state {
		add(s.Name, wide(s.Tensor.Shape), trace.Values(s.Tensor))
	}
	for _, c := range g.floats {
		add(c.Name, c.Shape, c.Values)
	}
	return list
}

func wide(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, n := range shape {
		out[i] = int64(n)
	}
	return out
}

// model is the file without its weights.
func (g *graph) model(o ExportOptions, weights []initialiser) (*onnxpb.ModelProto, error) {
	name := o.Name
	if name == "" {
		name = "network"
	}
	m := &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		ProducerName: proto.String("fovea"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(trace.Opset)}},
		Graph: &onnxpb.GraphProto{Name: proto.String(name), Node: g.nodes,
			Input:  []*onnxpb.ValueInfoProto{g.end(inputName, g.input)},
			Output: []*onnxpb.ValueInfoProto{g.end(outputName, g.output)}},
	}
	for key, value := range o.Metadata {
		m.MetadataProps = append(m.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)})
	}
	sort.Slice(m.MetadataProps, func(i, j int) bool { return m.MetadataProps[i].GetKey() < m.MetadataProps[j].GetKey() })
	for _, c := range g.integers {
		m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: proto.String(c.Name), Dims: []int64{int64(len(c.Values))},
			DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), RawData: littleEndian(c.Values)})
	}
	total := int64(proto.Size(m))
	for _, w := range weights {
		total += w.size() + 16
	}
	if total > maxFile {
		return nil, fmt.Errorf("%d bytes of weights and graph, expected at most %d: the format's files end there", total, maxFile)
	}
	return m, nil
}

// end describes the input or output of the graph.
func (g *graph) end(name string, shape tensor.Shape) *onnxpb.ValueInfoProto {
	dims := &onnxpb.TensorShapeProto{}
	for i, n := range shape {
		d := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}}
		if i == 0 && g.openBatches {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "batch"}
		}
		dims.Dim = append(dims.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
		ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Shape: dims}}}}
}

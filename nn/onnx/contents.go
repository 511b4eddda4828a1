package onnx

import (
	"fmt"
	"strings"

	"fovea/nn/onnx/internal/onnxpb"
)

// Contents is what a file has in it, read or not.
type Contents struct {
	Producer        string
	Opset           int // version of the standard operators
	Inputs, Outputs []Tensor
	Nodes           []Node
	Weights         []Tensor // initialisers, in the file's order
	// Unread says why Load would refuse the file; "" if it would not.
	Unread string
}

// Tensor is what the file says of a value; an open dimension is -1.
type Tensor struct {
	Name, Type string
	Shape      []int
}

// Node is one operator of the graph.
type Node struct {
	Name, Op string
	In, Out  []string
}

// List reads what is in a file, also in one that cannot be loaded.
func List(path string) (*Contents, error) {
	found, err := find(path)
	if err != nil {
		return nil, fmt.Errorf("onnx %s: %w", path, err)
	}
	file, _, err := decode(found.open, found.info.Size())
	if err != nil {
		return nil, fmt.Errorf("onnx %s: %w", path, err)
	}
	c := &Contents{Producer: strings.TrimSpace(file.GetProducerName() + " " + file.GetProducerVersion())}
	for _, o := range file.OpsetImport {
		if standard(o.GetDomain()) {
			c.Opset = int(o.GetVersion())
		}
	}
	weights := map[string]bool{}
	for _, t := range file.Graph.Initializer {
		weights[t.GetName()] = true
		entry := Tensor{Name: t.GetName(), Type: onnxpb.TensorProto_DataType(t.GetDataType()).String()}
		for _, d := range t.Dims {
			entry.Shape = append(entry.Shape, int(d))
		}
		c.Weights = append(c.Weights, entry)
	}
	ends := func(values []*onnxpb.ValueInfoProto) (list []Tensor) {
		for _, v := range values {
			if p, err := newPort(v); err == nil && !weights[p.name] {
				list = append(list, Tensor{p.name, p.dtype.String(), p.shape})
			}
		}
		return list
	}
	c.Inputs, c.Outputs = ends(file.Graph.Input), ends(file.Graph.Output)
	for i, n := range file.Graph.Node {
		op := n.GetOpType()
		if !standard(n.GetDomain()) {
			op = n.GetDomain() + "." + op
		}
		c.Nodes = append(c.Nodes, Node{title(n, i), op, n.Input, n.Output})
	}
	if _, err := Load(path); err != nil {
		c.Unread = strings.TrimPrefix(err.Error(), "onnx "+path+": ")
	}
	return c, nil
}

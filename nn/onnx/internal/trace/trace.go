package trace

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn/onnx/internal/onnxpb"
)

// Opset is the version of the operators that nodes are written in.
const Opset = 17

// Device is the list of what was asked of it.
type Device struct {
	Nodes []*onnxpb.NodeProto
	// Integers are the constants that say shapes and places, Floats the others that nodes need, both by name in the order of
	// the nodes.
	Integers []Integers
	Floats   []Floats
	// Layer tells the layer that is being computed; nodes are named after it.
	Layer func() string
	// ShapesOnly forgets the numbers that are uploaded: nobody will write the graph.
	ShapesOnly bool

	names map[string]int // how many nodes wanted a name
}

// Integers is a constant vector of int64.
type Integers struct {
	Name   string
	Values []int64
}

// Floats is a constant of float32.
type Floats struct {
	Name   string
	Shape  []int64
	Values []float32
}

var _ device.Device = (*Device)(nil)

// New makes an empty trace.
func New() *Device { return &Device{Layer: func() string { return "" }, names: map[string]int{}} }

// Restart forgets the nodes and constants, but not the names of parameters.
func (d *Device) Restart() {
	d.Nodes, d.Integers, d.Floats, d.names = nil, nil, nil, map[string]int{}
}

// array is what a tensor's handle holds.
type array struct {
	name   string    // of the value in the graph; "" for one that nothing has made yet
	values []float32 // of a parameter or buffer
	fill   *float64  // every element, but for pieces
	pieces []piece   // regions copied into it that are no node yet
}

// piece is a region of another value.
type piece struct {
	from       string
	shape      tensor.Shape // of the whole source
	start, end []int
	to         []int
}

func handle(t *device.Tensor) *array { return t.Handle.(*array) }

// Name implements device.Memory.
func (d *Device) Name() string { return "trace" }

// Describe implements device.Memory.
func (d *Device) Describe() string {
	return "trace (computes nothing; writes down the operations as ONNX)"
}

// Float implements device.Memory.
func (d *Device) Float() tensor.Dtype { return tensor.Float32 }

// New implements device.Memory.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	return device.NewTensor(d, shape, dtype, &array{}), nil
}

// Free implements device.Memory.
func (d *Device) Free(*device.Tensor) {}

// Upload implements device.Memory: the values of parameters and buffers.
func (d *Device) Upload(dst *device.Tensor, src any) error {
	a := handle(dst)
	if d.ShapesOnly {
		a.name = "uploaded"
		return nil
	}
	switch from := src.(type) {
	case []float32:
		if len(from) == dst.Size() {
			a.values, a.fill = slices.Clone(from), nil
			return nil
		}
	case []float64:
		if len(from) == dst.Size() {
			a.values, a.fill = make([]float32, len(from)), nil
			for i, v := range from {
				a.values[i] = float32(v)
			}
			return nil
		}
	}
	return device.TransferError("upload", dst, src)
}

// Download implements device.Memory.
func (d *Device) Download(any, *device.Tensor) error {
	return errors.New("onnx: a network that reads numbers while it computes cannot be written as a graph")
}

// Synchronize implements device.Memory.
func (d *Device) Synchronize() error { return nil }

// Stats implements device.Memory.
func (d *Device) Stats() device.Stats { return device.Stats{} }

// Close implements device.Memory.
func (d *Device) Close() error { return nil }

// Label gives a tensor the name that it has in the graph: the input's, a parameter's.
func Label(t *device.Tensor, name string) { handle(t).name = name }

// Values are the numbers of a parameter or buffer.
func Values(t *device.Tensor) []float32 {
	a := handle(t)
	if a.values == nil && a.fill != nil {
		values := make([]float32, t.Size())
		for i := range values {
			values[i] = float32(*a.fill)
		}
		return values
	}
	return a.values
}

// Result is the name of a tensor's value in the graph.
func (d *Device) Result(t *device.Tensor) (string, error) { return d.in(t) }

// Rename gives the value old another name everywhere.
func (d *Device) Rename(old, name string) {
	for _, n := range d.Nodes {
		for _, names := range [][]string{n.Input, n.Output} {
			for i := range names {
				if names[i] == old {
					names[i] = name
				}
			}
		}
	}
}

// in is the name of an operand.
func (d *Device) in(t *device.Tensor) (string, error) {
	a := handle(t)
	if a.name == "" {
		if err := d.assemble(t); err != nil {
			return "", err
		}
	}
	if a.name == "" && (a.values != nil || a.fill != nil) {
		a.name = d.floats("constant", t.Shape, Values(t))
	}
	if a.name == "" {
		return "", fmt.Errorf("onnx: a tensor %v is read before anything was written to it", t.Shape)
	}
	return a.name, nil
}

// node adds a node that reads operands (nil for one that is left out) and writes y.
func (d *Device) node(y *device.Tensor, op string, operands []*device.Tensor, attributes ...*onnxpb.AttributeProto) error {
	names := make([]string, len(operands))
	for i, t := range operands {
		if t == nil {
			continue
		}
		var err error
		if names[i], err = d.in(t); err != nil {
			return err
		}
	}
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	d.set(y, d.add(op, names, attributes...))
	return nil
}

// set makes name the value of y from now on.
func (d *Device) set(y *device.Tensor, name string) {
	a := handle(y)
	a.name, a.pieces, a.fill, a.values = name, nil, nil, nil
}

// add adds a node and returns the name of what it makes.
func (d *Device) add(op string, operands []string, attributes ...*onnxpb.AttributeProto) string {
	name := d.unique(op)
	d.Nodes = append(d.Nodes, &onnxpb.NodeProto{OpType: proto.String(op), Name: proto.String(name), Input: operands, Output: []string{name},
		Attribute: attributes})
	return name
}

// unique is the current layer's name with kind, which no other value has.
func (d *Device) unique(kind string) string {
	name := kind
	if layer := d.Layer(); layer != "" {
		name = layer + "/" + kind
	}
	d.names[name]++
	if n := d.names[name]; n > 1 {
		name += "_" + strconv.Itoa(n)
	}
	return name
}

// vector is the name of a constant of integers.
func (d *Device) vector(kind string, values ...int) string {
	c := Integers{Name: d.unique(kind), Values: make([]int64, len(values))}
	for i, v := range values {
		c.Values[i] = int64(v)
	}
	d.Integers = append(d.Integers, c)
	return c.Name
}

// floats is the name of a constant of real numbers.
func (d *Device) floats(kind string, shape []int, values []float32) string {
	c := Floats{Name: d.unique(kind), Values: values}
	for _, n := range shape {
		c.Shape = append(c.Shape, int64(n))
	}
	d.Floats = append(d.Floats, c)
	return c.Name
}

// scalar is the name of a constant of one real number.
func (d *Device) scalar(value float64) string {
	return d.floats("constant", nil, []float32{float32(value)})
}

func integers(name string, values ...int) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INTS.Enum()}
	for _, v := range values {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

func integer(name string, value int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(int64(value))}
}

func float(name string, value float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_FLOAT.Enum(), F: proto.Float32(float32(value))}
}

func text(name, value string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_STRING.Enum(), S: []byte(value)}
}

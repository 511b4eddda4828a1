package onnx

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
)

// whole is a small file that can be read.
func whole(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "whole.onnx")
	layer := nn.Sequential(nn.Conv(4, 3), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2), nn.Upsample(2, device.UpsampleSpec{}), nn.Branches(nn.Conv(2, 1), nn.Sigmoid()), nn.Flatten(), nn.Linear(5))
	require.NoError(t, Export(path, layer, tensor.Shape{1, 8, 8}, ExportOptions{}))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// allocated is how much memory was asked for since the program began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// memory is a file that is none.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(content []byte) func() (handle, error) {
	return func() (handle, error) { return memory{bytes.NewReader(content)}, nil }
}

// use reads a file and finds out what its network makes of a sample, as programs do before they compute.
func use(content []byte) error {
	m, err := parse(inMemory(content), int64(len(content)), &folder{})
	if err != nil {
		return err
	}
	m.Logits()
	sample := m.Sample
	if device.Size(sample) > 1<<16 {
		return nil
	}
	_, err = m.Shape(sample)
	return err
}

// TestDamaged makes a hundred files of one that is whole, each damaged in another way. Each is refused with one line or is
// read; none takes more memory than is promised.
func TestDamaged(t *testing.T) {
	content := whole(t)
	require.NoError(t, use(content))
	random := philox.NewSource(philox.Stream{Seed: 8})
	at := func(n int) int { return int(random.Uniform(0, float64(n))) }
	refused := 0
	for i := range 100 {
		b := append([]byte{}, content...)
		var how string
		switch p := at(len(b) - 16); i % 5 {
		case 0:
			how, b = fmt.Sprintf("cut at %d", p), b[:p]
		case 1:
			b[p/4] ^= 1 << (i / 5 % 8) // where the structure is
			how = fmt.Sprintf("bit %d of byte %d", i/5%8, p/4)
		case 2:
			copy(b[p:p+16], make([]byte, 16))
			how = fmt.Sprintf("zeros at %d", p)
		case 3:
			p /= 4
			b = append(b[:p:p], append([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, b[p:]...)...)
			how = fmt.Sprintf("a large number at %d", p)
		case 4:
			p, q := p/4, at(len(b)/4)
			copy(b[p:], content[q:q+16])
			how = fmt.Sprintf("16 bytes of %d at %d", q, p)
		}
		before := allocated()
		err := use(b)
		require.Less(t, allocated()-before, uint64(2*len(b)+128<<20), how)
		if err != nil {
			refused++
			require.NotContains(t, err.Error(), "\n", how)
			require.Less(t, len(err.Error()), 2000, how)
		}
	}
	require.Greater(t, refused, 60, "damage that nobody sees")
}

// FuzzUse holds reading to the same: an error, or a network.
func FuzzUse(f *testing.F) {
	f.Add(whole(f))
	for _, row := range pieces {
		if device.Size(row.sample) > 200 {
			continue
		}
		path := filepath.Join(f.TempDir(), "piece.onnx")
		require.NoError(f, Export(path, row.layer(), row.sample, ExportOptions{}))
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(content)
	}
	for _, row := range refusals {
		content, err := proto.Marshal(row.model())
		require.NoError(f, err)
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<16 {
			t.Skip("larger files say nothing else")
		}
		if err := use(content); err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
	})
}

// model makes a file of nodes between "x" [1, 2, 4, 4] and "y".
func model(nodes ...*onnxpb.NodeProto) *onnxpb.ModelProto {
	g := &graph{nodes: nodes, input: tensor.Shape{1, 2, 4, 4}, output: tensor.Shape{1, 2}}
	m, err := g.model(ExportOptions{}, nil)
	if err != nil {
		panic(err)
	}
	m.Graph.Input[0].Name, m.Graph.Output[0].Name = proto.String("x"), proto.String("y")
	return m
}

func op(kind, in, out string, attributes ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: proto.String(kind), Input: strings.Fields(in), Output: strings.Fields(out), Attribute: attributes}
}

func ints(name string, values ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INTS.Enum(), Ints: values}
}

func axisOf(axis int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String("axis"), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(axis)}
}

// with adds initialisers.
func with(m *onnxpb.ModelProto, tensors ...*onnxpb.TensorProto) *onnxpb.ModelProto {
	m.Graph.Initializer = append(m.Graph.Initializer, tensors...)
	return m
}

func floats(name string, n int, dims ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Dims: dims, FloatData: make([]float32, n)}
}

func whole64(name string, values ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Dims: []int64{int64(len(values))}, Int64Data: values}
}

func outside(name string, entries ...string) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Dims: []int64{2}, DataLocation: onnxpb.TensorProto_EXTERNAL.Enum()}
	for i := 0; i < len(entries); i += 2 {
		t.ExternalData = append(t.ExternalData, &onnxpb.StringStringEntryProto{Key: proto.String(entries[i]), Value: proto.String(entries[i+1])})
	}
	return t
}

// refusals are files that are well formed and cannot be meant, with a part of what is said of each.
var refusals = []struct {
	name  string
	model func() *onnxpb.ModelProto
	want  string
}{
	{"unknown operators", func() *onnxpb.ModelProto {
		m := model(op("Einsum", "x", "a"), op("Relu", "a", "b"), op("LSTM", "b", "c"), op("LSTM", "c", "y"))
		m.Graph.Node[2].Domain, m.Graph.Node[2].Name = proto.String("com.example"), proto.String("net/lstm")
		return m
	}, "operators that are not read (version 17): Einsum (node a), com.example.LSTM (node net/lstm), LSTM (node y)"},
	{"cycle", func() *onnxpb.ModelProto {
		return model(op("Add", "x b", "a"), op("Relu", "a", "b"), op("Relu", "b", "y"))
	},
		`node a (Add) reads "b", which no node before it makes`},
	{"itself", func() *onnxpb.ModelProto { return model(op("Add", "x y", "y")) }, `reads "y", which no node before it makes`},
	{"twice", func() *onnxpb.ModelProto { return model(op("Relu", "x", "y"), op("Relu", "x", "y")) }, `makes "y", which is there already`},
	{"over the input", func() *onnxpb.ModelProto { return model(op("Relu", "x", "x"), op("Relu", "x", "y")) }, `makes "x", which is there already`},
	{"no output", func() *onnxpb.ModelProto { return model(op("Relu", "x", "z")) }, `output "y" is made by no node`},
	{"second output", func() *onnxpb.ModelProto { return model(op("MaxPool", "x", "a y", ints("kernel_shape", 2, 2))) }, "its output 1, \"y\", is not computed"},
	{"attribute", func() *onnxpb.ModelProto { return model(op("Relu", "x", "y", ints("alpha", 1))) }, `attribute "alpha" is not read`},
	{"attribute twice", func() *onnxpb.ModelProto {
		return model(op("MaxPool", "x", "y", ints("kernel_shape", 2, 2), ints("kernel_shape", 2, 2)))
	}, `attribute "kernel_shape" is there twice`},
	{"attribute of another type", func() *onnxpb.ModelProto { return model(op("Softmax", "x", "y", ints("axis", 1))) }, `attribute "axis" is INTS, expected INT`},
	{"nothing", func() *onnxpb.ModelProto { return model(op("Relu", "x", "")) }, "makes nothing"},
	{"old operators", func() *onnxpb.ModelProto {
		m := model(op("Relu", "x", "y"))
		m.OpsetImport[0].Version = proto.Int64(5)
		return m
	}, "operators of version 5, expected 6 to 26"},
	{"no graph", func() *onnxpb.ModelProto { return &onnxpb.ModelProto{} }, "it has no graph"},
	{"two inputs", func() *onnxpb.ModelProto {
		m := model(op("Add", "x z", "y"))
		m.Graph.Input = append(m.Graph.Input, proto.Clone(m.Graph.Input[0]).(*onnxpb.ValueInfoProto))
		m.Graph.Input[1].Name = proto.String("z")
		return m
	}, `inputs ["x" "z"] and outputs ["y"], expected one of each`},
	{"integers in", func() *onnxpb.ModelProto {
		m := model(op("Relu", "x", "y"))
		m.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(onnxpb.TensorProto_INT64))
		return m
	}, "input x holds INT64, expected FLOAT"},
	{"initialiser twice", func() *onnxpb.ModelProto {
		return with(model(op("Add", "x w", "y")), floats("w", 1, 1), floats("w", 1, 1))
	}, "initialiser w is there twice"},
	{"too few numbers", func() *onnxpb.ModelProto { return with(model(op("Add", "x w", "y")), floats("w", 3, 2, 2)) },
		"initialiser w: 3 numbers, expected 4 for shape [2 2]"},
	{"wrapped shape", func() *onnxpb.ModelProto {
		return with(model(op("Add", "x w", "y")), floats("w", 0, 1<<32, 1<<32))
	}, "expected at most 2147483647 elements"},
	{"hidden shape", func() *onnxpb.ModelProto {
		return with(model(op("Add", "x w", "y")), floats("w", 0, 0, 1<<32, 1<<32))
	}, "expected at most 2147483647 elements"},
	{"negative shape", func() *onnxpb.ModelProto { return with(model(op("Add", "x w", "y")), floats("w", 1, -1, -1)) }, "expected none below 0"},
	{"many dimensions", func() *onnxpb.ModelProto {
		return with(model(op("Add", "x w", "y")), floats("w", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
	}, "17 dimensions, expected at most 16"},
	{"strings", func() *onnxpb.ModelProto {
		m := with(model(op("Add", "x w", "y")), floats("w", 1, 1))
		m.Graph.Initializer[0].DataType = proto.Int32(int32(onnxpb.TensorProto_STRING))
		return m
	}, "element type STRING is not read"},
	{"a shape as a weight", func() *onnxpb.ModelProto { return with(model(op("Add", "x s", "y")), whole64("s", 1)) }, "operand 1 holds integers, expected real numbers"},
	{"a shape from the input", func() *onnxpb.ModelProto { return model(op("Reshape", "x x", "y")) }, "operand 1: expected a constant, or what follows from shapes alone"},
	{"a large constant", func() *onnxpb.ModelProto {
		return with(model(op("ConstantOfShape", "s", "w"), op("Add", "x w", "y")), whole64("s", 1<<20, 1<<10))
	}, "expected at most 67108864 elements"},
	{"many constants", func() *onnxpb.ModelProto {
		return with(model(op("ConstantOfShape", "s", "a"), op("ConstantOfShape", "s", "b"), op("Add", "x a", "c"), op("Add", "c b", "y")), whole64("s", 40<<20))
	}, "weights that the file does not hold have more than 67108864 elements"},
	{"much work on shapes", func() *onnxpb.ModelProto {
		nodes := []*onnxpb.NodeProto{op("Concat", "s s s s s s s s", "v0", ints("x"))}
		nodes[0].Attribute = []*onnxpb.AttributeProto{axisOf(0)}
		for i := range 9 {
			v := fmt.Sprintf("v%d ", i)
			n := op("Concat", strings.Repeat(v, 8), fmt.Sprintf("v%d", i+1))
			n.Attribute = nodes[0].Attribute
			nodes = append(nodes, n)
		}
		return with(model(append(nodes, op("Reshape", "x v9", "y"))...), whole64("s", 1, 2))
	}, "in the host's memory"},
	{"a large result", func() *onnxpb.ModelProto {
		return with(model(op("Pad", "x s", "y")), whole64("s", 0, 0, 1<<20, 1<<20, 0, 0, 0, 0))
	}, "expected at most 268435456 elements"},
	{"division by 0", func() *onnxpb.ModelProto {
		return with(model(op("Shape", "x", "s"), op("Div", "s z", "d"), op("Reshape", "x d", "y")), whole64("z", 0))
	}, "division of an integer by 0"},
	{"axis", func() *onnxpb.ModelProto {
		return with(model(op("Squeeze", "x a", "y")), whole64("a", math.MinInt64))
	}, "axis -9223372036854775808, expected -4 to 3"},
	{"stride 0", func() *onnxpb.ModelProto {
		return model(op("MaxPool", "x", "y", ints("kernel_shape", 2, 2), ints("strides", 0, 1)))
	}, "expected at least 1"},
	{"a large window", func() *onnxpb.ModelProto {
		return model(op("MaxPool", "x", "y", ints("kernel_shape", math.MaxInt64, 2)))
	}, "does not fit"},
	{"a perm", func() *onnxpb.ModelProto { return model(op("Transpose", "x", "y", ints("perm", 0, 1, 1, 3))) }, "perm [0 1 1 3] for an input of rank 4"},
	{"no operand", func() *onnxpb.ModelProto { return model(op("Relu", "", "a"), op("Add", "x a", "y")) }, "operand 0 is missing"},
	{"unequal pieces", func() *onnxpb.ModelProto {
		return model(op("Split", "x", "a b c"), op("Concat", "a b c", "y", axisOf(0)))
	}, "1 elements of axis 0 in 3 equal pieces"},
	{"pieces too large", func() *onnxpb.ModelProto {
		return with(model(op("Split", "x s", "a y", axisOf(2))), whole64("s", math.MaxInt64, 3))
	}, "pieces of [9223372036854775807 3] along axis 2, expected such as are 4 together"},
	{"pieces too small", func() *onnxpb.ModelProto {
		return with(model(op("Split", "x s", "a y", axisOf(2))), whole64("s", 1, 2))
	}, "pieces of [1 2] along axis 2, expected 2 that are 4 together"},
	{"pieces below 0", func() *onnxpb.ModelProto {
		return with(model(op("Split", "x s", "a y", axisOf(2))), whole64("s", -1, 5))
	}, "expected such as are 4 together"},
	{"pieces for other outputs", func() *onnxpb.ModelProto {
		return with(model(op("Split", "x s", "a y", axisOf(2))), whole64("s", 1, 1, 2))
	}, "expected 2 that are 4 together"},
	{"many pieces", func() *onnxpb.ModelProto {
		n := op("Split", "x", "a", axisOf(2))
		for i := range mostPieces {
			n.Output = append(n.Output, fmt.Sprint("b", i))
		}
		return model(n, op("Relu", "a", "y"))
	}, "4097 outputs, expected at most 4096"},
	{"a constant output", func() *onnxpb.ModelProto { return with(model(op("Relu", "w", "y")), floats("w", 1, 1)) }, "the network does not use its input"},
	{"no folder", func() *onnxpb.ModelProto {
		return with(model(op("Add", "x w", "y")), outside("w", "location", "w.bin"))
	}, "the model is not in a folder"},
}

func TestRefusals(t *testing.T) {
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			content, err := proto.Marshal(row.model())
			require.NoError(t, err)
			err = use(content)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestRefusesBytes that are no message, or one that would fill the memory.
func TestRefusesBytes(t *testing.T) {
	nested := []byte{}
	for range 3 * maxDepth { // a graph in an attribute of a node of a graph
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), nested) // AttributeProto.g
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), nested) // NodeProto.attribute
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nested) // GraphProto.node
	}
	nested = protowire.AppendBytes(protowire.AppendTag(nil, modelGraph, protowire.BytesType), nested)
	nodes := []byte(strings.Repeat("\x0a\x00", 1<<20)) // empty nodes
	many := protowire.AppendBytes(protowire.AppendTag(nil, modelGraph, protowire.BytesType), nodes)
	packed := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), make([]byte, 16<<20)) // TensorProto.int64_data
	packed = protowire.AppendBytes(protowire.AppendTag(nil, graphInitializer, protowire.BytesType), packed)
	packed = protowire.AppendBytes(protowire.AppendTag(nil, modelGraph, protowire.BytesType), packed)
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "it has no graph"},
		{"text", []byte("not a model\n"), "not a whole ONNX file"},
		{"a length beyond the end", []byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x07}, "not a whole ONNX file"},
		{"nested", nested, "messages nested deeper than 32"},
		{"many messages", many, "in memory, expected at most"},
		{"packed numbers", packed, "in memory, expected at most"},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := allocated()
			err := use(row.content)
			require.ErrorContains(t, err, row.want)
			require.Less(t, allocated()-before, uint64(len(row.content)+1<<20))
		})
	}
}

// TestMeasure: what is let through takes no more than was estimated. Attributes are the largest messages.
func TestMeasure(t *testing.T) {
	for _, field := range []protowire.Number{1, 5, 11} { // GraphProto.node (of empty attributes), initializer, input
		item := []byte{}
		if field == 1 {
			item = []byte("\x2a\x00\x2a\x00\x2a\x00\x2a\x00")
		}
		var inner []byte
		for range 20_000 {
			inner = protowire.AppendBytes(protowire.AppendTag(inner, field, protowire.BytesType), item)
		}
		content := protowire.AppendBytes(protowire.AppendTag(nil, modelGraph, protowire.BytesType), inner)
		cost, err := measure(content, (&onnxpb.ModelProto{}).ProtoReflect().Descriptor(), 0)
		require.NoError(t, err)
		before := allocated()
		_, _, err = decode(inMemory(content), int64(len(content)))
		require.NoError(t, err)
		require.LessOrEqual(t, allocated()-before, uint64(cost), "field %d", field)
	}
}

// TestExternal reads weights beside the model, and refuses those elsewhere.
func TestExternal(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "model")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "below"), 0o777))
	eight := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40}
	for _, name := range []string{"secret.bin", "model/w.bin", "model/below/w.bin"} {
		require.NoError(t, os.WriteFile(filepath.Join(base, name), eight, 0o666))
	}
	require.NoError(t, os.Symlink("../secret.bin", filepath.Join(dir, "link.bin")))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "up")))
	require.NoError(t, os.Symlink("w.bin", filepath.Join(dir, "inside.bin")))
	for _, row := range []struct {
		name    string
		tensors []*onnxpb.TensorProto
		want    string // "": is read
	}{
		{"beside", []*onnxpb.TensorProto{outside("w", "location", "w.bin", "offset", "4", "length", "8")}, ""},
		{"below", []*onnxpb.TensorProto{outside("w", "location", "below/w.bin")}, ""},
		{"a link inside", []*onnxpb.TensorProto{outside("w", "location", "inside.bin")}, ""},
		{"above", []*onnxpb.TensorProto{outside("w", "location", "../secret.bin")}, "expected a name inside of the model's folder"},
		{"above by a detour", []*onnxpb.TensorProto{outside("w", "location", "below/../../secret.bin")}, "expected a name inside of the model's folder"},
		{"absolute", []*onnxpb.TensorProto{outside("w", "location", filepath.Join(base, "secret.bin"))}, "expected a name inside of the model's folder"},
		{"a link out", []*onnxpb.TensorProto{outside("w", "location", "link.bin")}, "path escapes"},
		{"a folder's link out", []*onnxpb.TensorProto{outside("w", "location", "up/secret.bin")}, "path escapes"},
		{"no location", []*onnxpb.TensorProto{outside("w")}, "expected a name inside of the model's folder"},
		{"not there", []*onnxpb.TensorProto{outside("w", "location", "none.bin")}, "no such file"},
		{"a folder", []*onnxpb.TensorProto{outside("w", "location", "below")}, "not a regular file"},
		{"beyond the end", []*onnxpb.TensorProto{outside("w", "location", "w.bin", "offset", "5")}, "bytes [5, 5 + 8) of 12"},
		{"before the beginning", []*onnxpb.TensorProto{outside("w", "location", "w.bin", "offset", "-1")}, "bytes [-1, -1 + 8) of 12"},
		{"another length", []*onnxpb.TensorProto{outside("w", "location", "w.bin", "length", "12")}, "12 bytes, expected 8"},
		{"no number", []*onnxpb.TensorProto{outside("w", "location", "w.bin", "offset", "one")}, "invalid syntax"},
		{"the same bytes twice", []*onnxpb.TensorProto{outside("w", "location", "w.bin"), outside("v", "location", "w.bin")}, "tensors claim 16 bytes of 12"},
	} {
		t.Run(row.name, func(t *testing.T) {
			content, err := proto.Marshal(with(model(op("MatMul", "x w2", "y")), append([]*onnxpb.TensorProto{floats("w2", 8, 4, 2)}, row.tensors...)...))
			require.NoError(t, err)
			path := filepath.Join(dir, "model.onnx")
			require.NoError(t, os.WriteFile(path, content, 0o666))
			m, err := Load(path)
			if row.want != "" {
				require.ErrorContains(t, err, row.want)
				return
			}
			require.NoError(t, err)
			a, err := m.program.known["w"].weight.read()
			require.NoError(t, err)
			want := []float32{1, 2}
			if row.name == "beside" {
				want = []float32{2, 3}
			}
			require.Equal(t, want, a.floats)
		})
	}
}

package onnx

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
)

// block has what is computed at once in it: convolution, normalisation, sum and ReLU in all their chains.
func block() nn.Layer {
	residual := nn.Residual(nn.Sequential(nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU(), nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm()),
		nn.Sequential(nn.Conv(4, 1, nn.NoBias()), nn.BatchNorm()))
	return nn.Sequential(nn.Conv(3, 3), nn.ReLU(), nn.BatchNorm(), nn.ReLU(), residual, nn.ReLU(), nn.Residual(nn.Sequential(nn.Conv(4, 1), nn.BatchNorm()), nil),
		nn.Residual(nn.BatchNorm(), nil), nn.ReLU(), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(6), nn.ReLU(), nn.Linear(4))
}

// TestGradients: a network that was read has in training the loss, the gradients and the statistics of the one that was
// written, name by name.
func TestGradients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "block.onnx")
	sample := tensor.Shape{2, 7, 6}
	require.NoError(t, Export(path, block(), sample, ExportOptions{Load: livelyFrom(t, block(), sample)}))
	for _, name := range devicetest.Names() {
		d := open(t, name)
		step := func(layer nn.Layer, load func([]nn.Tensor) error) map[string][]float64 {
			net, err := nn.Build(d, layer, sample, 1)
			require.NoError(t, err)
			defer net.Release()
			if load != nil {
				require.NoError(t, load(net.State()))
			}
			tape := autograd.NewTape(d)
			tape.Training = true
			defer tape.Reset()
			loss := autograd.CrossEntropy(net.Forward(tape.Input(samples(4, sample))), tape.Labels([]int32{0, 1, 2, 3}))
			require.NoError(t, tape.Backward(loss))
			made := map[string][]float64{}
			note := func(name string, tensor *device.Tensor) {
				made[name], err = tensor.Floats()
				require.NoError(t, err, name)
			}
			note("loss", loss.Tensor())
			for _, p := range net.Parameters {
				require.False(t, p.Frozen, p.Name)
				note(p.Name, p.Tensor())
				note(p.Name+" gradient", p.Grad())
			}
			for _, b := range net.Buffers {
				note(b.Name, b.Tensor)
			}
			return made
		}
		want := step(block(), lively)
		m, err := Load(path)
		require.NoError(t, err)
		got := step(m, nil)
		require.Len(t, got, len(want))
		for key, w := range want {
			require.Contains(t, got, key)
			bound := 1e-5 // statistics and losses; a gradient that ought to be 0 is noise
			off, norm := 0.0, 0.0
			for i := range w {
				off, norm = off+(got[key][i]-w[i])*(got[key][i]-w[i]), norm+w[i]*w[i]
			}
			require.LessOrEqual(t, off, bound*bound*max(norm, 1e-3), "%s on %s", key, name)
		}
	}
}

// TestChains are computed at once: of the block's 24 nodes as many are left as it has chains.
func TestChains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "block.onnx")
	require.NoError(t, Export(path, block(), tensor.Shape{2, 7, 6}, ExportOptions{}))
	m, err := Load(path)
	require.NoError(t, err)
	var ops []string
	for _, n := range m.program.nodes {
		ops = append(ops, n.op)
	}
	require.Equal(t, []string{"Conv+Relu", "BatchNormalization+Relu", "Conv+BatchNormalization+Relu", "Conv+BatchNormalization", "Conv+BatchNormalization+Add+Relu",
		"Conv+BatchNormalization+Add", "BatchNormalization+Add+Relu", "LeakyRelu", "Flatten", "Gemm+Relu", "Gemm"}, ops)
}

// TestSetOutputs gives a network a new head, and leaves the rest as it is.
func TestSetOutputs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.onnx")
	sample := tensor.Shape{1, 6, 6}
	layer := func() nn.Layer {
		return nn.Sequential(nn.Conv(2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5), nn.Softmax())
	}
	require.NoError(t, Export(path, layer(), sample, ExportOptions{Seed: 1}))
	d := open(t, devicetest.Fast())
	m, err := Load(path)
	require.NoError(t, err)
	require.ErrorContains(t, m.SetOutputs(3), "the last layer is no Gemm")
	m.Logits()
	m.Logits() // there is no second softmax
	require.NoError(t, m.SetOutputs(3))
	net, err := nn.Build(d, m, sample, 7)
	require.NoError(t, err)
	defer net.Release()
	require.Equal(t, tensor.Shape{1, 3}, net.Output)
	own, err := nn.Build(d, layer(), sample, 1)
	require.NoError(t, err)
	defer own.Release()
	for i, p := range net.Parameters {
		values, err := p.Tensor().Floats()
		require.NoError(t, err)
		before, err := own.Parameters[i].Tensor().Floats()
		require.NoError(t, err)
		require.Equal(t, own.Parameters[i].Name, p.Name)
		switch p.Name {
		case "3.weight":
			require.Equal(t, tensor.Shape{3, 32}, p.Shape())
			require.NotEqual(t, values[0], before[0])
			square := 0.0
			for _, v := range values {
				square += v * v
			}
			require.InDelta(t, 2.0/32, square/float64(len(values)), 0.03, "the variance of He et al.")
		case "3.bias":
			require.Equal(t, []float64{0, 0, 0}, values)
		default:
			require.Equal(t, before, values, p.Name)
		}
	}
	_, err = nn.Build(d, m, sample, 7)
	require.ErrorContains(t, err, "the model was built before")
}

// TestSharedWeights: what an exporter wrote once because it was equal is trained apart, and each normalisation has
// statistics of its own; single numbers are not trained.
func TestSharedWeights(t *testing.T) {
	ones := floats("ones", 2, 2)
	copy(ones.FloatData, []float32{1, 1})
	half := floats("half", 1)
	half.FloatData[0] = 0.5
	m := with(model(op("Identity", "ones", "second.scale"), op("BatchNormalization", "x ones zeros zeros ones", "a"), op("Mul", "a half", "b"),
		op("BatchNormalization", "b second.scale zeros zeros ones", "y")), ones, floats("zeros", 2, 2), half)
	content, err := proto.Marshal(m)
	require.NoError(t, err)
	read, err := parse(inMemory(content), int64(len(content)), &folder{})
	require.NoError(t, err)
	net, err := nn.Build(open(t, devicetest.Fast()), read, tensor.Shape{2, 4, 4}, 1)
	require.NoError(t, err)
	defer net.Release()
	frozen := map[string]bool{}
	for _, p := range net.Parameters {
		frozen[p.Name] = p.Frozen
	}
	require.Equal(t, map[string]bool{"ones": false, "zeros": false, "half": true, "second.scale": false}, frozen)
	require.Len(t, net.Buffers, 4)
}

// TestNumbers reads a weight in each of the forms that a file may have it in.
func TestNumbers(t *testing.T) {
	kind := func(k onnxpb.TensorProto_DataType, change func(p *onnxpb.TensorProto)) *onnxpb.TensorProto {
		p := &onnxpb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(int32(k)), Dims: []int64{3}}
		change(p)
		return p
	}
	for _, row := range []struct {
		name   string
		tensor *onnxpb.TensorProto
		want   *array
	}{
		{"float", kind(onnxpb.TensorProto_FLOAT, func(p *onnxpb.TensorProto) { p.FloatData = []float32{1, -2.5, 0} }), &array{floats: []float32{1, -2.5, 0}}},
		{"raw float", kind(onnxpb.TensorProto_FLOAT, func(p *onnxpb.TensorProto) { p.RawData = []byte{0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0, 0, 0, 0} }), &array{floats: []float32{1, -2.5, 0}}},
		{"double", kind(onnxpb.TensorProto_DOUBLE, func(p *onnxpb.TensorProto) { p.DoubleData = []float64{1, -2.5, 1e-3} }), &array{floats: []float32{1, -2.5, 1e-3}}},
		{"half", kind(onnxpb.TensorProto_FLOAT16, func(p *onnxpb.TensorProto) { p.Int32Data = []int32{0x3c00, 0xc100, 0x0001} }), &array{floats: []float32{1, -2.5, 1.0 / (1 << 24)}}},
		{"raw half", kind(onnxpb.TensorProto_FLOAT16, func(p *onnxpb.TensorProto) { p.RawData = []byte{0, 0x3c, 0, 0xc1, 0xff, 0x7b} }), &array{floats: []float32{1, -2.5, 65504}}},
		{"raw bfloat16", kind(onnxpb.TensorProto_BFLOAT16, func(p *onnxpb.TensorProto) { p.RawData = []byte{0x80, 0x3f, 0x20, 0xc0, 0, 0} }), &array{floats: []float32{1, -2.5, 0}}},
		{"int64", kind(onnxpb.TensorProto_INT64, func(p *onnxpb.TensorProto) { p.Int64Data = []int64{1, -2, 1 << 40} }), &array{ints: []int64{1, -2, 1 << 40}}},
		{"raw int32", kind(onnxpb.TensorProto_INT32, func(p *onnxpb.TensorProto) { p.RawData = []byte{1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 1, 0, 0} }), &array{ints: []int64{1, -2, 256}}},
		{"raw int8", kind(onnxpb.TensorProto_INT8, func(p *onnxpb.TensorProto) { p.RawData = []byte{1, 0xfe, 3} }), &array{ints: []int64{1, -2, 3}}},
		{"bool", kind(onnxpb.TensorProto_BOOL, func(p *onnxpb.TensorProto) { p.Int32Data = []int32{1, 0, 1} }), &array{ints: []int64{1, 0, 1}}},
		{"uint64", kind(onnxpb.TensorProto_UINT64, func(p *onnxpb.TensorProto) { p.Uint64Data = []uint64{1, 2, 3} }), &array{ints: []int64{1, 2, 3}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := (*folder)(nil).check(row.tensor)
			require.NoError(t, err)
			got, err := s.read()
			require.NoError(t, err)
			row.want.shape = []int{3}
			require.Equal(t, row.want, got)
			row.tensor.Dims = []int64{4}
			_, err = (*folder)(nil).check(row.tensor)
			require.ErrorContains(t, err, "expected")
		})
	}
}

// TestMemory of reading: weights stay in the file.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.onnx")
	require.NoError(t, Export(path, nn.Sequential(nn.Flatten(), nn.Linear(1000)), tensor.Shape{1, 50, 50}, ExportOptions{}))
	before := allocated()
	m, err := Load(path)
	require.NoError(t, err)
	require.Less(t, allocated()-before, uint64(1<<20))
	require.NotNil(t, m)
}

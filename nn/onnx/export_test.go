package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
	"fovea/nn/zoo"
)

// pieces are small networks that have every layer between them. once is set where the operators are not read back.
var pieces = []struct {
	name   string
	sample tensor.Shape
	layer  func() nn.Layer
	once   bool
}{
	{"mlp", tensor.Shape{1, 28, 28}, func() nn.Layer { return zoo.MLP(10) }, false},
	{"cnn-small", tensor.Shape{1, 28, 28}, func() nn.Layer { return zoo.CNNSmall(10) }, false},
	{"convolutions", tensor.Shape{4, 11, 9}, func() nn.Layer {
		return nn.Sequential(nn.Conv(6, 3, nn.Stride(2), nn.PaddingSides(device.Padding{Top: 1, Bottom: 2, Left: 0, Right: 1}), nn.Groups(2), nn.NoBias()),
			nn.LeakyReLU(0.1), nn.TrueConv(5, 2, nn.Dilation(2)), nn.Sigmoid(), nn.Conv(3, 2, nn.Same()), nn.Tanh())
	}, false},
	{"transposed", tensor.Shape{4, 5, 6}, func() nn.Layer {
		return nn.Sequential(nn.ConvTranspose(6, 3, nn.Stride(2), nn.Padding(1), nn.OutputPadding(1), nn.Groups(2)), nn.ELU(0.7), nn.ConvTranspose(3, 2, nn.NoBias()))
	}, false},
	{"pools", tensor.Shape{3, 13, 14}, func() nn.Layer {
		return nn.Sequential(nn.Conv(4, 3), nn.MaxPool(3, nn.Stride(2), nn.CeilMode()), nn.AvgPool(2, nn.Stride(1), nn.Padding(1), nn.CountPadding()),
			nn.AvgPool(3, nn.Stride(2), nn.Padding(1)), nn.MinPool(2, nn.Stride(1)), nn.Branches(nn.GlobalAvgPool(), nn.GlobalMaxPool(), nn.GlobalMinPool()))
	}, false},
	{"normalised", tensor.Shape{3, 9, 9}, func() nn.Layer {
		block := nn.Residual(nn.Sequential(nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.ReLU(), nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm()),
			nn.Sequential(nn.Conv(4, 1, nn.NoBias()), nn.BatchNorm()))
		return nn.Sequential(block, nn.ReLU(), nn.Residual(nn.Sequential(nn.BatchNorm(), nn.ReLU(), nn.Conv(4, 3, nn.Padding(1))), nil),
			nn.LocalResponseNorm(device.LRNSpec{Size: 3, Alpha: 0.5, Beta: 0.75, K: 1}), nn.Dropout(0.5), nn.Flatten(), nn.Linear(7), nn.LogSoftmax())
	}, false},
	{"sizes", tensor.Shape{2, 3, 2}, func() nn.Layer {
		return nn.Sequential(nn.ZeroPad(device.Padding{Top: 1, Right: 2}), nn.Upsample(2, device.UpsampleSpec{}), nn.Conv(3, 2),
			nn.Upsample(2, device.UpsampleSpec{Bilinear: true}), nn.ZeroPadChannels(1, 2), nn.AdaptiveAvgPool(3, 4),
			nn.Upsample(3, device.UpsampleSpec{Bilinear: true, AlignCorners: true}), nn.Softmax())
	}, false},
	{"numbers", tensor.Shape{3, 6, 7}, func() nn.Layer { return nn.Sequential(nn.Conv(4, 2), &numbers{}) }, false},
	{"maxout", tensor.Shape{2, 6, 6}, func() nn.Layer {
		return nn.Sequential(nn.Conv(6, 3), nn.Maxout(3), nn.Flatten(), nn.Linear(8), nn.Maxout(2), nn.Step())
	}, true},
	{"contrast", tensor.Shape{3, 6, 6}, func() nn.Layer {
		return nn.Sequential(nn.Conv(7, 2), nn.ContrastNorm(device.LRNSpec{Size: 5, Alpha: 0.9, Beta: 0.6, K: 1.5}),
			nn.LocalResponseNorm(device.LRNSpec{Size: 4, Alpha: 0.9, Beta: 0.6, K: 1.5}))
	}, true},
}

// numbers is a layer of a user's own, which knows nothing of ONNX.
type numbers struct{ bias *autograd.Value }

func (l *numbers) Build(b *nn.Builder, in tensor.Shape) (tensor.Shape, error) {
	var err error
	l.bias, err = b.Parameter("bias", tensor.Shape{1, in[1], 1, 1}, nn.HeNormal(1))
	return tensor.Shape{1, 2 * in[1], 1, 3}, err
}

func (l *numbers) Forward(x *autograd.Value) *autograd.Value {
	shape := x.Shape()
	centred := autograd.Sub(x, autograd.Mean(x, true, 2, 3))
	scaled := autograd.Scale(autograd.Div(autograd.Mul(centred, l.bias), autograd.Add(x, l.bias)), 0.5, 0.25)
	part := autograd.Slice(scaled, []int{0, 1, 0, 2}, []int{shape[0], shape[1], 2, 5})
	whole := autograd.Concat(1, part, autograd.Slice(x, []int{0, 0, 1, 1}, []int{shape[0], shape[1], 3, 4}), autograd.Slice(part, []int{0, 0, 0, 0}, []int{shape[0], 1, 2, 3}))
	return autograd.Mean(whole, true, 2)
}

func (l *numbers) String() string { return "Numbers" }

// samples are n drawn from -1 to 1.
func samples(n int, sample tensor.Shape) *tensor.Dense {
	random := philox.NewSource(philox.Stream{Seed: 5})
	shape := append(tensor.Shape{n}, sample...)
	x := make([]float32, device.Size(shape))
	for i := range x {
		x[i] = float32(random.Uniform(-1, 1))
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))
}

// lively gives statistics other values than those they begin with.
func lively(state []nn.Tensor) error {
	random := philox.NewSource(philox.Stream{Seed: 6})
	for _, s := range state {
		low := -0.5
		switch filepath.Ext(s.Name) {
		case ".running_var":
			low = 0.5
		case ".running_mean":
		default:
			continue
		}
		values := make([]float32, s.Tensor.Size())
		for i := range values {
			values[i] = float32(random.Uniform(low, low+1))
		}
		if err := s.Tensor.Device.Upload(s.Tensor, values); err != nil {
			return err
		}
	}
	return nil
}

// livelyFrom loads the weights of seed 1 with lively statistics.
func livelyFrom(t *testing.T, layer nn.Layer, sample tensor.Shape) func(state []nn.Tensor) error {
	net, err := nn.Build(open(t, "reference"), layer, sample, 1)
	require.NoError(t, err)
	t.Cleanup(net.Release)
	require.NoError(t, lively(net.State()))
	return From(net.State())
}

// recordings are what onnxruntime made of the exported pieces. scripts/record_onnxruntime.py writes them.
type recording struct {
	Graph  string    `json:"graph"` // fingerprint of the nodes
	Output []float64 `json:"output"`
}

// TestPieces exports small networks and holds their own outputs to onnxruntime's, as recorded, and to those of the file
// read back.
func TestPieces(t *testing.T) {
	folder := os.Getenv("FOVEA_ONNX_RECORD") // where the script wants the files
	recordings := map[string]recording{}
	if folder == "" {
		content, err := os.ReadFile("testdata/onnxruntime.json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, &recordings))
		require.Len(t, recordings, len(pieces))
	}
	for _, row := range pieces {
		t.Run(row.name, func(t *testing.T) {
			d := open(t, devicetest.Fast())
			x := samples(3, row.sample)
			path := filepath.Join(t.TempDir(), row.name+".onnx")
			if folder != "" {
				path = filepath.Join(folder, row.name+".onnx")
				require.NoError(t, data.WriteNpy(filepath.Join(folder, row.name+".npy"), x))
			}
			require.NoError(t, Export(path, row.layer(), row.sample, ExportOptions{Load: livelyFrom(t, row.layer(), row.sample), Name: row.name}))
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			if folder != "" {
				require.NoError(t, os.WriteFile(filepath.Join(folder, row.name+".txt"), []byte(fingerprint(t, content)), 0o666))
				return
			}
			own := logits(t, d, row.layer(), x, lively)
			want := recordings[row.name]
			require.Equal(t, want.Graph, fingerprint(t, content), "the graph is another than the one recorded: run scripts/record_onnxruntime.py")
			require.LessOrEqual(t, distance(t, own, want.Output), 1e-5, "%s from onnxruntime", row.name)
			m, err := Load(path)
			if row.once {
				require.ErrorContains(t, err, "operators that are not read")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.sample, m.Sample)
			require.LessOrEqual(t, distance(t, logits(t, d, m, x, nil), own), 2e-6, "%s from itself read back", row.name)
			fixed := filepath.Join(t.TempDir(), "fixed.onnx")
			require.NoError(t, Export(fixed, row.layer(), row.sample, ExportOptions{Load: livelyFrom(t, row.layer(), row.sample), Batch: 3}))
			m, err = Load(fixed)
			require.NoError(t, err)
			require.Equal(t, 3, m.program.inputs[0].shape[0])
			r := newRun(d, m.program)
			defer r.release()
			tape := autograd.NewTape(d)
			tape.NoGrad = true
			defer tape.Reset()
			results, err := r.compute(tape, map[string]operand{inputName: {value: tape.Input(x)}})
			require.NoError(t, err)
			values, err := results[0].value.Tensor().Floats()
			require.NoError(t, err)
			require.LessOrEqual(t, distance(t, values, own), 2e-6, "%s with a batch of 3 for good", row.name)
		})
	}
}

// fingerprint is of the nodes and the constants that say shapes, not of the weights.
func fingerprint(t *testing.T, content []byte) string {
	t.Helper()
	m := &onnxpb.ModelProto{}
	require.NoError(t, proto.Unmarshal(content, m))
	h := sha256.New()
	part := func(p proto.Message) {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
		require.NoError(t, err)
		fmt.Fprint(h, len(b), ":")
		h.Write(b)
	}
	for _, n := range m.Graph.Node {
		part(n)
	}
	for _, w := range m.Graph.Initializer {
		if w.GetDataType() == int32(onnxpb.TensorProto_FLOAT) {
			w.RawData = nil
		}
		part(w)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// TestExportRefuses what cannot be a graph, and leaves the file as it was.
func TestExportRefuses(t *testing.T) {
	layer := func(forward func(x *autograd.Value) *autograd.Value) nn.Layer { return &own{forward: forward} }
	for _, row := range []struct {
		name  string
		layer nn.Layer
		o     ExportOptions
		want  string
	}{
		{"depends on the batch", layer(func(x *autograd.Value) *autograd.Value {
			n := x.Shape()[0]
			return autograd.Concat(1, autograd.Slice(x, []int{0, 0, 0, 0}, []int{n, 1, n, 4}), autograd.Slice(x, []int{0, 0, 0, 0}, []int{n, 1, n, 4}))
		}), ExportOptions{}, "depends on the batch"},
		{"other nodes", layer(func(x *autograd.Value) *autograd.Value {
			for range x.Shape()[0] {
				x = autograd.ReLU(x)
			}
			return x
		}), ExportOptions{}, "computes other things"},
		{"reads numbers", layer(func(x *autograd.Value) *autograd.Value {
			if _, err := x.Dense(); err != nil {
				return x.Tape().Fail(err)
			}
			return x
		}), ExportOptions{}, "reads numbers"},
		{"loss", layer(func(x *autograd.Value) *autograd.Value { return autograd.SquaredError(x, x) }), ExportOptions{}, "evaluation mode"},
		{"nothing", layer(func(x *autograd.Value) *autograd.Value { return x }), ExportOptions{}, "computes nothing"},
		{"negative batch", nn.ReLU(), ExportOptions{Batch: -1}, "batch of -1"},
		{"no weights", nn.Conv(1, 1), ExportOptions{Load: From(nil)}, "tensor weight (1, 1, 1, 1) is not in the network"},
		{"no layer", nn.Linear(3), ExportOptions{}, "Flatten comes before"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "net.onnx")
			require.NoError(t, os.WriteFile(path, []byte("before"), 0o666))
			err := Export(path, row.layer, tensor.Shape{1, 4, 4}, row.o)
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "onnx "+path+": ")
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "before", string(content))
		})
	}
}

// TestExportRefusesLargeFiles with a limit that a small network passes.
func TestExportRefusesLargeFiles(t *testing.T) {
	defer func(before int64) { maxFile = before }(maxFile)
	path := filepath.Join(t.TempDir(), "net.onnx")
	for maxFile = 100; ; maxFile++ {
		err := Export(path, nn.Conv(2, 3), tensor.Shape{1, 4, 4}, ExportOptions{})
		if err == nil {
			break
		}
		require.Regexp(t, `\d+ bytes of weights and graph, expected at most \d+: the format's files end there`, err.Error())
		require.NoFileExists(t, path)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.InDelta(t, maxFile, info.Size(), 200, "the estimate is not above the file's size, nor far below")
	require.LessOrEqual(t, info.Size(), maxFile)
}

// own is a layer of a function.
type own struct {
	forward func(x *autograd.Value) *autograd.Value
}

func (l *own) Build(_ *nn.Builder, in tensor.Shape) (tensor.Shape, error) { return in, nil }
func (l *own) Forward(x *autograd.Value) *autograd.Value                  { return l.forward(x) }
func (l *own) String() string                                             { return "Own" }

package onnx

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/onnx/internal/onnxpb"
)

func open(t testing.TB, name string) device.Device {
	t.Helper()
	d, err := device.Open(name, device.Options{Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// logits builds a network and computes it in evaluation mode.
func logits(t testing.TB, d device.Device, layer nn.Layer, x *tensor.Dense, load func([]nn.Tensor) error) []float64 {
	t.Helper()
	net, err := nn.Build(d, layer, x.Shape()[1:], 1)
	require.NoError(t, err)
	defer net.Release()
	if load != nil {
		require.NoError(t, load(net.State()))
	}
	tape := autograd.NewTape(d)
	tape.NoGrad = true
	defer tape.Reset()
	input := tape.Input(x)
	y := net.Forward(input)
	require.NoError(t, tape.Err())
	_, err = input.Dense()
	require.NoError(t, err, "the input is the caller's")
	require.Equal(t, net.Output[1:], y.Shape()[1:])
	values, err := y.Tensor().Floats()
	require.NoError(t, err)
	return values
}

// distance is ||a - b|| / ||b||.
func distance(t testing.TB, a, b []float64) float64 {
	t.Helper()
	require.Len(t, a, len(b))
	off, norm := 0.0, 0.0
	for i := range a {
		off += (a[i] - b[i]) * (a[i] - b[i])
		norm += b[i] * b[i]
	}
	require.NotZero(t, norm)
	return math.Sqrt(off / norm)
}

// TestLight reads the networks of ONNX's model zoo that the package onnx ships with weights all alike, whose outputs are
// therefore all alike too: it is a test of reading.
func TestLight(t *testing.T) {
	root := os.Getenv(dataVariable)
	if root == "" {
		t.Skipf("%s is not set: expected the folder onnx/backend/test/data of the Python package onnx 1.19.1", dataVariable)
	}
	for _, name := range []string{"bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("networks for ImageNet: seconds, and a gigabyte")
			}
			m, err := Load(filepath.Join(root, "light", "light_"+name+".onnx"))
			require.NoError(t, err)
			x := make([]float32, device.Size(m.Sample)) // as the package's runner makes it
			for i := range x {
				x[i] = float32(i) / float32(len(x))
			}
			shape := append(tensor.Shape{1}, m.Sample...)
			got := logits(t, open(t, "cpu"), m, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x)), nil)
			content, err := os.ReadFile(filepath.Join(root, "light", "light_"+name+"_output_0.pb"))
			require.NoError(t, err)
			p := &onnxpb.TensorProto{}
			require.NoError(t, proto.Unmarshal(content, p))
			s, err := (*folder)(nil).check(p)
			require.NoError(t, err)
			want, err := s.read()
			require.NoError(t, err)
			wide := make([]float64, len(want.floats))
			for i, v := range want.floats {
				wide[i] = float64(v)
			}
			off := distance(t, got, wide)
			t.Logf("off by %.2g", off)
			require.LessOrEqual(t, off, 1e-5)
		})
	}
	for _, name := range []string{"vgg19", "zfnet512"} { // a few bytes that ask for 400 MB
		_, err := Load(filepath.Join(root, "light", "light_"+name+".onnx"))
		require.ErrorContains(t, err, "expected at most 67108864 elements")
	}
}

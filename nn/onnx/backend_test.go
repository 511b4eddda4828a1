package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn/onnx/internal/onnxpb"
)

// dataVariable names the folder backend/test/data of the Python package onnx, of a version that has node/ in it: 1.19.1.
const dataVariable = "FOVEA_ONNX_TEST_DATA"

// promised are the operators whose tests must pass.
var promised = strings.Fields(`Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization LRN Gemm MatMul Relu LeakyRelu
	Elu Sigmoid Tanh Softmax LogSoftmax Dropout Flatten Reshape Concat Add Mul Sub Div Pad Transpose Clip ReduceMean Identity Constant
	Squeeze Unsqueeze Slice Resize Split HardSigmoid HardSwish PRelu`)

// skipped are the tests that do not pass, by pattern of the name, each with its reason. One that would pass, and a pattern
// that fits none, fails the test.
var skipped = []struct{ pattern, reason string }{
	{`(pool|transpose)_3d|(Pool|Conv)3d`, "windows of three dimensions: devices have two"},
	{`pool_2d_dilations|MaxPool.d_stride_padding_dilation`, "dilated pooling: devices have none"},
	{`_with_argmax_`, "the places of the largest elements: networks that classify do not need them"},
	{`_dropout.*_mask`, "the mask as an output: a tape keeps it to itself"},
	{`training_dropout`, "drops at random, from a generator that is not Philox"},
	{`batchnorm_.*_training_mode`, "the statistics as outputs: in training they are the layer's own"},
	{`identity_(opt|sequence)`, "no tensor"},
	{`test_(edge|reflect|wrap)_pad`, "integers: devices compute real numbers"},
	{`maxpool_2d_uint8`, "integers: devices compute real numbers"},
	{`clip_default_int8_(inbounds|max|min)$`, "integers: devices compute real numbers"},
	{`_cubic`, "cubic interpolation"},
	{`_antialias`, "smoothing before the size is reduced"},
	{`tf_crop_and_resize`, "cuts out while it resizes"},
}

func TestBackend(t *testing.T) {
	root := os.Getenv(dataVariable)
	if root == "" {
		t.Skipf("%s is not set: expected the folder onnx/backend/test/data of the Python package onnx 1.19.1", dataVariable)
	}
	fits := make([]bool, len(skipped))
	passed := map[string]int{}
	for _, kind := range []string{"node", "simple", "pytorch-converted", "pytorch-operator"} {
		models, err := filepath.Glob(filepath.Join(root, kind, "test_*", "model.onnx"))
		require.NoError(t, err)
		require.NotEmpty(t, models, "%s has no %s", root, kind)
		for _, path := range models {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			model := &onnxpb.ModelProto{}
			require.NoError(t, proto.Unmarshal(content, model), path)
			if !slices.ContainsFunc(model.Graph.Node, func(n *onnxpb.NodeProto) bool { return slices.Contains(promised, n.GetOpType()) }) ||
				slices.ContainsFunc(model.Graph.Node, func(n *onnxpb.NodeProto) bool { return !slices.Contains(promised, n.GetOpType()) }) {
				continue
			}
			name := filepath.Base(filepath.Dir(path))
			reason := ""
			for i, s := range skipped {
				if regexp.MustCompile(s.pattern).MatchString(name) {
					reason, fits[i] = s.reason, true
				}
			}
			t.Run(kind+"/"+name, func(t *testing.T) {
				err := runBackend(t, filepath.Dir(path), content)
				switch {
				case reason != "" && err == nil:
					t.Errorf("passes, though it is to be skipped: %s", reason)
				case reason != "":
					t.Skipf("%s (%v)", reason, err)
				case err != nil:
					t.Error(err)
				default:
					for _, n := range model.Graph.Node {
						passed[n.GetOpType()]++
					}
				}
			})
		}
	}
	for i, s := range skipped {
		require.True(t, fits[i], "no test is called %s", s.pattern)
	}
	for _, op := range promised {
		require.NotZero(t, passed[op], "no test of %s passes", op)
	}
}

// runBackend computes the model on the inputs beside it, and compares with the outputs there.
func runBackend(t *testing.T, dir string, content []byte) error {
	from := &folder{path: dir, used: map[string]int64{}}
	model, parts, err := decode(inMemory(content), int64(len(content)))
	require.NoError(t, err)
	from.parts = parts
	p, err := compile(model, from)
	if err != nil {
		return err
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	require.NoError(t, err)
	require.NotEmpty(t, sets, dir)
	dev, err := device.Open(devicetest.Fast(), device.Options{Threads: 1, Deterministic: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	for _, set := range sets {
		if err := runSet(dev, p, from, set); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(set), err)
		}
	}
	return nil
}

func runSet(dev device.Device, p *program, from *folder, set string) error {
	tape := autograd.NewTape(dev)
	tape.NoGrad = true
	defer tape.Reset()
	r := newRun(dev, p)
	defer r.release()
	inputs := map[string]operand{}
	for i, in := range p.inputs {
		s, err := readTensor(from, filepath.Join(set, fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		a, err := s.read()
		if err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		inputs[in.name] = operand{array: a}
		if a.real() && a.size() > 0 { // where a number is wanted that no device needs to know, the array is read
			inputs[in.name] = operand{value: r.constant(tape, a), array: a}
		}
	}
	results, err := r.compute(tape, inputs)
	if err != nil {
		return err
	}
	for i, o := range results {
		s, err := readTensor(from, filepath.Join(set, fmt.Sprintf("output_%d.pb", i)))
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		want, err := s.read()
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		got, err := r.read(o)
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		if err := near(got, want); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

func readTensor(from *folder, path string) (*stored, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t := &onnxpb.TensorProto{}
	if err := proto.Unmarshal(content, t); err != nil {
		return nil, err
	}
	return from.check(t)
}

// near says where two arrays differ: the tolerances are those of the package's own runner.
func near(got, want *array) error {
	if !slices.Equal(got.shape, want.shape) {
		return fmt.Errorf("shape %v, expected %v", got.shape, want.shape)
	}
	if got.real() != want.real() {
		return fmt.Errorf("real numbers %t, expected %t", got.real(), want.real())
	}
	for i, w := range want.ints {
		if got.ints[i] != w {
			return fmt.Errorf("element %d of %v is %d, expected %d", i, want.shape, got.ints[i], w)
		}
	}
	g := got.values()
	for i, w := range want.floats {
		if off := float64(g[i]) - float64(w); !(max(off, -off) <= 1e-7+1e-3*max(float64(w), -float64(w))) && g[i] != w {
			return fmt.Errorf("element %d of %v is %v, expected %v", i, want.shape, g[i], w)
		}
	}
	return nil
}

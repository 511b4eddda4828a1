package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/nn"
	"fovea/nn/onnx"
)

func TestFindModel(t *testing.T) {
	dir := t.TempDir()
	export := func(name string, layer nn.Layer, sample ...int) string {
		path := filepath.Join(dir, name)
		require.NoError(t, onnx.Export(path, layer, sample, onnx.ExportOptions{}))
		return path
	}
	file := export("a net.ONNX", nn.Sequential(nn.Conv(2, 3), nn.Flatten(), nn.Linear(5)), 1, 6, 6)
	require.Equal(t, "a net", ModelName(file))
	require.Equal(t, "vgg16", ModelName("vgg16"))
	model, err := FindModel(file)
	require.NoError(t, err)
	require.Equal(t, file, model.Name)
	require.Equal(t, tensor.Shape{1, 6, 6}, model.Sample)
	require.Equal(t, 5, model.Classes)
	for _, outputs := range []int{5, 3, 5} { // a network of its own each time
		net, err := nn.Describe(model.New(outputs), model.Sample)
		require.NoError(t, err)
		require.Equal(t, tensor.Shape{1, outputs}, net.Output)
	}
	require.NoError(t, os.Remove(file))
	_, err = nn.Describe(model.New(5), model.Sample)
	require.ErrorContains(t, err, "no such file or directory")

	headless, err := FindModel(export("headless.onnx", nn.Sequential(nn.Conv(5, 3), nn.GlobalAvgPool(), nn.Flatten()), 1, 6, 6))
	require.NoError(t, err)
	_, err = nn.Describe(headless.New(5), headless.Sample)
	require.NoError(t, err)
	_, err = nn.Describe(headless.New(4), headless.Sample)
	require.ErrorContains(t, err, "4 outputs instead of 5: the last layer is no Gemm")

	_, err = FindModel(export("maps.onnx", nn.Conv(5, 3), 1, 6, 6))
	require.ErrorContains(t, err, "the output of a sample is [1 5 4 4], expected [1, outputs]")
	_, err = FindModel(export("vector.onnx", nn.Linear(5), 7))
	require.ErrorContains(t, err, "samples [7], expected [C, H, W]")
	_, err = FindModel("nlp")
	require.ErrorContains(t, err, `unknown model "nlp"`)
}

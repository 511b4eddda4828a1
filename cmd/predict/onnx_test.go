package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/nn"
	"fovea/nn/onnx"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// TestPredictsONNX: a file written from weights says of samples what the weights do; with its card, and as from elsewhere.
func TestPredictsONNX(t *testing.T) {
	card := weights.Card{Model: "cnn-small", Outputs: 4, Sample: tensor.Shape{1, 12, 12}, Scale: 0.5, ClassNames: []string{"left", "right", "up", "down"}}
	path, _ := save(t, &card, true, nil)
	silent, _ := save(t, &card, false, nil)
	text, err := json.Marshal(card)
	require.NoError(t, err)
	dir := t.TempDir()
	export := func(name string, layer nn.Layer, o onnx.ExportOptions) string {
		file := filepath.Join(dir, name)
		o.Load = func(state []nn.Tensor) error { return weights.Load(path, state) }
		require.NoError(t, onnx.Export(file, layer, card.Sample, o))
		return file
	}
	ours := export("ours.onnx", zoo.CNNSmall(4), onnx.ExportOptions{Metadata: map[string]string{onnx.CardKey: string(text)}})
	foreign := export("foreign.ONNX", zoo.CNNSmall(4), onnx.ExportOptions{})
	one := export("one.onnx", zoo.CNNSmall(4), onnx.ExportOptions{Batch: 1})
	// Networks from elsewhere often end in a softmax; what predict shows are probabilities of logits.
	probabilities := export("probabilities.onnx", nn.Sequential(nn.Named("", zoo.CNNSmall(4)), nn.Named("end", nn.Softmax())), onnx.ExportOptions{})
	x := make([]float32, 3*144)
	for i := range x {
		x[i] = float32(i%17)/8 - 1
	}
	batch, picture := npy(t, x, 3, 1, 12, 12), encode(t, "m.png", bar(1, 12))
	out := filepath.Join(dir, "logits.npy")
	want := func(of string, n int, args ...string) []float64 {
		programtest.Succeed(t, predict, append(args, "--logits", out, of)...)
		return logits(t, out, n, 4)
	}
	plain := []string{"--model", "cnn-small", "--weights", path}
	for _, row := range []struct {
		file  string
		of    string
		n     int
		scale []string
	}{
		{ours, batch, 3, nil},
		{ours, picture, 1, nil}, // with the scale of the card
		{foreign, batch, 3, nil},
		{foreign, picture, 1, []string{"--scale", "0.5"}},
		{one, picture, 1, []string{"--scale", "0.5"}},
		{probabilities, batch, 3, nil},
	} {
		require.InDeltaSlice(t, want(row.of, row.n, plain...), want(row.of, row.n, append(row.scale, "--model", row.file)...), 1e-5, "%s of %s", row.file, row.of)
	}
	require.Contains(t, programtest.Succeed(t, predict, "--model", ours, picture).Stdout, "left")
	require.InDeltaSlice(t, want(batch, 3, plain...), want(batch, 3, "--model", foreign, "--weights", silent), 1e-5, "the file's network with weights of its names")

	damaged := filepath.Join(dir, "damaged.onnx")
	content, err := os.ReadFile(ours)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(damaged, content[:len(content)/2], 0o666))
	uneven := export("uneven.onnx", zoo.CNNSmall(4), onnx.ExportOptions{Metadata: map[string]string{onnx.CardKey: `{"mean": [1, 2], "deviation": [1, 2]}`}})
	flat := export("flat.onnx", zoo.CNNSmall(4), onnx.ExportOptions{Metadata: map[string]string{onnx.CardKey: `{"scale": -1}`}})
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--model", "none.onnx", picture}, 1, "onnx none.onnx: no such file or directory"},
		{[]string{"--model", damaged, picture}, 1, "not a whole ONNX file"},
		{[]string{"--model", uneven, picture}, 1, "card says 2 means and 2 deviations, expected none or 1"},
		{[]string{"--model", flat, picture}, 1, "scale -1,"},
		{[]string{"--model", ours, "--classes", "5", picture}, 1, "4 classes, --classes says 5"},
		{[]string{"--model", foreign, "--classes", "5", picture}, 1, "4 classes, --classes says 5"},
	} {
		r := programtest.Run(predict, row.args...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Contains(t, r.Stderr, row.want, "%v", row.args)
		require.Empty(t, r.Stdout)
	}
}

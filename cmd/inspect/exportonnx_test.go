package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// trained writes weights of cnn-small for 12x12 pictures, with a card or without.
func trained(t *testing.T, card *weights.Card) string {
	t.Helper()
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	net, err := nn.Build(d, zoo.CNNSmall(4), tensor.Shape{1, 12, 12}, 9)
	require.NoError(t, err)
	defer net.Release()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, weights.Save(path, net.State(), card))
	return path
}

// TestExportONNX writes files and looks into them.
func TestExportONNX(t *testing.T) {
	card := &weights.Card{Model: "cnn-small", Outputs: 4, Sample: tensor.Shape{1, 12, 12}, Scale: 0.25, ClassNames: []string{"a", "b", "c", "d"}}
	described, silent := trained(t, card), trained(t, nil)
	for _, row := range []struct {
		name   string
		args   []string
		said   string   // of the export
		inside []string // of the file
	}{
		{"initial weights", []string{"--model", "cnn-small"}, "cnn-small, samples 1x28x28, 10 outputs, batch dynamic, initial weights of seed 1\n",
			[]string{`input    "input"      FLOAT [?, 1, 28, 28]`, `output   "output"     FLOAT [?, 10]`, `Conv     "0/Conv"     "input", "0.weight", "0.bias" -> "0/Conv"`,
				`Gemm     "7/Gemm"     "6/Relu", "7.weight", "7.bias" -> "output"`, "can be used"}},
		{"as large as one likes", []string{"--model", "cnn-small", "--input", "3x40x32", "--classes", "7", "--batch", "5", "--seed", "3"},
			"cnn-small, samples 3x40x32, 7 outputs, batch 5, initial weights of seed 3\n", []string{"FLOAT [5, 3, 40, 32]", "FLOAT [5, 7]"}},
		{"weights that say what they are", []string{"--weights", described}, "cnn-small, samples 1x12x12, 4 outputs, batch dynamic, weights of " + described + "\n",
			[]string{"FLOAT [?, 1, 12, 12]", "FLOAT [?, 4]"}},
		{"weights that do not", []string{"--weights", silent, "--model", "cnn-small", "--classes", "4", "--input", "1x12x12"},
			"cnn-small, samples 1x12x12, 4 outputs, batch dynamic, weights of " + silent + "\n", []string{"FLOAT [?, 4]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.onnx")
			r := programtest.Succeed(t, inspect, append([]string{"export-onnx", "-o", out}, row.args...)...)
			require.Equal(t, out+": "+row.said, r.Stdout)
			require.Empty(t, r.Stderr)
			listing := programtest.Succeed(t, inspect, "onnx", "--weights", out).Stdout
			for _, line := range row.inside {
				require.Contains(t, listing, line)
			}
			found, err := cli.ONNXCard(out)
			require.NoError(t, err)
			if row.name == "weights that say what they are" {
				want := *card
				want.Model = out
				require.Equal(t, &want, found)
			} else {
				require.Nil(t, found)
			}
			again := filepath.Join(t.TempDir(), "again.onnx") // a file is a network too
			programtest.Succeed(t, inspect, "export-onnx", "--model", out, "-o", again)
			require.Contains(t, programtest.Succeed(t, inspect, "onnx", again).Stdout, "can be used")
		})
	}
	require.Contains(t, programtest.Succeed(t, inspect, "export-onnx", "--model", "list").Stdout, "\nresnet50  ")
}

func TestExportONNXRefusals(t *testing.T) {
	described := trained(t, &weights.Card{Model: "cnn-small", Outputs: 4, Sample: tensor.Shape{1, 12, 12}})
	silent := trained(t, nil)
	text := filepath.Join(t.TempDir(), "text.onnx")
	require.NoError(t, os.WriteFile(text, []byte("not a model"), 0o666))
	const usage, failure = 2, 1
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", []string{"export-onnx"}, usage, "no network: expected --model, or --weights of train"},
		{"no file", []string{"export-onnx", "--model", "mlp"}, usage, "no file: expected -o FILE.onnx"},
		{"an argument", []string{"export-onnx", "--model", "mlp", "mlp.onnx"}, usage, `unexpected argument "mlp.onnx"`},
		{"no such network", []string{"export-onnx", "--model", "nlp", "-o", "x.onnx"}, usage, `--model: unknown model "nlp"`},
		{"input", []string{"export-onnx", "--model", "mlp", "--input", "28x28", "-o", "x.onnx"}, usage, `invalid value "28x28" for flag -input: expected CxHxW`},
		{"large input", []string{"export-onnx", "--model", "mlp", "--input", "1x28x100000", "-o", "x.onnx"}, usage, "each from 1 to 16384"},
		{"batch", []string{"export-onnx", "--model", "mlp", "--batch", "0", "-o", "x.onnx"}, usage, `--batch: "0", expected a number from 1, or dynamic`},
		{"classes", []string{"export-onnx", "--model", "mlp", "--classes", "-1", "-o", "x.onnx"}, usage, "--classes: -1, expected 1 to"},
		{"another network", []string{"export-onnx", "--model", "mlp", "--weights", described, "-o", "x.onnx"}, usage, `are of network "cnn-small", --model says "mlp"`},
		{"which network", []string{"export-onnx", "--weights", silent, "-o", "x.onnx"}, usage, "do not say of which network they are: expected --model"},
		{"other weights", []string{"export-onnx", "--model", "cnn-small", "--weights", silent, "-o", "x.onnx"}, failure, "wrong shape"},
		{"too small", []string{"export-onnx", "--model", "cnn-small", "--input", "1x3x3", "-o", "x.onnx"}, failure, "does not fit"},
		{"no such folder", []string{"export-onnx", "--model", "mlp", "-o", "none/x.onnx"}, failure, "no such file or directory"},
		{"no files", []string{"onnx"}, usage, "0 files, expected one"},
		{"not there", []string{"onnx", "none.onnx"}, failure, "onnx none.onnx: no such file or directory"},
		{"a folder", []string{"onnx", "."}, failure, "onnx .: not a regular file"},
		{"text", []string{"onnx", text}, failure, "not a whole ONNX file"},
		{"text as a network", []string{"export-onnx", "--model", text, "-o", "x.onnx"}, failure, "not a whole ONNX file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			r := programtest.Run(inspect, row.args...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.want)
			require.Empty(t, r.Stdout)
			require.NoFileExists(t, "x.onnx")
		})
	}
}

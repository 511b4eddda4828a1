package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
)

// PyTorch's own files: scripts/record_pth.py.
const torchFiles = "../../nn/weights/pth/testdata/"

// saved writes tensors of float32 and returns the path.
func saved(t *testing.T, card *weights.Card, tensors map[string][]float32) string {
	t.Helper()
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	var state []nn.Tensor
	for name, values := range tensors {
		x, err := device.FromSlice(d, tensor.Shape{len(values)}, values)
		require.NoError(t, err)
		defer x.Release()
		state = append(state, nn.Tensor{Name: name, Tensor: x})
	}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, weights.Save(path, state, card))
	return path
}

func TestWeightsLists(t *testing.T) {
	card := &weights.Card{Model: "mlp", Outputs: 2, Sample: tensor.Shape{1, 4, 4}}
	for _, row := range []struct{ file, want string }{
		{saved(t, card, map[string][]float32{"a.weight": {1, 2, 3}, "\x1b[31mred": {4}}),
			"\"\\x1b[31mred\"  F32  [1]  4 bytes\na.weight       F32  [3]  12 bytes\nsafetensors, 2 tensors, 16 bytes\nof network \"mlp\", samples [1 4 4], 2 outputs\n"},
		{torchFiles + "two.pth", ""},
	} {
		r := programtest.Run(inspect, "weights", row.file)
		if row.want == "" {
			require.Equal(t, 1, r.Code)
			require.Contains(t, r.Stderr, "not a whole PyTorch file: several dictionaries hold tensors")
			continue
		}
		require.Zero(t, r.Code, r.Stderr)
		require.Equal(t, row.want, r.Stdout)
	}
	r := programtest.Succeed(t, inspect, "weights", torchFiles+"zip.pth")
	require.Contains(t, r.Stdout, "channels_last           F32   [2 3 4 5]  480 bytes\n")
	require.Contains(t, r.Stdout, "bn.num_batches_tracked  I64   []         8 bytes\n")
	require.Contains(t, r.Stdout, "PyTorch, 18 tensors, ")
}

func TestWeightsDiff(t *testing.T) {
	first := saved(t, nil, map[string][]float32{"same": {1, 2}, "other": {3, 4, 0}, "shape": {1}, "gone": {1}})
	second := saved(t, nil, map[string][]float32{"same": {1, 2}, "other": {3, 4, 1}, "shape": {1, 2}, "new": {1}})
	r := programtest.Succeed(t, inspect, "weights", first, "--diff", second)
	require.Equal(t, "gone   in the first file alone\nother  off by 0.2, an element by at most 1; 1 of 3 differ\nshape  [1] in the first, [2] in the second\n"+
		"new    in the second file alone\n1 of 5 tensors are the same in both files\n", r.Stdout)
	r = programtest.Succeed(t, inspect, "weights", torchFiles+"stream.pth", "--diff", torchFiles+"want.safetensors")
	require.Equal(t, "bn.num_batches_tracked  I64 and I64 are not compared\nint                     I32 and I32 are not compared\nbyte                    U8 and U8 are not compared\n"+
		"15 of 18 tensors are the same in both files\n", r.Stdout)
}

func TestConvert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	r := programtest.Succeed(t, inspect, "convert", torchFiles+"checkpoint.pth", "-o", out)
	require.Equal(t, out+": 18 tensors of PyTorch\n", r.Stdout)
	r = programtest.Succeed(t, inspect, "weights", out, "--diff", torchFiles+"want.safetensors")
	require.Contains(t, r.Stdout, "15 of 18 tensors are the same in both files\n")
	require.Contains(t, r.Stdout, "bn.num_batches_tracked  in the second file alone\n")

	out = filepath.Join(t.TempDir(), "none.safetensors")
	r = programtest.Run(inspect, "convert", torchFiles+"zip.pth", "--model", "mlp", "-o", out)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "tensors do not match the network: missing 1.bias, 1.weight, 3.bias, 3.weight; not expected brain")
	require.NoFileExists(t, out)
}

func TestWeightsUsage(t *testing.T) {
	file := torchFiles + "zip.pth"
	page := filepath.Join(t.TempDir(), "page.pth")
	require.NoError(t, os.WriteFile(page, []byte("<html>"), 0o666))
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"weights"}, 2, "0 files, expected one"},
		{[]string{"weights", file, file}, 2, "2 files, expected one"},
		{[]string{"weights", page}, 1, "weights " + page + ": not a whole PyTorch file: neither a zip archive"},
		{[]string{"weights", file, "--diff", "none"}, 1, "weights none: no such file"},
		{[]string{"convert", file}, 2, "no file to write, expected -o"},
		{[]string{"convert", "-o", "x"}, 2, "0 files, expected one"},
		{[]string{"convert", file, "-o", "x", "--classes", "3"}, 2, "--classes: expected --model too"},
		{[]string{"convert", file, "-o", "x", "--model", "mlp", "--classes", "-3"}, 2, "--classes: -3, expected 1 to"},
		{[]string{"convert", file, "-o", "x", "--model", "vgg"}, 2, `--model: unknown model "vgg"`},
		{[]string{"convert", file, "-o", "/nowhere/x"}, 1, "weights /nowhere/x: "},
		{[]string{"convert", torchFiles + "system.pth", "-o", "x"}, 1, `it names "posix.system"`},
	} {
		r := programtest.Run(inspect, row.args...)
		require.Equal(t, row.code, r.Code, "%q: %s", row.args, r.Stderr)
		require.Contains(t, r.Stderr, row.want, "%q", row.args)
	}
	for _, name := range []string{"weights", "convert"} {
		r := programtest.Run(inspect, name, "--help")
		require.Zero(t, r.Code)
		require.Contains(t, r.Stdout, "Usage: inspect "+name)
	}
}

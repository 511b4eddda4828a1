package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
)

// A .pth of PyTorch's gives the logits that PyTorch computes with it: scripts/record_pth.py.
func TestWeightsOfPyTorch(t *testing.T) {
	const folder = "../../nn/weights/pth/testdata/"
	want := logits(t, folder+"cnn-large-logits.npy", 2, 10)
	for _, row := range []struct {
		device string
		bound  float64
	}{{"reference", 1e-12}, {"cpu", 1e-5}} {
		out := filepath.Join(t.TempDir(), "logits.npy")
		programtest.Succeed(t, predict, "--model", "cnn-large", "--weights", folder+"cnn-large.pth", "--device", row.device, "--logits", out, folder+"cnn-large-pictures.npy")
		require.InDeltaSlice(t, want, logits(t, out, 2, 10), row.bound, row.device)
	}
	for _, row := range []struct{ model, file, shown string }{
		{"mlp", "cnn-large.pth", "weights " + folder + "cnn-large.pth: tensors do not match the network: missing 1.bias, 1.weight; not expected 0.bias, 0.weight, 10.bias, 10.weight, 12.bias, 12.weight and 2 more; wrong shape 3.bias"},
		{"cnn-large", "system.pth", `it names "posix.system"`},
	} {
		r := programtest.Run(predict, "--model", row.model, "--weights", folder+row.file, folder+"cnn-large-pictures.npy")
		require.Equal(t, 1, r.Code, row.file)
		require.Contains(t, r.Stderr, row.shown, row.file)
	}
}

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/nn"
	"fovea/nn/onnx"
	"fovea/nn/weights"
)

// TestTrainsONNX trains the network of a file further, with its own number of classes and with another, and goes on from
// what came of it.
func TestTrainsONNX(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "bars net.onnx")
	layer := func() nn.Layer {
		return nn.Sequential(nn.Conv(4, 3, nn.NoBias()), nn.BatchNorm(), nn.ReLU(), nn.Flatten(), nn.Linear(8), nn.ReLU(), nn.Linear(4), nn.Softmax())
	}
	card, err := json.Marshal(weights.Card{Model: "own", Outputs: 4, Sample: tensor.Shape{1, 8, 8}})
	require.NoError(t, err)
	require.NoError(t, onnx.Export(file, layer(), tensor.Shape{1, 8, 8}, onnx.ExportOptions{Metadata: map[string]string{onnx.CardKey: string(card)}}))
	npz := programtest.BarsNPZ(t, 64, 8)
	for _, classes := range []int{4, 6} {
		out := filepath.Join(dir, strings.Repeat("i", classes))
		args := []string{"--data", "npz:" + npz, "--model", file, "--batch", "16", "--epochs", "12", "--lr", "0.01", "--log", "json", "--out", out}
		if classes != 4 {
			args = append(args, "--classes", "6")
		}
		r := programtest.Succeed(t, train, args...)
		all := lines(t, r.Stdout)
		require.Greater(t, all[len(all)-1]["test_accuracy"], 0.9, "%d classes", classes)
		path := filepath.Join(out, runs.WeightsFile)
		card, err := weights.ReadCard(path)
		require.NoError(t, err)
		require.Equal(t, file, card.Model)
		require.Equal(t, classes, card.Outputs)
		programtest.Succeed(t, train, append(args[:len(args):len(args)], "--weights", path, "--out", out+"-further", "--max-steps", "1")...)
	}
	r := programtest.Run(train, "--data", "npz:"+npz, "--model", filepath.Join(dir, "none.onnx"), "--out", filepath.Join(dir, "none"))
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "none.onnx: no such file or directory")
	require.NoDirExists(t, filepath.Join(dir, "none"))
}

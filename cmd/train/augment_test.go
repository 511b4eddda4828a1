package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// tamed are Bars with values of 0 to 1, as pictures have them.
func tamed(t *testing.T, n int) string {
	x, y := programtest.Bars(n, 8, 1)
	for i, v := range x {
		x[i] = min(max(v/2+0.2, 0), 1)
	}
	return "npz:" + programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{n, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{n}, Values: y},
		programtest.Array{Name: "x_test", Shape: []int{n, 1, 8, 8}, Values: x}, programtest.Array{Name: "y_test", Shape: []int{n}, Values: y})
}

// What is done to the samples to train on is said, kept with the run, and decides the weights; samples to test on stay as
// they are.
func TestAugment(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	set := tamed(t, 64)
	run := func(args ...string) (out, folder string, weights []byte) {
		folder = filepath.Join(t.TempDir(), "run")
		args = append([]string{"--data", set, "--model", "mlp", "--classes", "4", "--device", "cpu", "--epochs", "3", "--batch", "16", "--out", folder}, args...)
		out = programtest.Succeed(t, train, args...).Stdout
		weights, err := os.ReadFile(filepath.Join(folder, runs.WeightsFile))
		require.NoError(t, err)
		return out, folder, weights
	}
	plain, _, plainWeights := run()
	require.NotContains(t, plain, "Augmentation")
	seen := map[string]string{string(plainWeights): "plain"}
	for _, row := range []struct {
		args []string
		line string
	}{
		{[]string{"--augment", "crop:1,noise:0.02"}, "Augmentation: crop:1,noise:0.02\n"},
		{[]string{"--augment", "mnist"}, "Augmentation: translate:0.08,rotate:10\n"},
		{[]string{"--mixup", "0.2"}, "Augmentation: mixup:0.2\n"},
		{[]string{"--cutmix", "1"}, "Augmentation: cutmix:1\n"},
		{[]string{"--augment", "crop:1", "--mixup", "0.2", "--cutmix", "1"}, "Augmentation: crop:1, then mixup:0.2|cutmix:1\n"},
	} {
		out, folder, weights := run(row.args...)
		require.Contains(t, out, row.line)
		require.NotContains(t, seen, string(weights), "the same weights as with %v", seen[string(weights)])
		seen[string(weights)] = row.line
		_, _, again := run("--config", filepath.Join(folder, runs.ConfigFile), "--threads", "1")
		require.Equal(t, weights, again, "%v: config.yaml repeats the run", row.args)
	}
}

func TestAugmentRefusals(t *testing.T) {
	bars := "npz:" + programtest.BarsNPZ(t, 16, 8)
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--augment", "flop"}, 2, `--augment: augmentation "flop": unknown, expected affine, `},
		{[]string{"--augment", "flip:2"}, 2, `--augment: augmentation "flip:2": P is "2", expected a number from 0 to 1 (flip:P)`},
		{[]string{"--mixup", "-1"}, 2, "--mixup: -1, expected 0.001 to 1000, or 0 for none"},
		{[]string{"--cutmix", "NaN"}, 2, "--cutmix: NaN, expected 0.001 to 1000, or 0 for none"},
		{[]string{"--data", bars, "--augment", "flip"}, 1, `--augment: data "` + bars + `": sample 0 has a value `},
	} {
		r := programtest.Run(train, row.args...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Contains(t, r.Stderr, row.shown)
		require.Empty(t, r.Stdout)
	}
}

func TestAugmentList(t *testing.T) {
	r := programtest.Succeed(t, train, "--augment", "list")
	for _, text := range []string{"crop:PIXELS", "jitter:0.4/0.4/0.4/0.1", "cifar", "a preset"} {
		require.Contains(t, r.Stdout, text)
	}
}

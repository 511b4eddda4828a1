package main

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// What the flags of the course of a training ask for is refused before it begins where it cannot be.
func TestControlRefusals(t *testing.T) {
	bars := "npz:" + programtest.BarsNPZ(t, 16, 8)
	x, _ := programtest.Bars(8, 8, 1)
	targets := "npz:" + programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{8, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{8}, Values: make([]float32, 8)})
	for _, row := range []struct {
		args  []string
		shown string
	}{
		{[]string{"--schedule", "cyclic"}, `--schedule: schedule "cyclic": expected constant or one of step:EPOCHS,GAMMA, `},
		{[]string{"--schedule", "step:0"}, `--schedule: schedule "step:0": EPOCHS is 0, expected a whole number of at least 1`},
		{[]string{"--warmup", "soon"}, `--warmup: warm-up "soon": expected epochs such as 5`},
		{[]string{"--patience", "-1"}, `--patience: -1, expected at least 0`},
		{[]string{"--ema", "1"}, `--ema: 1, expected at least 0 and below 1`},
		{[]string{"--accumulate", "0"}, `--accumulate: 0, expected at least 1`},
		{[]string{"--accumulate", "4611686018427387904", "--batch", "200"}, `--accumulate: 4611686018427387904 batches of 200`},
		{[]string{"--overfit-batch", "--patience", "2"}, `--overfit-batch: it validates with nothing, expected neither`},
		{[]string{"--overfit-batch", "--schedule", "plateau"}, `--overfit-batch: it validates with nothing`},
		{[]string{"--label-smoothing", "1"}, `--label-smoothing: 1, expected at least 0 and below 1`},
		{[]string{"--clip-norm", "-1"}, `--clip-norm: -1, expected a finite number of at least 0`},
		{[]string{"--clip-norm", "NaN"}, `--clip-norm: NaN, expected a finite number`},
		{[]string{"--data", bars, "--patience", "3"}, `--patience: npz:.* has no samples to validate with, expected --val-fraction above 0`},
		{[]string{"--data", bars, "--schedule", "plateau"}, `--schedule plateau: npz:.* has no samples to validate with`},
		{[]string{"--data", targets, "--label-smoothing", "0.1", "--model", "mlp"}, `--label-smoothing: data .* has targets, not labels`},
	} {
		out := filepath.Join(t.TempDir(), "run")
		r := programtest.Run(train, append(row.args, "--out", out)...)
		require.Equal(t, 2, r.Code, "%v: %s", row.args, r.Stderr)
		require.Regexp(t, "^program: "+row.shown, r.Stderr)
		require.Empty(t, r.Stdout)
		require.NoDirExists(t, out)
	}
}

// The rate of each epoch is in the files, and on the screen.
func TestScheduleShown(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 16, 8), out, "--epochs", "4", "--lr", "0.01", "--schedule", "step:2,0.5", "--warmup", "3steps",
		"--label-smoothing", "0.1", "--clip-norm", "1")...)
	want := []float64{0.005, 0.01, 0.005, 0.005} // 2 updates an epoch: the first ends in the warm-up
	require.Regexp(t, `(?s)Epoch 1/4: .* lr 0.005, loss .*Epoch 2/4: .* lr 0.01, loss .*Epoch 4/4: .* lr 0.005, loss`, r.Stdout)
	table, err := csv.NewReader(bytes.NewReader(fileOf(t, out, runs.TableFile))).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, 5)
	require.Equal(t, "lr", table[0][2])
	all := lines(t, string(fileOf(t, out, runs.LinesFile)))
	for i, rate := range want {
		got, err := strconv.ParseFloat(table[i+1][2], 64)
		require.NoError(t, err)
		require.InEpsilon(t, rate, got, 1e-7)
		require.InEpsilon(t, rate, all[i]["lr"], 1e-12)
	}
}

// A rate so large that training does harm: the weights kept are the first epoch's, as one that ends after it writes them.
func TestPatience(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 64, 8), t.TempDir()
	args := []string{"--val-fraction", "0.25", "--optimizer", "sgd", "--lr", "0.5", "--momentum", "0.99", "--device", "cpu"}
	run := func(name string, more ...string) programtest.Result {
		return programtest.Succeed(t, train, short(npz, filepath.Join(dir, name), append(args, more...)...)...)
	}
	r := run("patient", "--epochs", "30", "--patience", "2")
	all := lines(t, string(fileOf(t, dir, "patient", runs.LinesFile)))
	done := all[len(all)-1]
	best := int(done["best_epoch"].(float64))
	require.Equal(t, true, done["stopped_early"])
	require.EqualValues(t, best+2, done["epochs"])
	for _, line := range all[:len(all)-1] {
		require.GreaterOrEqual(t, line["val_loss"], done["best_val_loss"])
	}
	require.Equal(t, all[best-1]["val_loss"], done["best_val_loss"])
	require.Regexp(t, `\nWeights kept: those of epoch \d+, whose validation loss [\d.]+ was the least; stopped early, after 2 epochs without a smaller one\nClass .*`, r.Stdout)
	run("best", "--epochs", strconv.Itoa(best))
	require.Equal(t, fileOf(t, dir, "best", runs.WeightsFile), fileOf(t, dir, "patient", runs.WeightsFile))
}

// Four batches of 2 make the updates of one of 8, but for rounding; so does a last one that is not whole.
func TestAccumulate(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 20, 8), t.TempDir()
	want := filepath.Join(dir, "whole")
	programtest.Succeed(t, train, short(npz, want, "--optimizer", "sgd", "--device", "cpu")...)
	got := filepath.Join(dir, "parts")
	r := programtest.Succeed(t, train, short(npz, got, "--optimizer", "sgd", "--device", "cpu", "--batch", "2", "--accumulate", "4")...)
	require.Contains(t, r.Stdout, "an epoch is 3 steps of 8\n")
	whole, parts := weightsOf(t, filepath.Join(want, runs.WeightsFile)), weightsOf(t, filepath.Join(got, runs.WeightsFile))
	for name := range whole {
		require.InDeltaSlice(t, whole[name], parts[name], 1e-5, name)
	}
}

// One batch is learnt by heart, whichever labels it has, and nothing else is looked at.
func TestOverfitBatch(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	x, y := programtest.Bars(40, 8, 1)
	for i := range y {
		y[i] = int64(i * i % 7) // nothing that the pictures tell
	}
	npz := programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{40, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{40}, Values: y})
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(npz, out, "--overfit-batch", "--lr", "0.003", "--accumulate", "2", "--epochs", "40", "--val-fraction", "0.2")...)
	require.Contains(t, r.Stdout, "16 samples to train on; an epoch is 1 steps of 16\n")
	require.Contains(t, r.Stdout, "No test set in --overfit-batch: nothing to measure at the end\n")
	all := lines(t, string(fileOf(t, out, runs.LinesFile)))
	last := all[39]
	require.EqualValues(t, 40, last["step"])
	require.EqualValues(t, 1, last["train_accuracy"])
	require.Less(t, last["train_loss"], 0.1)
	require.NotContains(t, last, "val_loss")
}

// The matrix of a test set that a network cannot know: its rows are the labels, its columns what they were taken for.
func TestConfusionFile(t *testing.T) {
	x, y := programtest.Bars(64, 8, 1)
	wrong := make([]int64, len(y))
	for i := range y {
		if wrong[i] = y[i]; i < 16 { // the first 16 are called by the name of the next class
			wrong[i] = (y[i] + 1) % 4
		}
	}
	npz := programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{64, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{64}, Values: y},
		programtest.Array{Name: "x_test", Shape: []int{64, 1, 8, 8}, Values: x}, programtest.Array{Name: "y_test", Shape: []int{64}, Values: wrong})
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(npz, out, "--epochs", "12", "--classes", "4")...)
	require.Contains(t, r.Stdout, "\nTest accuracy: 75.00% (64 samples")
	require.Contains(t, r.Stdout, "\n0           16      75.00    75.00\n")
	require.NotContains(t, r.Stdout, "top-5", "of 4 classes")
	require.Equal(t, "class,samples,precision,recall,0,1,2,3\n0,16,0.75,0.75,12,0,0,4\n1,16,0.75,0.75,4,12,0,0\n2,16,0.75,0.75,0,4,12,0\n3,16,0.75,0.75,0,0,4,12\n",
		string(fileOf(t, out, runs.MatrixFile)))
}

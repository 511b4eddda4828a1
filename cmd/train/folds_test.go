package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/device"
)

func foldTable(t *testing.T, out string) [][]string {
	t.Helper()
	table, err := csv.NewReader(bytes.NewReader(fileOf(t, out, foldsTable))).ReadAll()
	require.NoError(t, err)
	return table
}

// Each fold is a run of its own, and what they come to is in the table, on the screen and in the last JSON line.
func TestFolds(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	npz, dir := unevenNPZ(t), t.TempDir()
	args := []string{"--folds", "4", "--stratify", "--classes", "3", "--test-fraction", "0.25", "--class-weights", "balanced", "--epochs", "3", "--optimizer", "sgd", "--lr", "0.02"}
	out := filepath.Join(dir, "json")
	r := programtest.Succeed(t, train, short(npz, out, append(args, "--log", "json")...)...)
	all := lines(t, r.Stdout)
	require.Len(t, all, 4*(1+3+1)+1)
	result := all[len(all)-1]
	require.Equal(t, "folds", result["event"])
	require.Equal(t, out, result["run"])
	table := foldTable(t, out)
	require.Len(t, table, 1+4+2)
	columns := map[string][]float64{}
	for fold := range 4 {
		lines := all[5*fold : 5*fold+5]
		require.Equal(t, map[string]any{"event": "fold", "fold": float64(fold + 1), "folds": 4.0, "run": filepath.Join(out, "fold-"+strconv.Itoa(fold+1))}, lines[0])
		epochs, done := lines[1:4], lines[4]
		require.Equal(t, "done", done["event"])
		require.NotContains(t, done, "test_accuracy", "the test set is left alone")
		best := epochs[0]
		for _, e := range epochs {
			if e["val_loss"].(float64) < best["val_loss"].(float64) {
				best = e
			}
		}
		row := table[fold+1]
		require.Equal(t, []string{strconv.Itoa(fold + 1), "3", strconv.Itoa(int(best["epoch"].(float64)))}, row[:3])
		for i, want := range []any{best["val_loss"], best["val_accuracy"], epochs[2]["val_loss"], epochs[2]["val_accuracy"]} {
			got, err := strconv.ParseFloat(row[3+i], 64)
			require.NoError(t, err)
			require.InDelta(t, want, got, 1e-7)
			columns[table[0][3+i]] = append(columns[table[0][3+i]], want.(float64))
		}
		one := filepath.Join(out, "fold-"+strconv.Itoa(fold+1))
		require.FileExists(t, filepath.Join(one, runs.ConfigFile))
		require.FileExists(t, filepath.Join(one, runs.TableFile))
		require.NotEmpty(t, weightsOf(t, filepath.Join(one, runs.WeightsFile)))
	}
	for i, name := range table[0][3:] {
		mean, squares := 0.0, 0.0
		for _, v := range columns[name] {
			mean += v / 4
		}
		for _, v := range columns[name] {
			squares += (v - mean) * (v - mean)
		}
		for at, want := range map[string]float64{"mean": mean, "deviation": math.Sqrt(squares / 3)} {
			require.InDelta(t, want, result[at].(map[string]any)[name], 1e-12, "%s of %s", at, name)
		}
		got, err := strconv.ParseFloat(table[6][3+i], 64)
		require.NoError(t, err)
		require.InDelta(t, math.Sqrt(squares/3), got, 1e-7)
	}
	require.Equal(t, "mean", table[5][0])
	require.Equal(t, "deviation", table[6][0])

	text := programtest.Succeed(t, train, "--config", filepath.Join(out, runs.ConfigFile), "--out", filepath.Join(dir, "text"), "--log", "text")
	require.Regexp(t, `(?s)^Model: .*45 samples to train on, 15 to validate; an epoch is 6 steps of 8\nClass weights: 0.4545, 2.143, 3\nFold 1/4: .*fold-1\nEpoch 1/3: .*Fold 4/4: .*
Run folder: .*text \(4 folds\)
Fold       Best epoch  Validation loss  Accuracy
1 .*4 .*\nmean +0\.\d{4} +\d+\.\d\d%\ndeviation +0\.\d{4} +\d+\.\d\d%
The test set is left alone: folds choose settings, and it measures what was chosen\n$`, text.Stdout)
	require.Equal(t, table, foldTable(t, filepath.Join(dir, "text")), "the same folds, the same numbers")
	first := fileOf(t, out, "fold-1", runs.WeightsFile)
	require.NotEqual(t, first, fileOf(t, out, "fold-2", runs.WeightsFile))
	require.Equal(t, first, fileOf(t, dir, "text", "fold-1", runs.WeightsFile))

	again := programtest.Run(train, short(npz, out, args...)...)
	require.Equal(t, 1, again.Code)
	require.Contains(t, again.Stderr, "it holds a run already (config.yaml is there)")
}

// Without classes there is no accuracy.
func TestFoldsOfRegression(t *testing.T) {
	x, labels := programtest.Bars(16, 8, 1)
	y := make([]float32, len(labels))
	for i, label := range labels {
		y[i] = float32(label)
	}
	npz := programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{16, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{16}, Values: y})
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(npz, out, "--folds", "2")...)
	require.Regexp(t, `\nmean +\d+\.\d{4}\ndeviation +\d+\.\d{4}\n$`, r.Stdout)
	for _, row := range foldTable(t, out)[1:] {
		require.NotEmpty(t, row[3])
		require.Empty(t, row[4])
	}
}

// When the third fold begins, the device holds what it held for the first; an interrupt in it keeps the two that are done.
func TestFoldsInterrupted(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	s, err := parse(short(unevenNPZ(t), out, "--folds", "4", "--model", "cnn-small", "--input", "1x8x8", "--epochs", "1"), io.Discard)
	require.NoError(t, err)
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	sets, err := s.open(ctx, func(string) {})
	require.NoError(t, err)
	require.NoError(t, s.chooseClasses(sets))
	require.NoError(t, s.serving.open(ctx, func(string) {}))
	var live []int64
	show := &foldWatch{display: &jsonDisplay{io.Discard, io.Discard}}
	show.began = func(fold int) {
		if live = append(live, dev.Stats().LiveTensors); fold == 3 {
			cancel(cli.ErrInterrupted)
		}
	}
	err = s.crossValidate(ctx, dev, "", sets, show)
	require.ErrorIs(t, err, cli.ErrInterrupted)
	require.Regexp(t, "^fold 3: .*interrupted", err.Error())
	require.Len(t, live, 3)
	require.Equal(t, []int64{live[0], live[0], live[0]}, live)
	require.Zero(t, dev.Stats().LiveTensors)
	require.NoError(t, dev.Close())
	require.Len(t, foldTable(t, out), 3, "two folds, and no mean")
	for _, fold := range []string{"fold-1", "fold-2"} {
		require.NotEmpty(t, weightsOf(t, filepath.Join(out, fold, runs.WeightsFile)))
	}
	_, err = os.Stat(filepath.Join(out, "fold-4"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// foldWatch is told when a fold begins, its network having been made.
type foldWatch struct {
	display
	began func(fold int)
}

func (d *foldWatch) result(line any, text string) error {
	if start, is := line.(foldStart); is {
		d.began(start.Fold)
	}
	return d.display.result(line, text)
}

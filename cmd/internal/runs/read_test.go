package runs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
)

// saved makes a run folder of files by their names.
func saved(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}
	return dir
}

const (
	first  = `{"event":"epoch","epoch":1,"step":6,"lr":0.001,"train_loss":1.5,"train_accuracy":0.25,"val_loss":1.25,"val_accuracy":0.5,"images_per_second":100,"seconds":2}` + "\n"
	second = `{"event":"epoch","epoch":2,"step":12,"lr":0.001,"train_loss":1,"images_per_second":100,"seconds":2}` + "\n"
	ended  = `{"event":"done","test_accuracy":0.75,"epochs":2,"steps":12,"seconds":5,"run":"r"}` + "\n"
)

func TestRead(t *testing.T) {
	quarter, half, loss := 0.25, 0.5, 1.25
	epochs := []Epoch{{Event: "epoch", Epoch: 1, Step: 6, Rate: 0.001, TrainLoss: 1.5, TrainAcc: &quarter, ValLoss: &loss, ValAcc: &half, ImagesPerS: 100, Seconds: 2},
		{Event: "epoch", Epoch: 2, Step: 12, Rate: 0.001, TrainLoss: 1, ImagesPerS: 100, Seconds: 2}}
	accuracy := 0.75
	done := &Done{Event: "done", TestAcc: &accuracy, Epochs: 2, Steps: 12, Seconds: 5, Run: "r"}
	for _, row := range []struct {
		name, lines string
		epochs      []Epoch
		done        *Done
	}{
		{"nothing yet", "", nil, nil},
		{"an epoch", first, epochs[:1], nil},
		{"all", first + second + ended, epochs, done},
		{"resumed after its end", first + ended + second, epochs, nil},
		{"events of later versions", `{"event":"folds","epoch":"x"}` + "\n" + first, epochs[:1], nil},
		{"no line end", first + strings.TrimSuffix(second, "\n"), epochs, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := saved(t, map[string]string{ConfigFile: "model: mlp\nepochs: 2\n", LinesFile: row.lines})
			r, err := Read(dir)
			require.NoError(t, err)
			require.Equal(t, &Run{Dir: dir, Config: map[string]any{"model": "mlp", "epochs": 2}, Epochs: row.epochs, Done: row.done}, r)
		})
	}
	r, err := Read(saved(t, map[string]string{ConfigFile: "model: mlp\n"}))
	require.NoError(t, err)
	require.Empty(t, r.Epochs, "before the end of the first epoch")
}

// Whatever is wrong with a run folder, one error names the file, and the line where there is one.
func TestReadRefuses(t *testing.T) {
	for _, row := range []struct{ name, config, lines, shown string }{
		{"settings", "model: [\n", first, "config.yaml: yaml: "},
		{"endless settings", "#" + strings.Repeat(" ", maxSettings), first, "config.yaml: longer than 1048576 bytes"},
		{"cut", "model: mlp\n", first + second[:40], "metrics.jsonl: line 2: damaged: unexpected end of JSON input"},
		{"empty line", "model: mlp\n", first + "\n" + second, "metrics.jsonl: line 2: damaged: "},
		{"no event", "model: mlp\n", "{}\n", `metrics.jsonl: line 1: no "event", expected "epoch" or "done"`},
		{"no object", "model: mlp\n", first + "[1]\n", "metrics.jsonl: line 2: damaged: "},
		{"text for a number", "model: mlp\n", strings.Replace(first, "1.5", `"x"`, 1), "metrics.jsonl: line 1: damaged: "},
		{"number out of range", "model: mlp\n", strings.Replace(first, "1.5", "1e999", 1), "metrics.jsonl: line 1: damaged: "},
		{"twice", "model: mlp\n", first + first, "metrics.jsonl: line 2: epoch 1 with step 6 after epoch 1 with step 6, expected later ones"},
		{"backwards", "model: mlp\n", strings.Replace(second, "12", "14", 1) + strings.Replace(second, ":2,", ":3,", 1), "line 2: epoch 3 with step 12 after epoch 2 with step 14"},
		{"below 1", "model: mlp\n", strings.Replace(first, `"epoch":1`, `"epoch":0`, 1), "line 1: epoch 0"},
		{"long line", "model: mlp\n", first + "{" + strings.Repeat(" ", maxLine), "metrics.jsonl: line 2: longer than 65536 bytes"},
		{"endless", "model: mlp\n", strings.Repeat(`{"event":"x`+strings.Repeat("x", 4080)+`"}`+"\n", maxMetrics/4094+1), "metrics.jsonl: longer than 67108864 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := saved(t, map[string]string{ConfigFile: row.config, LinesFile: row.lines})
			_, err := Read(dir)
			require.ErrorContains(t, err, dir)
			require.ErrorContains(t, err, row.shown)
			require.Less(t, len(err.Error()), 1000)
			var usage *cli.UsageError
			require.False(t, errors.As(err, &usage), "%v", err)
		})
	}
}

func TestReadNoRun(t *testing.T) {
	dir := saved(t, map[string]string{"file": ""})
	for _, row := range []struct{ path, shown string }{
		{dir, "no config.yaml in it, expected a run folder of train"},
		{filepath.Join(dir, "file"), "no config.yaml in it, expected a run folder of train"},
		{filepath.Join(dir, "none"), "no such file or directory, expected a run folder of train"},
		{filepath.Join(dir, "file", "x"), "not a directory, expected a run folder of train"},
	} {
		_, err := Read(row.path)
		require.EqualError(t, err, row.path+": "+row.shown)
	}
}

func FuzzReadLines(f *testing.F) {
	for _, text := range []string{"", first, first + second + ended, first[:50], `{"event":"folds"}`, "{}\n{}", "[[[[", `{"event":"epoch","epoch":1e2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r := &Run{}
		if err := r.readLines(bytes.NewReader(content)); err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		for i, e := range r.Epochs {
			require.Positive(t, e.Epoch)
			require.True(t, i == 0 || r.Epochs[i-1].Epoch < e.Epoch)
		}
	})
}

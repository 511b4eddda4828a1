package livetest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

// Training is one of a small network on bars of four classes, with a recorder and a run folder.
type Training struct {
	*fit.Trainer
	Recorder *live.Recorder
	Dir      string
	Lines    []runs.Epoch // of metrics.jsonl

	t testing.TB
}

// Classes are the usual names of the four.
var Classes = []string{"left", "middle left", "middle right", "right"}

// NewTraining makes one of some epochs of eight steps. With a nil board nothing is recorded.
func NewTraining(t testing.TB, board *live.Board, dir string, epochs int, classes []string) *Training {
	t.Helper()
	dev, err := device.Open("cpu", device.Options{Threads: 1, Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	layers := nn.Sequential(nn.Conv(6, 3), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(len(classes)))
	net, err := nn.Build(dev, layers, []int{1, 8, 8}, 1)
	require.NoError(t, err)
	t.Cleanup(net.Release)
	config, err := optim.Defaults("adam")
	require.NoError(t, err)
	config.Rate = 0.01
	optimizer, err := optim.New(dev, config, net.Parameters)
	require.NoError(t, err)
	t.Cleanup(optimizer.Release)
	run := &Training{t: t, Dir: dir, Trainer: &fit.Trainer{Network: net, Optimizer: optimizer, Epochs: epochs, Seed: 1,
		Train: &data.Loader{Set: bars(t, 64, 1, classes), Batch: 8, Shuffle: true, Seed: 1}, Validation: bars(t, 16, 2, classes)}}
	require.NoError(t, os.MkdirAll(dir, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, runs.ConfigFile), []byte("model: bars\n"), 0o666))
	if board != nil {
		run.Recorder, err = live.NewRecorder(t.Context(), board, live.Subject{Dir: dir, Model: "bars", Facts: []string{"Device: cpu"}, Network: net,
			Samples: run.Validation, Epochs: epochs, EpochSteps: run.Train.Steps()})
		require.NoError(t, err)
		run.OnStep = run.Recorder.Step
		run.OnEpoch = run.epoch
	}
	return run
}

func bars(t testing.TB, n int, seed uint64, classes []string) *data.Memory {
	x, y := programtest.Bars(n, 8, seed)
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(y[i])
	}
	set, err := data.NewMemory(data.Info{Name: "bars", Sample: []int{1, 8, 8}, Classes: len(classes), ClassNames: classes}, x, labels, nil)
	require.NoError(t, err)
	return set
}

func (run *Training) epoch(e fit.Epoch) error {
	run.Lines = append(run.Lines, runs.NewEpoch(e))
	var text bytes.Buffer
	for _, line := range run.Lines {
		require.NoError(run.t, json.NewEncoder(&text).Encode(line))
	}
	require.NoError(run.t, os.WriteFile(filepath.Join(run.Dir, runs.LinesFile), text.Bytes(), 0o666))
	return run.Recorder.Epoch(run.Lines[len(run.Lines)-1])
}

// Finish trains to the end.
func (run *Training) Finish() *Training {
	run.t.Helper()
	require.NoError(run.t, run.Recorder.End(run.Run(run.t.Context())))
	return run
}

// Line is what metrics.jsonl says of an epoch, with numbers that mean nothing.
func Line(epoch, step int) runs.Epoch {
	return runs.Epoch{Event: "epoch", Epoch: epoch, Step: step, Rate: 0.1, TrainLoss: 1 / float64(epoch), ImagesPerS: 100, Seconds: 1}
}

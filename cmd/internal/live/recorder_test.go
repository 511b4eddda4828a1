package live_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/live"
	"fovea/cmd/internal/live/livetest"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
)

// file is what a live.jsonl holds.
type file struct {
	start   live.Start
	steps   []live.Step
	details []live.Detail
	end     *live.End
}

func read(t *testing.T, dir string) (f file) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, live.File))
	require.NoError(t, err)
	for line := range bytes.Lines(content) {
		var kind struct{ Event string }
		require.NoError(t, json.Unmarshal(line, &kind))
		switch kind.Event {
		case "start":
			require.NoError(t, json.Unmarshal(line, &f.start))
		case "step":
			f.steps = append(f.steps, live.Step{})
			require.NoError(t, json.Unmarshal(line, &f.steps[len(f.steps)-1]))
		case "detail":
			f.details = append(f.details, live.Detail{})
			require.NoError(t, json.Unmarshal(line, &f.details[len(f.details)-1]))
		case "end":
			require.NoError(t, json.Unmarshal(line, &f.end))
		default:
			t.Fatalf("event %q", kind.Event)
		}
	}
	return f
}

func state(t *testing.T, net *nn.Network) [][]float64 {
	t.Helper()
	var all [][]float64
	for _, s := range net.State() {
		values, err := s.Tensor.Floats()
		require.NoError(t, err)
		all = append(all, values)
	}
	return all
}

// A training whose recorder looks at it ends with the bits of one that nobody watches.
func TestRecorderChangesNothing(t *testing.T) {
	alone := livetest.NewTraining(t, nil, t.TempDir(), 4, livetest.Classes)
	require.NoError(t, alone.Run(t.Context()))
	watched := livetest.NewTraining(t, live.NewBoard(), t.TempDir(), 4, livetest.Classes).Finish()
	require.Equal(t, state(t, alone.Network), state(t, watched.Network))
}

// The file says what the trainer told, and what the network really holds and answers.
func TestRecorderTellsTheTruth(t *testing.T) {
	run := livetest.NewTraining(t, live.NewBoard(), t.TempDir(), 3, livetest.Classes).Finish()
	f := read(t, run.Dir)
	require.Equal(t, []any{1, "bars", 3, 8, 24}, []any{f.start.Format, f.start.Model, f.start.Epochs, f.start.EpochSteps, f.start.Steps})
	require.Equal(t, []string{"0.weight", "6.weight"}, f.start.Parameters)
	require.Len(t, f.start.Layers, 7)
	require.Equal(t, live.Layer{Name: "0", Kind: "Conv2D", Output: []int{6, 6, 6}, Parameters: 60, MultiplyAdds: 6 * 36 * 9}, f.start.Layers[0])
	require.Equal(t, live.Done, f.end.State)

	for i, line := range run.Lines {
		samples, loss, right := 0, 0.0, 0.0
		for _, s := range f.steps {
			if s.Epoch > float64(i) && s.Epoch <= float64(i+1) {
				samples += s.Samples
				loss += s.Loss * float64(s.Samples)
				right += *s.Accuracy * float64(s.Samples)
			}
		}
		require.Equal(t, 64, samples, "epoch %d", line.Epoch)
		require.InDelta(t, line.TrainLoss, loss/64, 1e-9)
		require.InDelta(t, *line.TrainAcc, right/64, 1e-9)
	}
	last := f.steps[len(f.steps)-1]
	require.Equal(t, []any{24, 3.0, 0.01}, []any{last.Step, last.Epoch, last.Rate})
	require.Positive(t, last.DeviceBytes)

	require.Equal(t, 1, f.details[0].Epoch)
	d := f.details[len(f.details)-1]
	require.Equal(t, []int{3, 24}, []int{d.Epoch, d.Step})
	for i, p := range []int{0, 4} {
		value := run.Network.Parameters[p]
		for name, pair := range map[string]struct {
			t *device.Tensor
			h *live.Histogram
		}{"weights": {value.Tensor(), d.Weights[i]}, "gradients": {value.Grad(), d.Gradients[i]}} {
			values, err := pair.t.Floats()
			require.NoError(t, err)
			sum, low, high, n := 0.0, values[0], values[0], 0
			for _, v := range values {
				sum, low, high = sum+v, min(low, v), max(high, v)
			}
			for _, count := range pair.h.Counts {
				n += count
			}
			require.Equal(t, len(values), n, name)
			require.InDelta(t, sum/float64(len(values)), pair.h.Mean, 1e-9, name)
			require.Equal(t, []float64{low, high}, []float64{pair.h.Low, pair.h.High}, name)
		}
	}
	require.Equal(t, []int{6, 3, 3, 1, 54}, []int{d.Filters.Of, d.Filters.Width, d.Filters.Height, d.Filters.Channels, len(d.Filters.Pixels)})

	// The samples are every fourth of three of the validation set's sixteen.
	require.Len(t, f.start.Samples, 12)
	asked := 0
	_, err := fit.EvaluateEach(t.Context(), run.Network, &data.Loader{Set: run.Validation, Batch: 16}, func(outputs []float64, labels []int32) {
		for k, one := range f.start.Samples {
			i := k * 16 / 12
			require.Equal(t, livetest.Classes[labels[i]], one.Label)
			picture, err := png.Decode(bytes.NewReader(one.Picture))
			require.NoError(t, err)
			require.Equal(t, 8, picture.Bounds().Dx())
			shares := network.Softmax(outputs[i*4 : i*4+4])
			before := 1.0
			for _, g := range d.Predictions[k].Guesses {
				require.InDelta(t, shares[indexOf(g.Class)], g.Share, 1e-5)
				require.LessOrEqual(t, g.Share, before)
				before = g.Share
			}
			require.Len(t, d.Predictions[k].Guesses, 4)
			asked++
		}
	})
	require.NoError(t, err)
	require.Equal(t, 12, asked)
}

func indexOf(class string) int {
	for i, name := range livetest.Classes {
		if name == class {
			return i
		}
	}
	return -1
}

// How a training ended is in the file, whatever it was, and the error comes back as it was.
func TestRecorderEnds(t *testing.T) {
	for state, err := range map[string]error{
		live.Done:        nil,
		live.Interrupted: fmt.Errorf("%w; the weights are in x", cli.ErrInterrupted),
		live.Diverged:    fmt.Errorf("%w; the weights are in x", &fit.DivergedError{Op: "loss"}),
		live.Failed:      errors.New("no space left"),
	} {
		run := livetest.NewTraining(t, live.NewBoard(), t.TempDir(), 1, livetest.Classes)
		require.Equal(t, err, run.Recorder.End(err))
		f := read(t, run.Dir)
		require.Equal(t, state, f.end.State)
		if err != nil {
			require.Equal(t, err.Error(), f.end.Message)
		}
	}
}

// A file that cannot be written is an error that names it, unless there was one before.
func TestRecorderCannotWrite(t *testing.T) {
	run := livetest.NewTraining(t, live.NewBoard(), t.TempDir(), 1, livetest.Classes)
	require.NoError(t, os.MkdirAll(filepath.Join(run.Dir, live.File, "in the way"), 0o777))
	require.ErrorContains(t, run.Run(t.Context()), filepath.Join(run.Dir, live.File))
	require.ErrorContains(t, run.Recorder.End(nil), filepath.Join(run.Dir, live.File))
	failure := errors.New("failure")
	require.Equal(t, failure, run.Recorder.End(failure))
	left, err := filepath.Glob(filepath.Join(run.Dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// In the folder of a training that was stopped, what it did stays, and is there once.
func TestRecorderGoesOn(t *testing.T) {
	dir := t.TempDir()
	first := livetest.NewTraining(t, live.NewBoard(), dir, 4, livetest.Classes)
	first.Epochs = 2
	require.Error(t, first.Recorder.End(errors.Join(first.Run(t.Context()), cli.ErrInterrupted)))
	before := read(t, dir)
	require.Equal(t, live.Interrupted, before.end.State)

	again := livetest.NewTraining(t, live.NewBoard(), dir, 4, livetest.Classes)
	onStep, onEpoch := again.OnStep, again.OnEpoch
	again.OnStep = func(p fit.Progress) {
		if p.Epoch >= 2 { // as if it had been resumed after the first epoch
			onStep(p)
		}
	}
	again.OnEpoch = func(e fit.Epoch) error {
		if e.Epoch == 1 {
			return nil
		}
		return onEpoch(e)
	}
	again.Finish()
	after := read(t, dir)
	require.Equal(t, live.Done, after.end.State)
	steps := map[int]bool{}
	for _, s := range after.steps {
		require.False(t, steps[s.Step], "step %d twice", s.Step)
		steps[s.Step] = true
	}
	require.Equal(t, before.steps[0], after.steps[0])
	require.Equal(t, 32, after.steps[len(after.steps)-1].Step)
	require.Equal(t, before.details[0], after.details[0])
	require.Equal(t, 4, after.details[len(after.details)-1].Epoch)
}

// An epoch that was cut and goes on counts each sample once.
func TestRecorderGoesOnWithinAnEpoch(t *testing.T) {
	dir := t.TempDir()
	progress := func(step int) fit.Progress {
		n := 8 * step
		return fit.Progress{Epoch: 1, Epochs: 4, Step: step, Steps: 8, Train: fit.Metrics{Samples: n, Loss: 1 + float64(step), Accuracy: 0.5}, Rate: 0.1, Elapsed: time.Duration(step) * time.Second}
	}
	first := livetest.NewTraining(t, live.NewBoard(), dir, 4, livetest.Classes)
	for step := 1; step <= 5; step++ {
		first.Recorder.Step(progress(step))
	}
	require.NoError(t, first.Recorder.End(nil))
	again := livetest.NewTraining(t, live.NewBoard(), dir, 4, livetest.Classes)
	for step := 4; step <= 8; step++ { // the checkpoint was made after the third
		again.Recorder.Step(progress(step))
	}
	require.NoError(t, again.Recorder.End(nil))
	f := read(t, dir)
	require.Len(t, f.steps, 8)
	sum := 0.0
	for i, s := range f.steps {
		require.Equal(t, i+1, s.Step)
		require.Equal(t, 8, s.Samples)
		require.InDelta(t, 8, s.ImagesPerS, 1e-6)
		sum += s.Loss * 8
	}
	require.InDelta(t, 64*9, sum, 1e-6)
}

// targets is a regression's set of pictures, which cannot all be read.
type targets struct{ data.Set }

func (s targets) Read(i int, x []float32) error {
	if i == 5 {
		return errors.New("damaged")
	}
	return s.Set.Read(i, x)
}

// A network without a convolution, of a regression, with a frozen layer, on samples one of which is damaged.
func TestRecorderOfAnotherKind(t *testing.T) {
	dev, err := device.Open("reference", device.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	net, err := nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(3), nn.Linear(2)), []int{2, 1, 3}, 1)
	require.NoError(t, err)
	defer net.Release()
	net.Parameters[0].Frozen = true
	x, y := make([]float32, 7*6), make([]float32, 7*2)
	for i := range y {
		y[i] = float32(i) / 2
	}
	set, err := data.NewMemory(data.Info{Name: "r", Sample: []int{2, 1, 3}, Targets: 2}, x, nil, y)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yaml"), nil, 0o666))
	r, err := live.NewRecorder(t.Context(), live.NewBoard(), live.Subject{Dir: dir, Network: net, Samples: targets{set}, Epochs: 1, EpochSteps: 1})
	require.NoError(t, err)
	require.NoError(t, r.Epoch(livetest.Line(1, 1)))
	require.NoError(t, r.End(nil))
	f := read(t, dir)
	require.Len(t, f.start.Samples, 6)
	require.Equal(t, []float64{6, 6.5}, f.start.Samples[5].Targets)
	d := f.details[0]
	require.Nil(t, d.Filters)
	require.Equal(t, []*live.Histogram{nil, nil}, d.Gradients)
	require.Len(t, d.Weights, 2)
	require.Len(t, d.Predictions[0].Outputs, 2)
	require.Empty(t, d.Predictions[0].Guesses)
}

// Of a large matrix some rows are counted.
func TestLargeMatrix(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	net, err := nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(1000)), []int{1, 1, 1000}, 1)
	require.NoError(t, err)
	defer net.Release()
	set, err := data.NewMemory(data.Info{Name: "wide", Sample: []int{1, 1, 1000}, Classes: 1000}, make([]float32, 1000), []int32{0}, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	r, err := live.NewRecorder(t.Context(), live.NewBoard(), live.Subject{Dir: dir, Network: net, Samples: set, Epochs: 1, EpochSteps: 1})
	require.NoError(t, err)
	require.NoError(t, r.Epoch(livetest.Line(1, 1)))
	n := 0
	for _, count := range read(t, dir).details[0].Weights[0].Counts {
		n += count
	}
	require.Equal(t, 262*1000, n)
}

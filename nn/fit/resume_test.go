package fit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/data/augment"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/schedule"
	"fovea/nn/weights"
)

// held is a state whose tensors are in memory of their own, so that it outlives the call that gave it.
func held(t *testing.T, s *fit.State) *fit.State {
	t.Helper()
	kept := *s
	for _, part := range []*[]weights.Stored{&kept.Weights, &kept.Optimizer, &kept.Average, &kept.BestWeights} {
		*part = slices.Clone(*part)
		for i, each := range *part {
			values, err := each.Read()
			require.NoError(t, err)
			switch v := values.(type) {
			case []float32:
				values = slices.Clone(v)
			case []float64:
				values = slices.Clone(v)
			}
			(*part)[i].Read = func() (any, error) { return values, nil }
		}
	}
	return &kept
}

// told is an epoch as OnEpoch was told of it, but for the time it took.
func told(e fit.Epoch) string {
	e.Elapsed = 0
	validation := fmt.Sprint(e.Validation)
	e.Validation = nil
	return fmt.Sprintf("%+v %s", e, validation)
}

// story is all that a training tells and leaves.
type story struct {
	epochs []string
	states []*fit.State
	losses []float64
	best   string
	state  map[string][]float64
	memory map[string][]float64 // the optimiser's
}

// follow trains, and notes.
func follow(t *testing.T, ctx context.Context, tr *fit.Trainer) (*story, error) {
	t.Helper()
	s := &story{}
	tr.OnEpoch = func(e fit.Epoch) error { s.epochs = append(s.epochs, told(e)); return nil }
	also := tr.OnCheckpoint
	tr.OnCheckpoint = func(state *fit.State) error {
		s.states = append(s.states, held(t, state))
		if also != nil {
			return also(state)
		}
		return nil
	}
	err := tr.Run(ctx)
	s.losses, s.state, s.memory = tr.Losses, values(t, tr.Network), map[string][]float64{}
	if tr.Best != nil {
		s.best = told(*tr.Best)
	}
	for _, each := range tr.Optimizer.State() {
		v, err := each.Tensor.Floats()
		require.NoError(t, err)
		s.memory[each.Name] = v
	}
	return s, err
}

// courses are trainings with each kind of state that there is.
func courses(t *testing.T) map[string]func(dev string) *fit.Trainer {
	course := func(name string, rate float64, change func(*fit.Trainer)) func(dev string) *fit.Trainer {
		return func(dev string) *fit.Trainer {
			config := method(t, name, rate)
			if name == "rmsprop" {
				config.Momentum = 0.9
			}
			tr := newTrainer(t, dev, everything(), corners(t, 28), config) // the last batch is smaller
			tr.Epochs = 3
			change(tr)
			return tr
		}
	}
	validated := func(tr *fit.Trainer) { tr.Validation = wrong(t) }
	return map[string]func(dev string) *fit.Trainer{
		"sgd":      course("sgd", 0.1, func(*fit.Trainer) {}),
		"nesterov": course("nesterov", 0.05, validated),
		"adamw":    course("adamw", 0.01, validated),
		"rmsprop":  course("rmsprop", 0.01, func(tr *fit.Trainer) { tr.ClipNorm = 0.5 }),
		"average":  course("adam", 0.01, func(tr *fit.Trainer) { validated(tr); tr.Average = 0.9 }),
		"parts":    course("adam", 0.01, func(tr *fit.Trainer) { tr.Part, tr.Smoothing = 3, 0.1 }),
		"patience": course("sgd", 0.3, func(tr *fit.Trainer) { validated(tr); tr.Patience, tr.Average, tr.Epochs = 2, 0.5, 6 }),
		"plateau": course("adam", 0.01, func(tr *fit.Trainer) {
			validated(tr)
			tr.Schedule = schedule.Schedule{Kind: "plateau", Gamma: 0.5, Warmup: schedule.Warmup{Steps: 3}}
		}),
		"cosine": course("sgd", 0.1, func(tr *fit.Trainer) {
			tr.Schedule, tr.MaxSteps = schedule.Schedule{Kind: "cosine"}, 10 // in the middle of the third epoch
			validated(tr)
		}),
		"augmented": course("adam", 0.01, func(tr *fit.Trainer) {
			flip, err := augment.Parse("flip,jitter")
			require.NoError(t, err)
			tr.Train.Transforms, tr.Train.Mixer, tr.Train.Workers = flip, augment.Mixup{Alpha: 0.4}, 2
		}),
		"regression": func(dev string) *fit.Trainer {
			tr := newTrainer(t, dev, nn.Sequential(nn.Flatten(), nn.Linear(2)), sums(t, 28), method(t, "adam", 0.05))
			tr.Epochs, tr.Validation, tr.Patience = 3, sums(t, 8), 2
			return tr
		},
	}
}

// Going on from any update gives what going on without a stop gives: weights, the optimiser's memory, what OnEpoch is told,
// and the states themselves.
func TestResume(t *testing.T) {
	for name, course := range courses(t) {
		for _, dev := range devicetest.Names() {
			t.Run(dev+" "+name, func(t *testing.T) {
				whole := course(dev)
				whole.CheckpointSteps = 1
				want, err := follow(t, t.Context(), whole)
				require.NoError(t, err)
				plain := course(dev)
				unwatched, err := follow(t, t.Context(), plain)
				require.NoError(t, err)
				require.Equal(t, want.state, unwatched.state, "checkpoints change nothing")
				require.Equal(t, want.epochs, unwatched.epochs)
				require.Len(t, unwatched.states, len(want.epochs), "one at each epoch's end")
				for at := 0; at < len(want.states); at += stride(dev) {
					from := want.states[at]
					tr := course(dev)
					tr.CheckpointSteps, tr.Resume = 1, from
					got, err := follow(t, t.Context(), tr)
					require.NoError(t, err)
					where := fmt.Sprintf("resumed after %d updates, told %v", from.Step, from.Told)
					before := from.Epoch - 1
					if from.Told {
						before++
					}
					require.Equal(t, want.epochs[before:], append([]string{}, got.epochs...), where)
					require.Equal(t, want.state, got.state, where)
					require.Equal(t, want.memory, got.memory, where)
					require.Equal(t, want.losses, got.losses, where)
					require.Equal(t, want.best, got.best, where)
					require.Equal(t, len(want.states)-at-1, len(got.states), where)
					for i, state := range got.states {
						require.Equal(t, numbers(t, want.states[at+1+i]), numbers(t, state), where)
					}
				}
			})
		}
	}
}

// stride is how many places of a training are passed over: an emulated device takes its time.
func stride(dev string) int {
	if dev == "reference" || dev == "cpu" {
		return 1
	}
	return 8
}

// numbers is all of a state but times.
func numbers(t *testing.T, s *fit.State) string {
	t.Helper()
	plain := *s
	plain.Elapsed, plain.EpochElapsed = 0, 0
	best := ""
	if s.Best != nil {
		best = told(*s.Best)
	}
	plain.Best = nil
	text := ""
	for _, part := range []*[]weights.Stored{&plain.Weights, &plain.Optimizer, &plain.Average, &plain.BestWeights} {
		for _, each := range *part {
			v, err := each.Read()
			require.NoError(t, err)
			text += fmt.Sprintf("%s %v %v %x\n", each.Name, each.Shape, each.DType, v)
		}
		*part = nil
	}
	return fmt.Sprintf("%+v %s\n%s", plain, best, text)
}

// Wherever an interrupt comes (in a step, between steps, while validating), the state that is left goes on to the same end,
// and the epoch that was cut is told again, whole.
func TestResumeInterrupted(t *testing.T) {
	stop := errors.New("stop")
	for _, name := range []string{"patience", "average", "cosine"} {
		course := courses(t)[name]
		dev := devicetest.Fast()
		want, err := follow(t, t.Context(), course(dev))
		require.NoError(t, err)
		for reads := 1; reads < 40; reads += stride(dev) {
			for _, validating := range []bool{false, true} {
				ctx, cancel := context.WithCancelCause(t.Context())
				tr := course(dev)
				watch := &watched{stop: func(n int) {
					if n == reads {
						cancel(stop)
					}
				}}
				if validating {
					watch.Set, tr.Validation = tr.Validation, watch
				} else {
					watch.Set, tr.Train.Set = tr.Train.Set, watch
				}
				stopped, err := follow(t, ctx, tr)
				cancel(nil)
				if err == nil { // it was over before
					require.Equal(t, want.state, stopped.state)
					continue
				}
				require.ErrorIs(t, err, stop)
				var from *fit.State
				if n := len(stopped.states); n > 0 {
					from = stopped.states[n-1]
					require.Equal(t, tr.Optimizer.Steps, from.Step, "nothing is lost")
				}
				again := course(dev)
				again.Resume = from
				got, err := follow(t, t.Context(), again)
				require.NoError(t, err)
				where := fmt.Sprintf("%s after %d batches, validating %v: %+v", name, reads, validating, from)
				require.Equal(t, want.state, got.state, where)
				require.Equal(t, want.best, got.best, where)
				require.Equal(t, want.epochs[len(want.epochs)-len(got.epochs):], append([]string{}, got.epochs...), where)
			}
		}
	}
}

// Time counts what was spent before, and a checkpoint is due by the clock too.
func TestCheckpointEvery(t *testing.T) {
	tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	tr.CheckpointEvery = time.Nanosecond
	s, err := follow(t, t.Context(), tr)
	require.NoError(t, err)
	require.Len(t, s.states, 8, "after each of 7 updates, and at the end")
	again := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	from := *s.states[3]
	from.Elapsed, from.EpochElapsed = time.Hour, time.Minute
	again.Resume = &from
	var e fit.Epoch
	var last *fit.State
	again.OnEpoch = func(told fit.Epoch) error { e = told; return nil }
	again.OnCheckpoint = func(s *fit.State) error { last = s; return nil }
	require.NoError(t, again.Run(t.Context()))
	require.GreaterOrEqual(t, e.Elapsed, time.Minute)
	require.GreaterOrEqual(t, last.Elapsed, time.Hour)
}

// A checkpoint that cannot be kept ends the training.
func TestOnCheckpointStops(t *testing.T) {
	full := errors.New("disk full")
	tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	tr.CheckpointSteps = 3
	tr.OnCheckpoint = func(*fit.State) error { return full }
	require.Equal(t, full, tr.Run(t.Context()))
	require.Equal(t, 3, tr.Optimizer.Steps)
}

// No checkpoint has weights that give a loss which is no number.
func TestCheckpointsAreGood(t *testing.T) {
	for _, rate := range []float64{1e38, 1e3, 1} {
		tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "sgd", rate))
		tr.CheckpointSteps, tr.Epochs = 1, 4
		s, err := follow(t, t.Context(), tr)
		var diverged *fit.DivergedError
		if err != nil {
			require.ErrorAs(t, err, &diverged)
		}
		for _, state := range s.states {
			again := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "sgd", 1e-30))
			again.Resume, again.Epochs = state, state.Epoch
			require.NoError(t, again.Run(t.Context()), "rate %v, %d updates", rate, state.Step)
		}
	}
}

// More epochs than were asked for first: as if they had been.
func TestResumeWithMoreEpochs(t *testing.T) {
	course := courses(t)["nesterov"]
	short, long := course("cpu"), course("cpu")
	short.Epochs = 2
	first, err := follow(t, t.Context(), short)
	require.NoError(t, err)
	want, err := follow(t, t.Context(), long)
	require.NoError(t, err)
	more := course("cpu")
	more.Resume = first.states[len(first.states)-1]
	got, err := follow(t, t.Context(), more)
	require.NoError(t, err)
	require.Equal(t, want.state, got.state)
	require.Equal(t, want.epochs[2:], got.epochs)
}

func TestResumeRefusals(t *testing.T) {
	course := courses(t)["patience"]
	good, err := follow(t, t.Context(), course("cpu"))
	require.NoError(t, err)
	var from *fit.State
	for _, s := range good.states {
		if s.Best != nil && s.Told {
			from = s
		}
	}
	stored := func(name string, shape ...int) weights.Stored {
		return weights.Stored{Name: name, Shape: shape, Read: func() (any, error) { return []float32{1}, nil }}
	}
	for _, row := range []struct {
		shown  string
		change func(s *fit.State, tr *fit.Trainer)
	}{
		{"seed: 1 there, 2 here", func(s *fit.State, tr *fit.Trainer) { tr.Seed = 2 }},
		{"samples to train on: 28 there, 64 here", func(s *fit.State, tr *fit.Trainer) { tr.Train.Set = corners(t, 64) }},
		{"samples to validate with: 8 there, 28 here", func(s *fit.State, tr *fit.Trainer) { tr.Validation = corners(t, 28) }},
		{"samples in a batch: 8 there, 4 here", func(s *fit.State, tr *fit.Trainer) { tr.Train.Batch = 4 }},
		{"updates, expected", func(s *fit.State, tr *fit.Trainer) { s.Step++ }},
		{"numbers below 0", func(s *fit.State, tr *fit.Trainer) { s.Done = -1 }},
		{"numbers below 0", func(s *fit.State, tr *fit.Trainer) { s.Epoch = 0 }},
		{"expected at most the 3 of MaxSteps", func(s *fit.State, tr *fit.Trainer) { tr.MaxSteps = 3 }},
		{"validation losses, expected", func(s *fit.State, tr *fit.Trainer) { s.Losses = s.Losses[1:] }},
		{"its best epoch is none of", func(s *fit.State, tr *fit.Trainer) { s.Best.Epoch = 99 }},
		{"its best epoch is none of", func(s *fit.State, tr *fit.Trainer) { s.Best.Validation = nil }},
		{"in the middle of an epoch: there is no going on", func(s *fit.State, tr *fit.Trainer) { s.Done--; s.Step-- }},
		{"weights: tensor 0.weight is missing", func(s *fit.State, tr *fit.Trainer) { s.Weights = nil }},
		{"weights: tensor other is not expected", func(s *fit.State, tr *fit.Trainer) { s.Weights = append(s.Weights, stored("other", 1)) }},
		{"weights: a tensor is there twice", func(s *fit.State, tr *fit.Trainer) { s.Weights = append(s.Weights, s.Weights[0]) }},
		{"weights: tensor 0.weight has shape (6, 1, 3, 4), expected (6, 1, 3, 3)", func(s *fit.State, tr *fit.Trainer) {
			for i := range s.Weights {
				if s.Weights[i].Name == "0.weight" {
					s.Weights[i].Shape = []int{6, 1, 3, 4}
				}
			}
		}},
		{"optimiser: tensor 0.weight.exp_avg is not expected", func(s *fit.State, tr *fit.Trainer) {
			s.Optimizer = append(s.Optimizer, stored("0.weight.exp_avg", 6, 1, 3, 3))
		}},
		{"average of the weights: tensor 0.weight is missing", func(s *fit.State, tr *fit.Trainer) { s.Average = nil }},
		{"average of the weights: tensor", func(s *fit.State, tr *fit.Trainer) { tr.Average = 0 }},
		{"best weights: tensor 0.weight is missing", func(s *fit.State, tr *fit.Trainer) { s.BestWeights = nil }},
		{"weights: tensor 0.weight: unreadable", func(s *fit.State, tr *fit.Trainer) {
			for i := range s.Weights {
				s.Weights[i].Read = func() (any, error) { return nil, errors.New("unreadable") }
			}
		}},
	} {
		t.Run(row.shown, func(t *testing.T) {
			tr := course("cpu")
			s := held(t, from)
			best := *s.Best
			s.Best = &best
			row.change(s, tr)
			tr.Resume = s
			require.ErrorContains(t, tr.Run(t.Context()), row.shown)
			require.Zero(t, tr.Optimizer.Steps)
		})
	}
}

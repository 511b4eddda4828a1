package fit_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/schedule"
)

// flat is a network whose steps can be computed by hand.
func flat() nn.Layer { return nn.Sequential(nn.Flatten(), nn.Linear(4)) }

// afterEach trains with one update an epoch and returns the weights after each.
func afterEach(t *testing.T, tr *fit.Trainer, epochs int) (rates []float64, weights [][]float64) {
	tr.Epochs, tr.Train.Batch = epochs, 8
	before, _ := linear(t, tr.Network)
	weights = [][]float64{before}
	tr.OnEpoch = func(e fit.Epoch) error {
		w, _ := linear(t, tr.Network)
		rates, weights = append(rates, e.Rate), append(weights, w)
		return nil
	}
	require.NoError(t, tr.Run(t.Context()))
	return rates, weights
}

// Each update is made with the rate that the schedule says, and the optimiser has its own again at the end.
func TestScheduledSteps(t *testing.T) {
	for _, dev := range devicetest.Names() {
		for _, text := range []string{"constant", "step:1,0.5", "cosine", "one-cycle:0.3", "plateau:0,0.5"} {
			t.Run(dev+" "+text, func(t *testing.T) {
				s, err := schedule.Parse(text)
				require.NoError(t, err)
				s.Warmup.Steps = 2
				const rate, epochs = 0.5, 6
				tr := newTrainer(t, dev, flat(), corners(t, 8), method(t, "sgd", rate))
				tr.Schedule = s
				tr.Validation = wrong(t) // whose loss rises as training goes on: plateau must act
				want, bias := linear(t, tr.Network)
				rates, weights := afterEach(t, tr, epochs)
				require.Len(t, tr.Losses, epochs)
				require.Equal(t, rate, tr.Optimizer.Rate)
				for step := range epochs {
					r := s.Rate(rate, schedule.Place{Step: step, PerEpoch: 1, Total: epochs, Losses: tr.Losses[:step]})
					require.Equal(t, r, rates[step], "update %d", step)
					for b, err := range tr.Train.Epoch(t.Context(), step) {
						require.NoError(t, err)
						b.Mix = &data.Mix{Share: 1, Labels: b.Labels}
						stepByHand(b, want, bias, r)
					}
					require.InDeltaSlice(t, want, weights[step+1], 1e-5, "update %d", step)
				}
			})
		}
	}
}

// wrong are corners with the labels of others.
func wrong(t *testing.T) *data.Memory {
	t.Helper()
	set := corners(t, 8)
	x := make([]float32, 0, 16*8)
	labels := make([]int32, 8)
	for b, err := range (&data.Loader{Set: set, Batch: 8}).Epoch(t.Context(), 0) {
		require.NoError(t, err)
		x = append(x, b.X.Data().([]float32)...)
		for i, l := range b.Labels {
			labels[i] = (l + 1) % 4
		}
	}
	others, err := data.NewMemory(data.Info{Name: "wrong", Sample: set.Info().Sample, Classes: 4}, x, labels, nil)
	require.NoError(t, err)
	return others
}

// The weights of the best epoch come back, and training ends when patience does.
func TestPatience(t *testing.T) {
	for _, dev := range devicetest.Names() {
		for _, row := range []struct {
			validation data.Set
			patience   int
			best, last int
		}{{wrong(t), 1, 1, 2}, {wrong(t), 3, 1, 4}, {corners(t, 8), 3, 6, 6}} {
			t.Run(fmt.Sprintf("%s %s %d", dev, row.validation.Info().Name, row.patience), func(t *testing.T) {
				tr := newTrainer(t, dev, flat(), corners(t, 8), method(t, "sgd", 0.5))
				tr.Validation, tr.Patience = row.validation, row.patience
				rates, weights := afterEach(t, tr, 6)
				require.Len(t, rates, row.last)
				require.Equal(t, row.best, tr.Best.Epoch)
				require.Equal(t, tr.Losses[row.best-1], tr.Best.Validation.Loss)
				got, _ := linear(t, tr.Network)
				require.Equal(t, weights[row.best], got)
				m, err := fit.Evaluate(context.Background(), tr.Network, row.validation, 8)
				require.NoError(t, err)
				require.Equal(t, tr.Best.Validation.Loss, m.Loss)
			})
		}
	}
}

// One SGD step with smoothed labels: each label keeps 1-share of its weight, and all classes get share/4. The hand's step
// takes two labels of a sample, so the batch is counted once for each class.
func TestSmoothing(t *testing.T) {
	const rate, share = 0.5, 0.2
	for _, dev := range devicetest.Names() {
		t.Run(dev, func(t *testing.T) {
			set := corners(t, 8)
			tr := newTrainer(t, dev, flat(), set, method(t, "sgd", rate))
			tr.Smoothing = share
			start, startBias := linear(t, tr.Network)
			want, wantBias := append([]float64{}, start...), append([]float64{}, startBias...)
			var loss float64
			var told fit.Epoch
			tr.OnEpoch = func(e fit.Epoch) error { told = e; return nil }
			for b, err := range tr.Train.Epoch(t.Context(), 0) {
				require.NoError(t, err)
				for class := range 4 { // the mean over the classes of what each as second label gives
					others := make([]int32, len(b.Labels))
					for i := range others {
						others[i] = int32(class)
					}
					b.Mix = &data.Mix{Share: 1 - share, Labels: others}
					w, bias := append([]float64{}, start...), append([]float64{}, startBias...)
					l, _ := stepByHand(b, w, bias, rate)
					loss += l / 4
					for i := range w {
						want[i] += (w[i] - start[i]) / 4
					}
					for i := range bias {
						wantBias[i] += (bias[i] - startBias[i]) / 4
					}
				}
			}
			require.NoError(t, tr.Run(t.Context()))
			require.InEpsilon(t, loss, told.Train.Loss, 1e-5)
			got, gotBias := linear(t, tr.Network)
			require.InDeltaSlice(t, want, got, 1e-5)
			require.InDeltaSlice(t, wantBias, gotBias, 1e-5)
		})
	}
}

// A step of SGD moves the weights by no more than rate times the norm, in the direction of the gradient, with every kind of
// gradient there is; where the norm is within the limit the bits are those without one.
func TestClipNorm(t *testing.T) {
	const rate = 0.25
	step := func(t *testing.T, dev string, limit float64) (moved map[string][]float64, norm float64) {
		tr := newTrainer(t, dev, nn.Sequential(nn.Conv(6, 3, nn.Padding(1)), nn.ReLU(), nn.Conv(40, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4)), corners(t, 8), method(t, "sgd", rate))
		tr.ClipNorm = limit
		before := values(t, tr.Network)
		require.NoError(t, tr.Run(t.Context()))
		moved = values(t, tr.Network)
		for name, v := range moved {
			for i := range v {
				v[i] -= before[name][i]
				norm += v[i] * v[i] / rate / rate
			}
		}
		return moved, math.Sqrt(norm)
	}
	for _, dev := range devicetest.Names() {
		free, norm := step(t, dev, 0)
		require.Greater(t, norm, 0.1)
		for _, part := range []float64{0.001, 0.1, 0.9, 1.1, 1e6} {
			t.Run(fmt.Sprint(dev, " ", part), func(t *testing.T) {
				got, _ := step(t, dev, part*norm)
				if part > 1 {
					require.Equal(t, free, got)
					return
				}
				factor := part * norm / (norm + 1e-6)
				for name, v := range free {
					for i := range v {
						require.InDelta(t, factor*v[i], got[name][i], 2e-7, "%s %d", name, i) // weights of about 1 move
					}
				}
			})
		}
	}
}

func TestControlRefusals(t *testing.T) {
	for _, row := range []struct {
		set   func(*fit.Trainer)
		shown string
	}{
		{func(tr *fit.Trainer) { tr.Patience = 2 }, "fit: early stopping needs a validation set"},
		{func(tr *fit.Trainer) { tr.Patience = -2 }, "fit: patience -2, expected at least 0"},
		{func(tr *fit.Trainer) { tr.Schedule.Kind = "plateau" }, "fit: the schedule plateau needs a validation set"},
		{func(tr *fit.Trainer) { tr.Smoothing = 1 }, "fit: label smoothing 1, expected at least 0 and below 1"},
		{func(tr *fit.Trainer) { tr.Smoothing, tr.Train.Set = 0.1, sums(t, 8) }, `fit: label smoothing 0.1, but data "sums" has targets, not labels`},
		{func(tr *fit.Trainer) { tr.ClipNorm = math.Inf(1) }, "fit: norm to clip at +Inf, expected a finite number of at least 0"},
	} {
		tr := newTrainer(t, devicetest.Fast(), flat(), corners(t, 8), method(t, "sgd", 0.5))
		row.set(tr)
		require.EqualError(t, tr.Run(t.Context()), row.shown)
	}
}

package fit_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
)

// parabola is one sample x = 1 with target 0: the loss of a linear layer without bias is w^2, and a step of rate r makes w
// w(1-2r).
func parabola(t *testing.T) *data.Memory {
	t.Helper()
	set, err := data.NewMemory(data.Info{Name: "parabola", Sample: tensor.Shape{1, 1, 1}, Targets: 1}, []float32{1}, nil, []float32{0})
	require.NoError(t, err)
	return set
}

// Of a parabola every loss of a sweep is known, and where it ends; the rate that is suggested reaches the bottom.
func TestFindRateParabola(t *testing.T) {
	sweep := fit.RateSweep{From: 1e-5, To: 100, Steps: 141} // 20 a decade
	for _, dev := range devicetest.Names() {
		t.Run(dev, func(t *testing.T) {
			tr := newTrainer(t, dev, nn.Sequential(nn.Conv(1, 1, nn.NoBias()), nn.Flatten()), parabola(t), method(t, "sgd", 0.123))
			start := values(t, tr.Network)
			curve, err := fit.FindRate(t.Context(), tr, sweep)
			require.NoError(t, err)
			require.Equal(t, start, values(t, tr.Network))
			require.Equal(t, 0.123, tr.Optimizer.Rate)
			require.Zero(t, tr.Optimizer.Steps)
			require.Less(t, len(curve.Points), 141, "it ends when the loss explodes")
			w := start["0.weight"][0]
			for i, p := range curve.Points {
				require.InEpsilon(t, 1e-5*math.Pow(10, float64(i)/20), p.Rate, 1e-9)
				require.InDelta(t, w*w, p.Loss, 1e-4*(w*w+1e-6), "update %d", i)
				w *= 1 - 2*p.Rate
			}
			last := curve.Points[len(curve.Points)-1].Rate
			require.Greater(t, last, 1.0, "rates up to 1 make it smaller")
			require.Greater(t, curve.Steepest, 0.005)
			require.Less(t, curve.Steepest, 1.0)
			tr.Optimizer.Rate, tr.Epochs = curve.Steepest, 200
			require.NoError(t, tr.Run(t.Context()))
			m, err := fit.Evaluate(t.Context(), tr.Network, tr.Train.Set, 1)
			require.NoError(t, err)
			require.Less(t, m.Loss, 0.01*curve.Points[0].Loss)
		})
	}
}

// With every kind of state a network and an optimiser have: all of it is as it was, so that a training goes as it would have
// gone; and the suggested rate trains.
func TestFindRateLeavesNoTrace(t *testing.T) {
	set := corners(t, 64)
	for _, dev := range devicetest.Names() {
		for _, optimizer := range []string{"nesterov", "adam"} {
			t.Run(dev+" "+optimizer, func(t *testing.T) {
				train := func(find bool, rate float64) (map[string][]float64, float64) {
					tr := newTrainer(t, dev, everything(), set, method(t, optimizer, rate))
					if find {
						shown := 0
						tr.OnStep = func(p fit.Progress) { shown = p.Step }
						live := tr.Network.Device.Stats().LiveTensors
						curve, err := fit.FindRate(t.Context(), tr, fit.RateSweep{From: 1e-6, To: 10, Steps: 200})
						require.NoError(t, err)
						require.Equal(t, len(curve.Points), shown)
						require.Equal(t, live, withoutGradients(tr), "memory of the device")
						rate = curve.Steepest
						tr.OnStep = nil
					}
					tr.Epochs = 3
					require.NoError(t, tr.Run(t.Context()))
					return values(t, tr.Network), rate
				}
				plain, rate := train(false, 0.01)
				found, suggested := train(true, 0.01)
				require.Equal(t, plain, found)
				require.Equal(t, 0.01, rate)
				require.Positive(t, suggested)

				tr := newTrainer(t, dev, everything(), set, method(t, optimizer, suggested))
				tr.Epochs = 20
				require.NoError(t, tr.Run(t.Context()))
				m, err := fit.Evaluate(t.Context(), tr.Network, set, 64)
				require.NoError(t, err)
				require.Greater(t, m.Accuracy, 0.9, "with the suggested rate %v", suggested)
			})
		}
	}
}

// withoutGradients are the tensors on the trainer's device but for the parameters' gradients, which stay for the next step.
func withoutGradients(tr *fit.Trainer) int64 {
	live := tr.Network.Device.Stats().LiveTensors
	for _, p := range tr.Network.Parameters {
		if p.Grad() != nil {
			live--
		}
	}
	return live
}

// A loss that is no number ends a sweep as one that explodes does.
func TestFindRateDiverges(t *testing.T) {
	for _, dev := range devicetest.Names() {
		tr := newTrainer(t, dev, everything(), corners(t, 64), method(t, "sgd", 0.01))
		before := values(t, tr.Network)
		curve, err := fit.FindRate(t.Context(), tr, fit.RateSweep{From: 1e-3, To: 1e300, Steps: 20})
		require.NoError(t, err)
		require.NotEmpty(t, curve.Points)
		require.Less(t, len(curve.Points), 20)
		for _, p := range curve.Points {
			require.False(t, math.IsNaN(p.Loss) || math.IsInf(p.Loss, 0))
		}
		require.Equal(t, before, values(t, tr.Network))
	}
}

func TestFindRateCancelled(t *testing.T) {
	stop := errors.New("stop")
	tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	before := values(t, tr.Network)
	ctx, cancel := context.WithCancelCause(t.Context())
	tr.OnStep = func(p fit.Progress) {
		if p.Step == 11 { // in the second epoch
			cancel(stop)
		}
	}
	curve, err := fit.FindRate(ctx, tr, fit.RateSweep{From: 1e-6, To: 1, Steps: 100})
	require.ErrorIs(t, err, stop)
	require.Nil(t, curve)
	require.Equal(t, before, values(t, tr.Network))
}

func TestFindRateRefusals(t *testing.T) {
	for _, row := range []struct {
		sweep fit.RateSweep
		shown string
	}{
		{fit.RateSweep{From: 0, To: 1, Steps: 100}, "fit: sweep from rate 0 to 1, expected finite numbers above 0, the second larger"},
		{fit.RateSweep{From: 1, To: 1, Steps: 100}, "fit: sweep from rate 1 to 1"},
		{fit.RateSweep{From: math.NaN(), To: 1, Steps: 100}, "fit: sweep from rate NaN to 1"},
		{fit.RateSweep{From: 1, To: math.Inf(1), Steps: 100}, "fit: sweep from rate 1 to +Inf"},
		{fit.RateSweep{From: 1e-5, To: 1, Steps: 9}, "fit: sweep of 9 steps, expected 10 to 100000"},
		{fit.RateSweep{From: 1e-5, To: 1, Steps: 1 << 30}, "fit: sweep of 1073741824 steps"},
	} {
		_, err := fit.FindRate(t.Context(), &fit.Trainer{}, row.sweep)
		require.ErrorContains(t, err, row.shown)
	}
}

package fit_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/devicetest"
	"fovea/nn/fit"
)

// The average is that of the weights a training without one goes through, which it leaves as they are: they go on where
// they were after each epoch. It is what is measured and what stays, after an interrupt too.
func TestAverage(t *testing.T) {
	const decay, epochs = 0.3, 4
	stop := errors.New("stop")
	for _, dev := range devicetest.Names() {
		for _, until := range []int{epochs, 2} {
			set := corners(t, 8)
			run := func(decay float64) (seen []map[string][]float64, measured []float64, last map[string][]float64) {
				tr := newTrainer(t, dev, everything(), set, method(t, "adam", 0.01))
				tr.Average, tr.Validation, tr.Epochs = decay, set, epochs
				seen = append(seen, values(t, tr.Network))
				ctx, cancel := context.WithCancelCause(t.Context())
				tr.OnEpoch = func(e fit.Epoch) error {
					seen = append(seen, values(t, tr.Network))
					m, err := fit.Evaluate(t.Context(), tr.Network, set, 8)
					require.NoError(t, err)
					require.Equal(t, m.Loss, e.Validation.Loss)
					measured = append(measured, m.Loss)
					if e.Epoch == until && until < epochs {
						cancel(stop)
					}
					return nil
				}
				err := tr.Run(ctx)
				if until < epochs {
					require.ErrorIs(t, err, stop)
				} else {
					require.NoError(t, err)
				}
				return seen, measured, values(t, tr.Network)
			}
			plain, _, _ := run(0)
			seen, measured, last := run(decay)
			require.Len(t, measured, until)
			require.Equal(t, seen[until], last, dev)
			for name, want := range plain[0] {
				for step := 1; step <= until; step++ { // an update an epoch
					d := math.Min(decay, float64(1+step)/float64(10+step))
					for i := range want {
						want[i] = d*want[i] + (1-d)*plain[step][name][i]
					}
					require.InDeltaSlice(t, want, seen[step][name], 1e-6, "%s %s, update %d", dev, name, step)
				}
			}
		}
	}
}

// With patience too the best average stays.
func TestAverageWithPatience(t *testing.T) {
	for _, dev := range devicetest.Names() {
		tr := newTrainer(t, dev, flat(), corners(t, 8), method(t, "sgd", 0.5))
		tr.Validation, tr.Patience, tr.Average = wrong(t), 2, 0.5
		_, weights := afterEach(t, tr, 6)
		require.Equal(t, 1, tr.Best.Epoch)
		got, _ := linear(t, tr.Network)
		require.Equal(t, weights[1], got)
	}
}

package checkpoint

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/nn/fit"
)

// full is a state in which every number is another one, and hard to write.
func full() *fit.State {
	return &fit.State{Seed: math.MaxUint64, Samples: 28, Batch: 8, Validation: 5, Device: "cpu", Step: 11, Epoch: 3, Done: 3, OptimizerSteps: 12,
		Rate: 1.0 / 3, Measured: 24, Loss: math.SmallestNonzeroFloat64, Correct: 7, LossTotal: -math.MaxFloat64, Losses: []float64{math.Pi, 1e-300},
		Best: &fit.Epoch{Epoch: 2, Step: 8, Complete: true, Rate: 0.1, Train: fit.Metrics{Samples: 28, Loss: 0.1 + 0.2, Accuracy: 1.0 / 7},
			Validation: &fit.Metrics{Samples: 5, Loss: 1e100, Accuracy: 0.2}, Elapsed: 3},
		Elapsed: time.Hour + 1, EpochElapsed: 7}
}

// Numbers come back to the bit.
func TestStateIsExact(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, encodeState(&text, full()))
	got, err := decodeState(text.Bytes())
	require.NoError(t, err)
	require.Equal(t, full(), got)

	regression := full()
	regression.Best.Train.Accuracy, regression.Best.Validation.Accuracy = math.NaN(), math.NaN()
	text.Reset()
	require.NoError(t, encodeState(&text, regression))
	got, err = decodeState(text.Bytes())
	require.NoError(t, err)
	require.True(t, math.IsNaN(got.Best.Train.Accuracy) && math.IsNaN(got.Best.Validation.Accuracy))
	require.Equal(t, 1e100, got.Best.Validation.Loss)
}

// A text is refused, or says the same once written.
func FuzzState(f *testing.F) {
	var text bytes.Buffer
	require.NoError(f, encodeState(&text, full()))
	f.Add(text.Bytes())
	f.Add([]byte(`{"version":1,"state":{"losses":null,"best":{"validation":{"accuracy":null}}}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"state":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeState(text)
		var newer *VersionError
		if err != nil {
			require.True(t, errors.As(err, &damaged{}) || errors.As(err, &newer), "%v", err)
			return
		}
		var once, twice bytes.Buffer
		require.NoError(t, encodeState(&once, s))
		again, err := decodeState(once.Bytes())
		require.NoError(t, err)
		require.NoError(t, encodeState(&twice, again))
		require.Equal(t, once.String(), twice.String())
	})
}

func FuzzSums(f *testing.F) {
	f.Add(sums{{WeightsFile, [32]byte{1}}, {stateFile, [32]byte{2}}, {SettingsFile, [32]byte{3}}}.text())
	f.Add([]byte("00  state.json\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseSums(text)
		if err != nil {
			return
		}
		again, err := parseSums(all.text())
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(all, again))
	})
}

func FuzzName(f *testing.F) {
	f.Add("epoch-0003-step-00000009")
	f.Add("epoch-000300-step-00000009")
	f.Fuzz(func(t *testing.T, name string) {
		if p, ok := parseName(name); ok {
			require.Equal(t, name, p.name())
		}
	})
}

package fit_test

import (
	"fovea/device/devicetest"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/nn"
	"fovea/nn/fit"
)

// trap is a layer that gives NaN from its given call on.
type trap struct{ calls, from int }

func (l *trap) Build(_ *nn.Builder, in tensor.Shape) (tensor.Shape, error) { return in, nil }
func (l *trap) String() string                                             { return "Trap" }
func (l *trap) Forward(x *autograd.Value) *autograd.Value {
	factor := 1.0
	if l.calls++; l.calls >= l.from {
		factor = math.NaN()
	}
	return autograd.Scale(x, factor, 0)
}

// The error names the step, the epoch and the layer; the weights are those of the last update known to be good.
func TestDiverges(t *testing.T) {
	for _, row := range []struct {
		name       string
		call       int // of forward that is the first to fail, from 1; epochs of 8 steps are 9 calls, one to try the weights
		epoch      int
		step, kept int
		after      bool
	}{
		{"at once", 1, 1, 1, 0, false},
		{"second step", 2, 1, 2, 0, false},
		{"after the last step", 9, 1, 8, 0, true},
		{"second epoch", 10, 2, 9, 8, false},
		{"second epoch's end", 18, 2, 16, 8, true},
		{"after a snapshot amid an epoch", 9 + 60, 2, 68, 58, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			size := 64
			if row.call > 60 {
				size = 8 * 100 // one epoch is 100 steps, the snapshot after 50
			}
			run := func(call, steps int) (*fit.Trainer, error) {
				layer := nn.Sequential(nn.Named("features", nn.Sequential(nn.Conv(4, 3), nn.BatchNorm(), &trap{from: call}, nn.ReLU())), nn.Flatten(), nn.Linear(4))
				tr := newTrainer(t, devicetest.Fast(), layer, corners(t, size), method(t, "adam", 0.01))
				tr.Epochs, tr.MaxSteps = 5, steps
				return tr, tr.Run(t.Context())
			}
			if size > 64 {
				row.epoch, row.step, row.kept = 1, row.call, 50
			}
			tr, err := run(row.call, 0)
			var d *fit.DivergedError
			require.ErrorAs(t, err, &d)
			require.True(t, math.IsNaN(d.Loss))
			d.Loss = 0
			require.Equal(t, &fit.DivergedError{Epoch: row.epoch, Step: row.step, After: row.after, Set: "corners", Layer: "features.2", Op: "scale", Restored: true, Kept: row.kept}, d)
			require.Equal(t, row.step, tr.Optimizer.Steps+map[bool]int{false: 1}[row.after])
			good := newTrainer(t, devicetest.Fast(), nn.Sequential(nn.Named("features", nn.Sequential(nn.Conv(4, 3), nn.BatchNorm())), nn.Flatten(), nn.Linear(4)), corners(t, size), method(t, "adam", 0.01))
			if row.kept > 0 {
				good, err = run(1<<30, row.kept)
				require.NoError(t, err)
			}
			want, got := values(t, good.Network), values(t, tr.Network)
			for name := range want {
				require.Equal(t, want[name], got[name], name)
			}
		})
	}
}

// Infinite weights are named as the cause, where they are it.
func TestDivergesByWeights(t *testing.T) {
	tr := newTrainer(t, devicetest.Fast(), nn.Sequential(nn.Flatten(), nn.Linear(8), nn.ReLU(), nn.Linear(4)), corners(t, 64), method(t, "sgd", 0.1))
	for _, s := range tr.Network.State() {
		if s.Name == "3.bias" {
			require.NoError(t, s.Tensor.Device.Fill(s.Tensor, math.Inf(1)))
		}
	}
	err := tr.Run(t.Context())
	require.EqualError(t, err, "the loss is NaN at step 1 (epoch 1): layer 3 (linear) first gave a value that is not finite, since its weights are not; "+
		"the weights are back to those after 0 updates. A smaller learning rate often helps")
}

func TestEvaluateDiverges(t *testing.T) {
	tr := newTrainer(t, devicetest.Fast(), nn.Sequential(nn.Flatten(), nn.Linear(4)), corners(t, 64), method(t, "sgd", 0.1))
	x := make([]float32, 32)
	x[20] = float32(math.Inf(1))
	set, err := data.NewMemory(data.Info{Name: "broken", Sample: tensor.Shape{1, 4, 4}, Classes: 4}, x, []int32{0, 1}, nil)
	require.NoError(t, err)
	_, err = fit.Evaluate(t.Context(), tr.Network, set, 1)
	var d *fit.DivergedError
	require.ErrorAs(t, err, &d)
	require.False(t, d.Restored)
	require.Regexp(t, `^the loss is NaN on "broken": (layer 1 \(linear\)|input|layer 0 \(\w+\)) first gave a value that is not finite$`, err.Error())

	tr.Validation = set
	err = tr.Run(t.Context())
	require.ErrorAs(t, err, &d)
	require.True(t, d.Restored && d.After)
	require.Equal(t, []int{1, 8, 0}, []int{d.Epoch, d.Step, d.Kept})
}

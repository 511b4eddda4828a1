package fit_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/data/augment"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
)

// A batch in parts makes the steps of the whole batch, whatever the parts, but for rounding.
func TestAccumulation(t *testing.T) {
	layer := func() nn.Layer {
		return nn.Sequential(nn.Conv(6, 3, nn.Padding(1)), nn.ReLU(), nn.Flatten(), nn.Linear(4))
	}
	for _, dev := range devicetest.Names() {
		run := func(part int, set data.Set, mixer data.Mixer, layer nn.Layer) (map[string][]float64, fit.Epoch) {
			tr := newTrainer(t, dev, layer, set, method(t, "sgd", 0.1))
			tr.Train.Batch, tr.Epochs, tr.Part, tr.Train.Mixer = 8, 2, part, mixer // the last of 20 samples' batches has 4
			tr.Validation = set
			var last fit.Epoch
			tr.OnEpoch = func(e fit.Epoch) error { last = e; return nil }
			require.NoError(t, tr.Run(t.Context()))
			return values(t, tr.Network), last
		}
		for _, row := range []struct {
			name  string
			set   data.Set
			mixer data.Mixer
			layer func() nn.Layer
		}{
			{"labels", corners(t, 20), nil, layer},
			{"mixed", corners(t, 20), augment.Mixup{Alpha: 1}, layer},
			{"targets", sums(t, 20), nil, func() nn.Layer { return nn.Sequential(nn.Flatten(), nn.Linear(2)) }},
		} {
			want, whole := run(0, row.set, row.mixer, row.layer())
			for _, part := range []int{1, 3, 4, 7} {
				t.Run(fmt.Sprint(dev, " ", row.name, " ", part), func(t *testing.T) {
					got, e := run(part, row.set, row.mixer, row.layer())
					for name := range want {
						require.InDeltaSlice(t, want[name], got[name], 1e-5, name)
					}
					require.Equal(t, whole.Step, e.Step)
					require.Equal(t, 20, e.Train.Samples)
					require.InEpsilon(t, whole.Train.Loss, e.Train.Loss, 1e-5)
					if row.name != "targets" {
						require.Equal(t, whole.Train.Accuracy, e.Train.Accuracy)
					}
				})
			}
			same, _ := run(8, row.set, row.mixer, row.layer())
			require.Equal(t, want, same, "%s %s: a part that is the whole batch", dev, row.name)
		}
	}
}

// Each part has dropout masks of its own: a layer whose mask was that of the first part would drop the same places in each.
func TestAccumulationDropout(t *testing.T) {
	layer := func() nn.Layer { return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4)) }
	set := corners(t, 8)
	same := make([]float32, 16*8)
	for i := range same {
		same[i] = 1
	}
	ones, err := data.NewMemory(set.Info(), same, make([]int32, 8), nil)
	require.NoError(t, err)
	for _, dev := range devicetest.Names() {
		tr := newTrainer(t, dev, layer(), ones, method(t, "sgd", 1))
		tr.Part = 1
		before, _ := linear(t, tr.Network)
		require.NoError(t, tr.Run(t.Context()))
		after, _ := linear(t, tr.Network)
		moved := map[string]bool{} // places dropped in all samples move by nothing, in none by the most
		for i := range 16 {
			moved[fmt.Sprintf("%.2f", (after[i]-before[i])/(after[0]-before[0]+1e-9))] = true
		}
		require.Greater(t, len(moved), 2, dev)
	}
}

// A loss that is no number in one part stops the training as it does in a whole batch, and the part's layer is named.
func TestAccumulationDiverges(t *testing.T) {
	set := corners(t, 16)
	x := make([]float32, 16*16)
	labels := make([]int32, 16)
	for i := range labels {
		require.NoError(t, set.Read(i, x[16*i:16*(i+1)]))
		labels[i] = int32(set.Label(i))
	}
	for i := range 16 {
		x[16*13+i] = float32(math.NaN()) // in the second update, its third part
	}
	bad, err := data.NewMemory(set.Info(), x, labels, nil)
	require.NoError(t, err)
	for _, dev := range devicetest.Names() {
		tr := newTrainer(t, dev, nn.Sequential(nn.Flatten(), nn.Linear(40), nn.ReLU(), nn.Linear(4)), bad, method(t, "sgd", 0.1))
		tr.Part, tr.Train.Shuffle = 2, false
		before := values(t, tr.Network)
		err := tr.Run(t.Context())
		var diverged *fit.DivergedError
		require.ErrorAs(t, err, &diverged, dev)
		require.Equal(t, 2, diverged.Step)
		require.NotEmpty(t, diverged.Layer)
		require.Empty(t, diverged.Cause, "the update changed the weights")
		require.True(t, diverged.Restored)
		require.Equal(t, 0, diverged.Kept)
		require.Equal(t, before, values(t, tr.Network))
	}
}

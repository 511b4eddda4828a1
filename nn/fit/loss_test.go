package fit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
)

// crossEntropy is the usual loss as one of one's own.
func crossEntropy(output *autograd.Value, batch *data.Batch) *autograd.Value {
	return autograd.CrossEntropy(output, output.Tape().Labels(batch.Labels))
}

// A loss of one's own that is the usual one gives the same bits: weights, and what training and validation measure; whole
// batches and parts, captured steps and plain ones.
func TestLoss(t *testing.T) {
	for _, dev := range devicetest.Names() {
		for _, part := range []int{0, 2} {
			var weights []map[string][]float64
			var measured [][]fit.Epoch
			for _, loss := range []fit.Loss{nil, crossEntropy} {
				tr := newTrainer(t, dev, everything(), corners(t, 16), method(t, "sgd", 0.1))
				tr.Loss, tr.Part, tr.Epochs, tr.Validation = loss, part, 3, corners(t, 8)
				var epochs []fit.Epoch
				tr.OnEpoch = func(e fit.Epoch) error {
					e.Elapsed = 0
					epochs = append(epochs, e)
					return nil
				}
				require.NoError(t, tr.Run(t.Context()))
				weights, measured = append(weights, values(t, tr.Network)), append(measured, epochs)
			}
			require.Equal(t, weights[0], weights[1], "%s, parts of %d", dev, part)
			require.Equal(t, measured[0], measured[1], "%s, parts of %d", dev, part)
		}
	}
}

// Another loss is what validation measures, EvaluateLoss too; what belongs to cross-entropy is refused beside it.
func TestLossIsMeasured(t *testing.T) {
	tr := newTrainer(t, "reference", flat(), corners(t, 8), method(t, "sgd", 0.1))
	constant := func(output *autograd.Value, _ *data.Batch) *autograd.Value {
		return autograd.Scale(autograd.Mean(output, false), 0, 7)
	}
	tr.Loss, tr.Epochs, tr.Validation = constant, 1, corners(t, 8)
	require.NoError(t, tr.Run(t.Context()))
	require.Equal(t, []float64{7}, tr.Losses)
	m, err := fit.EvaluateLoss(t.Context(), tr.Network, tr.Validation, 4, constant)
	require.NoError(t, err)
	require.Equal(t, 7.0, m.Loss)
	usual, err := fit.Evaluate(t.Context(), tr.Network, tr.Validation, 4)
	require.NoError(t, err)
	require.NotEqual(t, 7.0, usual.Loss)
	require.Equal(t, usual.Accuracy, m.Accuracy)

	tr.Smoothing = 0.1
	require.ErrorContains(t, tr.Run(t.Context()), "label smoothing, class weights and mixed samples are of cross-entropy")
}

// A network that fails does not reach the loss, whose outputs would have no shape.
func TestLossAfterAFailure(t *testing.T) {
	tr := newTrainer(t, "reference", flat(), corners(t, 8), method(t, "sgd", 0.1))
	wide, err := data.NewMemory(data.Info{Name: "wide", Sample: tensor.Shape{1, 1, 3}, Classes: 4}, make([]float32, 6), []int32{0, 1}, nil)
	require.NoError(t, err)
	_, err = fit.EvaluateLoss(t.Context(), tr.Network, wide, 2, func(output *autograd.Value, _ *data.Batch) *autograd.Value {
		return autograd.Mean(output, false, len(output.Shape())-1)
	})
	require.ErrorIs(t, err, device.ErrShape)
}

// Auxiliary heads have the loss too.
func TestLossOfHeads(t *testing.T) {
	head := func() nn.Layer { return nn.Sequential(nn.Flatten(), nn.Linear(4)) }
	tr := newTrainer(t, "reference", nn.Sequential(nn.Auxiliary(0.5, head()), head()), corners(t, 8), method(t, "sgd", 0.1))
	asked := 0
	tr.Loss, tr.Epochs, tr.Train.Batch = func(output *autograd.Value, batch *data.Batch) *autograd.Value {
		asked++
		return crossEntropy(output, batch)
	}, 1, 8
	require.NoError(t, tr.Run(t.Context()))
	require.Equal(t, 3, asked, "output and head in the update, the output when its weights are tried")
}

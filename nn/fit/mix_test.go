package fit_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/data/augment"
	"fovea/device/devicetest"
	"fovea/nn"
	"fovea/nn/fit"
)

// A step on a mixed batch, computed by hand: the loss is share CE(y, a) + (1-share) CE(y, b), a prediction is right if it is
// a, the label of the larger part, and a linear layer's weights follow the gradient.
func TestMixedStep(t *testing.T) {
	const rate = 0.5
	for _, dev := range devicetest.Names() {
		for _, row := range []struct {
			mixer data.Mixer
			seed  uint64 // with which the parts are neither all nor nothing
		}{{augment.Mixup{Alpha: 1}, 1}, {augment.CutMix{Alpha: 1}, 2}} {
			t.Run(dev+" "+row.mixer.String(), func(t *testing.T) {
				tr := newTrainer(t, dev, nn.Sequential(nn.Flatten(), nn.Linear(4)), corners(t, 8), method(t, "sgd", rate))
				tr.Train.Mixer, tr.Train.Seed = row.mixer, row.seed
				var told fit.Epoch
				tr.OnEpoch = func(e fit.Epoch) error { told = e; return nil }
				weight, bias := linear(t, tr.Network)
				var loss, right float64
				for b, err := range tr.Train.Epoch(t.Context(), 0) {
					require.NoError(t, err)
					require.NotNil(t, b.Mix)
					require.Greater(t, b.Mix.Share, 0.5)
					require.Less(t, b.Mix.Share, 1.0)
					require.NotEqual(t, b.Labels, b.Mix.Labels)
					loss, right = stepByHand(b, weight, bias, rate)
				}
				require.NoError(t, tr.Run(t.Context()))
				require.Equal(t, 1, told.Step)
				require.InEpsilon(t, loss, told.Train.Loss, 1e-5)
				require.Equal(t, right/8, told.Train.Accuracy)
				newWeight, newBias := linear(t, tr.Network)
				require.InDeltaSlice(t, weight, newWeight, 1e-5)
				require.InDeltaSlice(t, bias, newBias, 1e-5)
			})
		}
	}
}

// linear returns the weights and biases of a network that is one linear layer.
func linear(t *testing.T, net *nn.Network) (weight, bias []float64) {
	for _, v := range values(t, net) {
		if len(v) == 4 {
			bias = v
		} else {
			weight = v
		}
	}
	require.Len(t, weight, 64)
	return weight, bias
}

// stepByHand updates weights [4,16] and biases by the gradient of a batch's loss, and counts what is right.
func stepByHand(b *data.Batch, weight, bias []float64, rate float64) (loss, right float64) {
	n := len(b.Labels)
	x := b.X.Data().([]float32)
	oldWeight, oldBias := append([]float64{}, weight...), append([]float64{}, bias...)
	for i := range n {
		sample := x[16*i : 16*(i+1)]
		var logit, target [4]float64
		best, sum := 0, 0.0
		for c := range logit {
			logit[c] = oldBias[c]
			for k, v := range sample {
				logit[c] += oldWeight[16*c+k] * float64(v)
			}
			sum += math.Exp(logit[c])
			if logit[c] > logit[best] {
				best = c
			}
		}
		target[b.Labels[i]] += b.Mix.Share
		target[b.Mix.Labels[i]] += 1 - b.Mix.Share
		if best == int(b.Labels[i]) {
			right++
		}
		for c := range logit {
			loss -= target[c] * (logit[c] - math.Log(sum)) / float64(n)
			gradient := (math.Exp(logit[c])/sum - target[c]) / float64(n)
			bias[c] -= rate * gradient
			for k, v := range sample {
				weight[16*c+k] -= rate * gradient * float64(v)
			}
		}
	}
	return loss, right
}

// Training on augmented and mixed batches gives the same weights each time, learns, and measures on plain samples.
func TestAugmentedTraining(t *testing.T) {
	transforms, err := augment.Parse("noise:0.05,translate:0.01")
	require.NoError(t, err)
	set := corners(t, 64)
	train := func(workers int) (map[string][]float64, fit.Epoch) {
		tr := newTrainer(t, devicetest.Fast(), everything(), set, method(t, "adam", 0.01))
		tr.Train.Transforms, tr.Train.Mixer, tr.Train.Workers = transforms, augment.Either{augment.Mixup{Alpha: 0.4}, augment.CutMix{Alpha: 1}}, workers
		tr.Validation, tr.Epochs = set, 12
		var last fit.Epoch
		tr.OnEpoch = func(e fit.Epoch) error { last = e; return nil }
		require.NoError(t, tr.Run(t.Context()))
		return values(t, tr.Network), last
	}
	weights, last := train(1)
	require.Equal(t, 1.0, last.Validation.Accuracy)
	require.Less(t, last.Validation.Loss, last.Train.Loss, "mixed samples have two labels, those to validate have one")
	again, _ := train(4)
	require.Equal(t, weights, again)
}

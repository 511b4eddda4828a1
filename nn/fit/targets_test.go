package fit_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/fit"
)

// lossRecordings are what scripts/record_losses.py wrote.
type lossRecordings struct {
	Rate                    float64
	Sample, Hidden, Classes int
	X                       []float32
	Labels, Others          []int32
	First                   map[string][]float64
	Cases                   []struct {
		Smoothing, Clip, Share float64
		Weights, Losses        []float64
		After                  map[string][]float64
	}
}

// relabelled gives each sample of a batch a second label, and leaves the samples as they are.
type relabelled struct {
	share  float64
	others []int32
}

func (m relabelled) String() string { return "relabelled" }
func (m relabelled) Mix(b *data.Batch, _ *philox.Source) {
	b.Mix = &data.Mix{Share: m.share, Labels: m.others}
}

// Label smoothing, class weights, mixed labels and clipped gradients, each and together, make the updates that PyTorch makes;
// also of a batch in parts.
func TestLossesAgreeWithPyTorch(t *testing.T) {
	content, err := os.ReadFile("testdata/losses.json")
	require.NoError(t, err)
	var r lossRecordings
	require.NoError(t, json.Unmarshal(content, &r))
	require.Len(t, r.Cases, 36)
	set, err := data.NewMemory(data.Info{Name: "recorded", Sample: tensor.Shape{1, 1, r.Sample}, Classes: r.Classes}, r.X, r.Labels, nil)
	require.NoError(t, err)
	for _, dev := range devicetest.Names() {
		bound := 1e-5
		if dev == "reference" {
			bound = 1e-10
		}
		for _, c := range r.Cases {
			for _, part := range []int{0, 3} {
				t.Run(fmt.Sprintf("%s smoothing %v weights %v clip %v share %v part %d", dev, c.Smoothing, c.Weights, c.Clip, c.Share, part), func(t *testing.T) {
					tr := newTrainer(t, dev, nn.Sequential(nn.Flatten(), nn.Linear(r.Hidden), nn.ReLU(), nn.Linear(r.Classes)), set, method(t, "sgd", r.Rate))
					for _, s := range tr.Network.State() {
						require.NoError(t, s.Tensor.Device.Upload(s.Tensor, r.First[s.Name]))
					}
					tr.Train.Batch, tr.Train.Shuffle, tr.Epochs = set.Len(), false, len(c.Losses)
					tr.Smoothing, tr.ClipNorm, tr.Part = c.Smoothing, c.Clip, part
					if len(c.Weights) > 0 {
						tr.ClassWeights = c.Weights
					}
					if c.Share < 1 {
						tr.Train.Mixer = relabelled{c.Share, r.Others}
					}
					var losses []float64
					tr.OnEpoch = func(e fit.Epoch) error { losses = append(losses, e.Train.Loss); return nil }
					require.NoError(t, tr.Run(t.Context()))
					requireClose(t, c.Losses, losses, bound, "losses")
					for name, got := range values(t, tr.Network) {
						requireClose(t, c.After[name], got, bound, name)
					}
				})
			}
		}
	}
}

// requireClose compares by relative error in norm.
func requireClose(t *testing.T, want, got []float64, bound float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	difference, norm := 0.0, 0.0
	for i := range want {
		difference, norm = math.Hypot(difference, want[i]-got[i]), math.Hypot(norm, want[i])
	}
	require.LessOrEqual(t, difference, bound*norm, "%s: want %v, got %v", what, want, got)
}

// Only the ratios of weights matter, and weights that are all the same change nothing but roundings.
func TestClassWeightRatios(t *testing.T) {
	for _, dev := range devicetest.Names() {
		run := func(weights ...float64) map[string][]float64 {
			tr := newTrainer(t, dev, flat(), corners(t, 40), method(t, "sgd", 0.3))
			tr.Epochs, tr.ClassWeights = 3, weights
			require.NoError(t, tr.Run(t.Context()))
			return values(t, tr.Network)
		}
		plain := run()
		for name, v := range run(7, 7, 7, 7) {
			requireClose(t, plain[name], v, 1e-5, dev+" "+name)
		}
		require.Equal(t, run(1, 2, 4, 8), run(1<<40, 1<<41, 1<<42, 1<<43), dev)
		require.NotEqual(t, plain, run(1, 2, 4, 8))
	}
}

// A class with many times the weight is the one that all samples are taken for; validation has no weights, as none were asked
// for there.
func TestClassWeightsPull(t *testing.T) {
	tr := newTrainer(t, devicetest.Fast(), flat(), sameSamples(t), method(t, "sgd", 0.5))
	tr.Epochs, tr.ClassWeights, tr.Validation = 200, []float64{1, 1, 30, 1}, tr.Train.Set
	var last fit.Epoch
	tr.OnEpoch = func(e fit.Epoch) error { last = e; return nil }
	require.NoError(t, tr.Run(t.Context()))
	// Of equal samples of four classes, the best outputs are log w/sum w, of which the loss is their weighted mean.
	entropy := func(p float64) float64 { return -math.Log(p) }
	require.InDelta(t, (30*entropy(30.0/33)+3*entropy(1.0/33))/33, last.Train.Loss, 1e-3)
	require.InDelta(t, (entropy(30.0/33)+3*entropy(1.0/33))/4, last.Validation.Loss, 1e-2)
	require.Equal(t, 0.25, last.Validation.Accuracy)
}

// sameSamples are eight equal samples, two of each class.
func sameSamples(t *testing.T) *data.Memory {
	t.Helper()
	x := make([]float32, 8*16)
	for i := range x {
		x[i] = float32(i%16) / 16
	}
	set, err := data.NewMemory(data.Info{Name: "same", Sample: tensor.Shape{1, 4, 4}, Classes: 4}, x, []int32{0, 1, 2, 3, 0, 1, 2, 3}, nil)
	require.NoError(t, err)
	return set
}

func TestBalancedWeights(t *testing.T) {
	set := func(labels ...int32) data.Set {
		m, err := data.NewMemory(data.Info{Name: "few", Sample: tensor.Shape{1, 1, 1}}, make([]float32, len(labels)), labels, nil)
		require.NoError(t, err)
		return m
	}
	// compute_class_weight("balanced") of scikit-learn.
	w, err := fit.BalancedWeights(set(0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1), 2)
	require.NoError(t, err)
	require.Equal(t, []float64{1.1, 11.0 / 12}, w)
	w, err = fit.BalancedWeights(set(3, 1, 1, 1), 5)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2.0 / 3, 1, 2, 1}, w, "classes without samples")
	_, err = fit.BalancedWeights(set(0, 1, 2), 2)
	require.EqualError(t, err, `labels of "few": sample 2 has label 2, expected 0 to 1`)
	_, err = fit.BalancedWeights(sums(t, 8), 2)
	require.ErrorContains(t, err, "regression targets")
}

func TestClassWeightRefusals(t *testing.T) {
	for _, row := range []struct {
		set     data.Set
		layer   nn.Layer
		weights []float64
		shown   string
	}{
		{corners(t, 8), flat(), []float64{1, 2, 3}, "fit: 3 class weights for a network of 4 classes"},
		{corners(t, 8), flat(), []float64{}, "fit: 0 class weights for a network of 4 classes"},
		{corners(t, 8), flat(), []float64{1, 2, 3, 0}, "fit: weight 0 of class 3, expected 1e-15 to 1e+15"},
		{corners(t, 8), flat(), []float64{1, 1e-16, 3, 1}, "fit: weight 1e-16 of class 1, expected 1e-15 to"},
		{corners(t, 8), flat(), []float64{1, -2, 3, 1}, "fit: weight -2 of class 1, expected 1e-15 to"},
		{corners(t, 8), flat(), []float64{math.NaN(), 2, 3, 1}, "fit: weight NaN of class 0, expected 1e-15 to"},
		{corners(t, 8), flat(), []float64{1, 2, math.Inf(1), 1}, "fit: weight +Inf of class 2, expected 1e-15 to"},
		{corners(t, 8), nn.Sequential(nn.Flatten(), nn.Linear(3)), []float64{1, 2, 3}, `fit: label 3 of "corners", expected 0 to 2`},
		{sums(t, 8), nn.Sequential(nn.Flatten(), nn.Linear(2)), []float64{1, 2}, `fit: class weights, but data "sums" has targets, not labels`},
	} {
		tr := newTrainer(t, devicetest.Fast(), row.layer, row.set, method(t, "sgd", 0.5))
		tr.ClassWeights = row.weights
		require.ErrorContains(t, tr.Run(t.Context()), row.shown)
	}
}

// A step whose loss has targets for every class asks the system for no memory either, nor makes garbage of them.
func TestTargetsMemory(t *testing.T) {
	run := func(steps int) int64 {
		tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 1e-3))
		tr.ClassWeights, tr.Smoothing, tr.MaxSteps, tr.Epochs = []float64{1, 2, 3, 4}, 0.1, steps, 10
		require.NoError(t, tr.Run(t.Context()))
		return tr.Network.Device.Stats().SystemAllocations
	}
	require.Equal(t, run(1), run(60))
}

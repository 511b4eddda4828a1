package fit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	_ "fovea/device/all" // registers the devices
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
)

// corners are samples [1, 4, 4] whose class is the corner that is bright.
func corners(t testing.TB, n int) *data.Memory {
	random := philox.NewSource(philox.Stream{Seed: 7})
	x, labels := make([]float32, 16*n), make([]int32, n)
	for i := range n {
		for k := range 16 {
			x[16*i+k] = float32(random.Normal(0, 0.1))
		}
		labels[i] = int32(i % 4)
		x[16*i+[]int{0, 3, 12, 15}[i%4]]++
	}
	set, err := data.NewMemory(data.Info{Name: "corners", Sample: tensor.Shape{1, 4, 4}, Classes: 4}, x, labels, nil)
	require.NoError(t, err)
	return set
}

// sums are samples whose targets are their sum and its negative.
func sums(t testing.TB, n int) *data.Memory {
	random := philox.NewSource(philox.Stream{Seed: 8})
	x, y := make([]float32, 16*n), make([]float32, 2*n)
	for i := range x {
		x[i] = float32(random.Normal(0, 0.3))
		y[2*(i/16)] += x[i]
		y[2*(i/16)+1] -= x[i]
	}
	set, err := data.NewMemory(data.Info{Name: "sums", Sample: tensor.Shape{1, 4, 4}, Targets: 2}, x, nil, y)
	require.NoError(t, err)
	return set
}

// everything is a network with each kind of state: weights, running statistics, random masks.
func everything() nn.Layer {
	return nn.Sequential(nn.Conv(6, 3, nn.Padding(1)), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4))
}

// newTrainer makes a trainer of layer on a device of its own, all of which the test gives back and checks for leaks.
func newTrainer(t testing.TB, dev string, layer nn.Layer, set data.Set, config optim.Config) *fit.Trainer {
	t.Helper()
	d, err := device.Open(dev, device.Options{Deterministic: true, Threads: 2})
	require.NoError(t, err)
	net, err := nn.Build(d, layer, set.Info().Sample, 1)
	require.NoError(t, err)
	optimizer, err := optim.New(d, config, net.Parameters)
	require.NoError(t, err)
	t.Cleanup(func() {
		optimizer.Release()
		net.Release()
		require.NoError(t, d.Close())
	})
	return &fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: set, Batch: 8, Shuffle: true, Seed: 1}, Epochs: 1, Seed: 1}
}

func method(t testing.TB, name string, rate float64) optim.Config {
	c, err := optim.Defaults(name)
	require.NoError(t, err)
	c.Rate = rate
	return c
}

func values(t testing.TB, net *nn.Network) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{}
	for _, s := range net.State() {
		v, err := s.Tensor.Floats()
		require.NoError(t, err)
		all[s.Name] = v
	}
	return all
}

func TestTrains(t *testing.T) {
	for _, dev := range devicetest.Names() {
		for _, m := range []struct {
			name string
			rate float64
		}{{"sgd", 0.3}, {"nesterov", 0.05}, {"rmsprop", 0.01}, {"adam", 0.01}, {"adamw", 0.01}} {
			t.Run(dev+" "+m.name, func(t *testing.T) {
				set := corners(t, 64)
				tr := newTrainer(t, dev, everything(), set, method(t, m.name, m.rate))
				tr.Validation, tr.Epochs = set, 12
				var epochs []fit.Epoch
				tr.OnEpoch = func(e fit.Epoch) error { epochs = append(epochs, e); return nil }
				require.NoError(t, tr.Run(t.Context()))
				require.Len(t, epochs, 12)
				for i, e := range epochs {
					require.Equal(t, i+1, e.Epoch)
					require.Equal(t, 8*(i+1), e.Step)
					require.True(t, e.Complete)
					require.Equal(t, 64, e.Train.Samples)
					require.Equal(t, 64, e.Validation.Samples)
				}
				last := epochs[11].Validation
				require.Equal(t, 1.0, last.Accuracy)
				require.Less(t, last.Loss, epochs[0].Train.Loss/3)
			})
		}
	}
}

func TestRegression(t *testing.T) {
	set := sums(t, 64)
	tr := newTrainer(t, devicetest.Fast(), nn.Sequential(nn.Flatten(), nn.Linear(2)), set, method(t, "adam", 0.05))
	tr.Epochs = 40
	require.NoError(t, tr.Run(t.Context()))
	m, err := fit.Evaluate(t.Context(), tr.Network, set, 64)
	require.NoError(t, err)
	require.Less(t, m.Loss, 1e-3, "a linear layer can be the sum")
	require.True(t, math.IsNaN(m.Accuracy))
}

func TestMaxSteps(t *testing.T) {
	for _, row := range []struct{ max, epochs, steps, lastOf int }{
		{1, 1, 1, 1}, {8, 1, 8, 8}, {9, 2, 9, 1}, {16, 2, 16, 8}, {23, 3, 23, 7}, {24, 3, 24, 8}, {99, 3, 24, 8}, {0, 3, 24, 8},
	} {
		t.Run(fmt.Sprint(row.max), func(t *testing.T) {
			tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "sgd", 0.01))
			tr.Epochs, tr.MaxSteps = 3, row.max
			var last fit.Epoch
			var progress fit.Progress
			epochs := 0
			tr.OnEpoch = func(e fit.Epoch) error { epochs++; last = e; return nil }
			tr.OnStep = func(p fit.Progress) { progress = p }
			require.NoError(t, tr.Run(t.Context()))
			require.Equal(t, row.epochs, epochs)
			require.Equal(t, row.steps, last.Step)
			require.Equal(t, row.steps, tr.Optimizer.Steps)
			require.Equal(t, row.lastOf == 8, last.Complete)
			require.Equal(t, row.lastOf, progress.Step, "the last step is shown")
			require.Equal(t, row.lastOf, progress.Steps, "and known to be the last")
		})
	}
}

// Cancelling finishes the step at work: the weights are those of a training that was to stop there.
func TestCancel(t *testing.T) {
	stop := errors.New("stop")
	set := corners(t, 60) // the last batch is smaller
	for _, at := range []int{0, 1, 3, 8, 11} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cancelled := newTrainer(t, devicetest.Fast(), everything(), &watched{Set: set, stop: func(batches int) {
				if batches == at {
					cancel(stop)
				}
			}}, method(t, "adam", 0.01))
			cancelled.Validation, cancelled.Epochs = set, 3
			var last fit.Epoch
			cancelled.OnEpoch = func(e fit.Epoch) error { last = e; return nil }
			if at == 0 {
				cancel(stop)
			}
			require.ErrorIs(t, cancelled.Run(ctx), stop)
			require.Equal(t, cancelled.Optimizer.Steps, last.Step)
			if last.Step == 0 { // the reader works ahead: it may have been stopped before the first step
				return
			}
			told := newTrainer(t, devicetest.Fast(), everything(), set, method(t, "adam", 0.01))
			told.Epochs, told.MaxSteps = 3, last.Step
			require.NoError(t, told.Run(t.Context()))
			require.Equal(t, values(t, told.Network), values(t, cancelled.Network))
		})
	}
}

// watched tells how many batches of 8 have been read.
type watched struct {
	data.Set
	reads int
	stop  func(batches int)
}

func (w *watched) Read(i int, x []float32) error {
	if w.reads++; w.reads%8 == 0 {
		w.stop(w.reads / 8)
	}
	return w.Set.Read(i, x)
}

// In the middle of a step is when OnStep is called at the latest: there nothing depends on the reader's pace.
func TestCancelInStep(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	tr.OnStep = func(fit.Progress) { cancel(stop) }
	var told []fit.Epoch
	tr.OnEpoch = func(e fit.Epoch) error { told = append(told, e); return nil }
	require.ErrorIs(t, tr.Run(ctx), stop)
	require.Len(t, told, 1)
	require.Equal(t, 1, told[0].Step)
	require.False(t, told[0].Complete)
	require.Equal(t, 8, told[0].Train.Samples)
	require.Nil(t, told[0].Validation)
}

func TestOnEpochStops(t *testing.T) {
	full := errors.New("disk full")
	tr := newTrainer(t, devicetest.Fast(), everything(), corners(t, 64), method(t, "adam", 0.01))
	tr.Epochs = 5
	epochs := 0
	tr.OnEpoch = func(fit.Epoch) error { epochs++; return full }
	require.Equal(t, full, tr.Run(t.Context()))
	require.Equal(t, 1, epochs)
}

// Evaluate changes nothing, whatever the batch, and measures what can be computed by hand.
func TestEvaluate(t *testing.T) {
	set := corners(t, 30)
	tr := newTrainer(t, devicetest.Fast(), everything(), set, method(t, "adam", 0.01))
	require.NoError(t, tr.Run(t.Context())) // so that running statistics are not those of the beginning
	before := values(t, tr.Network)
	live := tr.Network.Device.Stats().LiveTensors
	whole, err := fit.Evaluate(t.Context(), tr.Network, set, 30)
	require.NoError(t, err)
	for _, batch := range []int{1, 7, 29, 31} {
		m, err := fit.Evaluate(t.Context(), tr.Network, set, batch)
		require.NoError(t, err)
		require.Equal(t, whole.Samples, m.Samples)
		require.Equal(t, whole.Accuracy, m.Accuracy, "batch %d", batch)
		require.InEpsilon(t, whole.Loss, m.Loss, 1e-5, "batch %d: the mean is over samples, not batches", batch)
	}
	require.Equal(t, before, values(t, tr.Network))
	require.Equal(t, live, tr.Network.Device.Stats().LiveTensors)
}

// A network that gives every sample the logits 0, 0, 0, 0 has loss ln 4 and is right for class 0.
func TestMeter(t *testing.T) {
	set := corners(t, 30)                                                                                            // classes 0, 1, 2, 3, 0, ...: 8 of class 0
	tr := newTrainer(t, devicetest.Fast(), nn.Sequential(nn.Flatten(), nn.Linear(4)), set, method(t, "sgd", 1e-300)) // which float32 has as 0
	for _, s := range tr.Network.State() {
		require.NoError(t, s.Tensor.Device.Fill(s.Tensor, 0))
	}
	for _, batch := range []int{1, 4, 7, 30} {
		m, err := fit.Evaluate(t.Context(), tr.Network, set, batch)
		require.NoError(t, err)
		require.Equal(t, 30, m.Samples)
		require.InDelta(t, math.Log(4), m.Loss, 1e-6)
		require.InDelta(t, 8.0/30, m.Accuracy, 1e-7)
	}
	var e fit.Epoch
	tr.Train.Batch, tr.Train.Shuffle, tr.Epochs = 7, false, 2 // the second epoch starts from nothing again
	tr.OnEpoch = func(told fit.Epoch) error { e = told; return nil }
	require.NoError(t, tr.Run(t.Context()))
	require.Equal(t, 30, e.Train.Samples)
	require.InDelta(t, math.Log(4), e.Train.Loss, 1e-6)
	require.InDelta(t, 8.0/30, e.Train.Accuracy, 1e-7)
}

// From the second step on, a step asks the system for no memory, leaves nothing behind on the device, and makes hardly any
// garbage: less than 64 KB (38 were measured), whereas one feature map of the convolution has 6.5 MB.
func TestMemory(t *testing.T) {
	const garbage = 64 << 10
	layer := func() nn.Layer {
		return nn.Sequential(nn.Conv(32, 3, nn.Padding(1)), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(64), nn.ReLU(), nn.Linear(4))
	}
	x, labels := make([]float32, 200*1024), make([]int32, 200)
	for i := range x {
		x[i] = float32(i%7) / 7
	}
	set, err := data.NewMemory(data.Info{Name: "grey", Sample: tensor.Shape{1, 32, 32}, Classes: 4}, x, labels, nil)
	require.NoError(t, err)
	run := func(steps int) (system, live int64, heap uint64) {
		tr := newTrainer(t, devicetest.Fast(), layer(), set, method(t, "adam", 1e-4))
		tr.Train.Batch, tr.MaxSteps, tr.Epochs = 50, steps, 100 // epochs of 4 steps: their ends are part of it
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, tr.Run(t.Context()))
		runtime.ReadMemStats(&after)
		stats := tr.Network.Device.Stats()
		return stats.SystemAllocations, stats.LiveTensors, after.TotalAlloc - before.TotalAlloc
	}
	systemOne, liveOne, _ := run(1)
	systemMany, liveMany, heapMany := run(4)
	require.Equal(t, systemOne, systemMany, "a second step asked for memory")
	require.Equal(t, liveOne, liveMany)
	systemMore, liveMore, heapMore := run(44)
	require.Equal(t, systemOne, systemMore)
	require.Equal(t, liveOne, liveMore)
	// Each epoch's loader makes its buffers anew: three batches of 50 x 1024 float32.
	const loader = 3 * 50 * 1024 * 4
	perStep := (float64(heapMore-heapMany) - 10*loader) / 40
	t.Logf("%.0f bytes of garbage per step", perStep)
	require.Less(t, perStep, float64(garbage))
}

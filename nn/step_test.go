package nn_test

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/autograd/faulty"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/optim"
)

// small has every common kind of layer.
func small(classes int) nn.Layer {
	return nn.Sequential(
		nn.Named("stem", nn.Sequential(
			nn.Conv(6, 3, nn.Same(), nn.NoBias()),
			nn.BatchNorm(),
			nn.ReLU(),
			nn.LocalResponseNorm(device.LRNSpec{Size: 3, Alpha: 0.1, Beta: 0.75, K: 1}),
			nn.MaxPool(3, nn.Stride(2), nn.CeilMode()))),
		nn.Residual(nn.Sequential(
			nn.Named("conv1", nn.Conv(8, 3, nn.Padding(1), nn.Groups(2))),
			nn.Named("tanh", nn.Tanh())),
			nn.Sequential(nn.Conv(8, 1, nn.NoBias()), nn.BatchNorm())),
		nn.Branches(
			nn.Conv(4, 1),
			nn.Sequential(nn.AvgPool(3, nn.Stride(1), nn.Padding(1)), nn.ELU(1)),
			nn.Sequential(nn.TrueConv(4, 3, nn.Same()), nn.Maxout(2))),
		nn.ContrastNorm(device.LRNSpec{Size: 5, Alpha: 0.1, Beta: 0.5, K: 1}),
		nn.ConvTranspose(5, 2, nn.Stride(2)),
		nn.LeakyReLU(0.1),
		nn.Dropout(0.2),
		nn.MinPool(2),
		nn.Flatten(),
		nn.Linear(12),
		nn.Sigmoid(),
		nn.Linear(classes))
}

// loss computes one training step's forward pass with step's dropout masks.
func loss(tape *autograd.Tape, net *nn.Network, x *tensor.Dense, labels []int32) *autograd.Value {
	tape.Reset()
	tape.Training, tape.Random = true, philox.Stream{Seed: 5, ID: 1}
	return autograd.CrossEntropy(net.Forward(tape.Input(x)), tape.Labels(labels))
}

// TestNetworkGradientsByFiniteDifferences checks the gradient of a deep network's parameters in float64.
func TestNetworkGradientsByFiniteDifferences(t *testing.T) {
	const h = 1e-6
	d := open(t, "reference")
	net, tape := build(t, d, small(4), 2, 9, 8), tapeOn(t, d)
	x, labels := random(7, 3, 2, 9, 8), []int32{0, 3, 1}
	require.NoError(t, tape.Backward(loss(tape, net, x, labels)))
	for _, p := range net.Parameters {
		require.NotNil(t, p.Grad(), p.Name)
		analytic, values := floats(t, p.Grad()), floats(t, p.Tensor())
		value := func() float64 {
			require.NoError(t, d.Upload(p.Tensor(), values))
			l, err := loss(tape, net, x, labels).Item()
			require.NoError(t, err)
			return l
		}
		for e := 0; e < len(values); e += max(1, len(values)/8) {
			at := values[e]
			values[e] = at + h
			up := value()
			values[e] = at - h
			down := value()
			values[e] = at
			require.InDelta(t, (up-down)/(2*h), analytic[e], 1e-7*math.Max(1, math.Abs(analytic[e])), "%s element %d", p.Name, e)
		}
		value()
	}
}

// TestDevicesAgreeOnGradients compares the same network's loss and gradients in float32 and float64.
func TestDevicesAgreeOnGradients(t *testing.T) {
	x, labels := random(8, 5, 2, 12, 10), []int32{0, 3, 1, 2, 2}
	results := map[string][]float64{}
	var want *nn.Network
	for _, name := range devicetest.Names() {
		d := open(t, name)
		net, tape := build(t, d, small(4), 2, 12, 10), tapeOn(t, d)
		l := loss(tape, net, x, labels)
		require.NoError(t, tape.Backward(l))
		if name == "reference" {
			want = net
			results["loss"] = floats(t, l.Tensor())
			for _, p := range net.Parameters {
				results[p.Name] = floats(t, p.Grad())
			}
			continue
		}
		require.Len(t, net.Parameters, len(want.Parameters))
		require.LessOrEqual(t, distance(floats(t, l.Tensor()), results["loss"]), 1e-6, "loss")
		for _, p := range net.Parameters {
			require.LessOrEqual(t, distance(floats(t, p.Grad()), results[p.Name]), 1e-5, "gradient of %s", p.Name)
		}
	}
}

// TestStepsAllocateNoTensorMemory holds the design's promise on the cpu device: from step 2 on a training step asks the
// system for no memory, and what Go's heap hands out (values, closures, shapes) has no tensor among it. The smallest
// feature map here is 80 KiB, a batch 192 KiB, the most at once 5 MiB: one of them a step would break the bound.
func TestStepsAllocateNoTensorMemory(t *testing.T) {
	const steps, bound = 50, 96 << 10 // bytes on Go's heap in a step
	d := open(t, devicetest.Fast())
	net, tape := build(t, d, small(10), 3, 32, 32), tapeOn(t, d)
	c, err := optim.Defaults("adam")
	require.NoError(t, err)
	o, err := optim.New(d, c, net.Parameters)
	require.NoError(t, err)
	defer o.Release()
	x, labels := random(9, 16, 3, 32, 32), make([]int32, 16)
	step := func(samples int) {
		batch, err := x.Slice(tensor.S(0, samples))
		require.NoError(t, err)
		net.ZeroGrad()
		l := loss(tape, net, batch.(*tensor.Dense), labels[:samples])
		require.NoError(t, tape.Backward(l))
		_, err = l.Item()
		require.NoError(t, err)
		require.NoError(t, o.Step())
		tape.Reset()
	}
	step(16)
	system := d.Stats().SystemAllocations
	step(16) // Go's own slices (records, values) have grown now
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steps {
		step(16)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/steps, uint64(bound), "bytes on Go's heap in a step")
	step(5) // an epoch's last batch
	step(16)
	require.Equal(t, system, d.Stats().SystemAllocations, "memory asked of the system after step 1")
	t.Logf("%d bytes on Go's heap in a step; at most %d KiB of tensors at once", (after.TotalAlloc-before.TotalAlloc)/steps, d.Stats().PeakBytes>>10)
}

// TestInferenceFreesEarly: without gradients a network holds a few feature maps at a time, not one per layer.
func TestInferenceFreesEarly(t *testing.T) {
	peak := func(noGrad bool) int64 {
		d, err := device.Open("cpu", device.Options{Threads: 1})
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		net, err := nn.Build(d, small(10), tensor.Shape{3, 32, 32}, 1)
		require.NoError(t, err)
		tape := autograd.NewTape(d)
		tape.NoGrad = noGrad
		y := net.Forward(tape.Input(random(9, 8, 3, 32, 32)))
		require.NoError(t, tape.Err())
		require.Equal(t, []int{8, 10}, []int(y.Shape()))
		peak := d.Stats().PeakBytes
		live := d.Stats().LiveTensors
		if noGrad { // parameters, buffers, the input, the output, and TrueConv's rotated mask
			require.LessOrEqual(t, int(live), len(net.State())+3)
		}
		tape.Reset()
		net.Release()
		return peak
	}
	require.Less(t, peak(true), peak(false)/3)
}

// TestFailingDevice lets every call fail in turn from Build to the optimiser's step: no panic, no leak.
func TestFailingDevice(t *testing.T) {
	inner := open(t, devicetest.Fast())
	d := faulty.New(inner)
	run := func() error {
		zeros, err := nn.Allocate(d, small(4), tensor.Shape{2, 8, 8})
		if err != nil {
			return err
		}
		zeros.Release()
		net, err := nn.Build(d, small(4), tensor.Shape{2, 8, 8}, 1)
		if err != nil {
			return err
		}
		defer net.Release()
		o, err := optim.New(d, optim.Config{Method: "rmsprop", Rate: 0.1, Momentum: 0.5}, net.Parameters)
		if err != nil {
			return err
		}
		defer o.Release()
		tape := autograd.NewTape(d)
		defer tape.Reset()
		l := loss(tape, net, random(9, 3, 2, 8, 8), []int32{0, 1, 2})
		if err := tape.Backward(l); err != nil {
			return err
		}
		return o.Step()
	}
	require.NoError(t, run())
	calls := d.Calls
	require.Greater(t, calls, 100)
	for n := 1; n <= calls; n++ {
		d.Calls, d.FailAt = 0, n
		require.ErrorIs(t, run(), faulty.ErrInjected, "call %d of %d", n, calls)
		require.Zero(t, inner.Stats().LiveTensors, "left after call %d of %d failed", n, calls)
	}
}

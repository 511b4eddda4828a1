//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/zoo"
)

// counted are what TestStepCounts looks at.
var counted = []string{"allocations", "host_allocations", "frees", "synchronisations", "h2d_copies", "h2d_bytes", "h2d_pageable", "d2h_copies", "d2d_copies", "memsets",
	"graph_launches", "graph_instantiations", "graph_updates", "launches", "library_calls", "graph_nodes"}

// counts is what the device does in f, not counting what it takes to wait for the worker.
func counts(t *testing.T, d *Device, f func() error) map[string]int {
	t.Helper()
	idle := func() error { return d.queue.do("", func() error { return nil }) }
	require.NoError(t, idle())
	do(t, "reset-counters")
	require.NoError(t, f())
	require.NoError(t, idle())
	c := map[string]int{}
	for _, name := range counted {
		c[name] = int(control.Counter(name))
	}
	return c
}

// only checks that of what is counted nothing happened but what is wanted; -1 stands for any number above 0.
func only(t *testing.T, got, want map[string]int, what string) {
	t.Helper()
	for _, name := range counted {
		if want[name] < 0 {
			require.Positive(t, got[name], "%s: %s", what, name)
		} else {
			require.Equal(t, want[name], got[name], "%s: %s", what, name)
		}
	}
}

// TestStepCounts: a training step of ResNet-50, once it is warm, asks for no memory, waits for nothing, and copies nothing but
// the batch, from pinned memory. Captured, it is one launch.
func TestStepCounts(t *testing.T) {
	needEmulator(t)
	d := mustOpen(t)
	name := "resnet50"
	if testing.Short() {
		name = "resnet18"
	}
	model, err := zoo.Find(name)
	require.NoError(t, err)
	const batch, side = 2, 32
	r, err := newTraining(d, model.New(10), batch, side)
	require.NoError(t, err)
	require.NoError(t, r.step())
	images, labels := 4*batch*3*side*side, 4*batch
	plain := map[string]int{"h2d_copies": 2, "h2d_bytes": images + labels, "launches": -1, "library_calls": -1}
	for n := 2; n < 4; n++ {
		only(t, counts(t, d, r.step), plain, fmt.Sprintf("step %d", n))
	}
	for n := 4; n < 6; n++ {
		captured := map[string]int{"h2d_copies": 2, "h2d_bytes": images + labels, "graph_launches": 1, "graph_nodes": -1, "graph_updates": 1}
		if n == 4 {
			captured["graph_instantiations"], captured["graph_updates"] = 1, 0
		}
		only(t, counts(t, d, func() error { return d.Capture(r.step) }), captured, fmt.Sprintf("captured step %d", n))
	}
	require.Equal(t, 1, d.capture.Made)
	r.release()
	require.NoError(t, d.Close())
}

// TestUploadOverlaps: the batch of step k+1 comes in while step k still computes. Nothing on the emulated GPU runs before
// somebody waits: waiting for the copies alone runs these, and not the step that was queued before them.
func TestUploadOverlaps(t *testing.T) {
	needEmulator(t)
	for _, captured := range []bool{false, true} {
		what := fmt.Sprintf("captured %t", captured)
		d := mustOpen(t)
		r, err := newTraining(d, small(), 2, 8)
		require.NoError(t, err)
		step := r.step
		if captured {
			require.NoError(t, r.step())
			step = func() error { return d.Capture(r.step) }
		}
		arrived := func() (executed int) { // work done when all copies queued so far are
			before := control.Counter("executed")
			require.NoError(t, d.queue.do("", func() error {
				compute := d.queue.stream
				d.queue.stream = d.copies
				defer func() { d.queue.stream = compute }()
				return d.queue.wait()
			}))
			return int(control.Counter("executed") - before)
		}
		require.NoError(t, step())
		require.NoError(t, step())
		require.NoError(t, d.Synchronize())
		for n := range 3 {
			require.NoError(t, step()) // k: its own copies first
			require.Equal(t, 2, arrived(), "%s, round %d: the copies of step k", what, n)
			require.NoError(t, step()) // k+1
			require.Equal(t, 2, arrived(), "%s, round %d: the copies of step k+1, with step k still to run", what, n)
			before := control.Counter("executed")
			require.NoError(t, d.Synchronize())
			require.Greater(t, control.Counter("executed"), before, "%s, round %d: both steps", what, n)
		}
		r.release()
		require.NoError(t, d.Close())
	}
}

// TestFitCounts: the training loop adds nothing to its steps but looking at the losses, which is reading two numbers (the
// losses, and how many were right) each time they are shown, after every 50th step, and at an epoch's end; and every 50th step
// it keeps a copy of the network's state.
func TestFitCounts(t *testing.T) {
	needEmulator(t)
	const batch, side = 2, 8
	pixels, labels := make([]float32, 70*batch*3*side*side), make([]int32, 70*batch)
	for i := range pixels {
		pixels[i] = float32(i*7919%1000)/1000 - 0.5
	}
	set, err := data.NewMemory(data.Info{Name: "noise", Sample: tensor.Shape{3, side, side}, Classes: 3}, pixels, labels, nil)
	require.NoError(t, err)
	state, shown := 0, 0
	run := func(steps int, show func(fit.Progress)) map[string]int {
		d := mustOpen(t)
		defer func() { require.NoError(t, d.Close()) }()
		net, err := nn.Build(d, small(), tensor.Shape{3, side, side}, 1)
		require.NoError(t, err)
		defer net.Release()
		opt, err := optim.New(d, optim.Config{Method: "sgd", Rate: 0.01, Momentum: 0.9}, net.Parameters)
		require.NoError(t, err)
		defer opt.Release()
		state = len(net.State())
		trainer := &fit.Trainer{Network: net, Optimizer: opt, Epochs: 1, MaxSteps: steps, OnStep: show, Train: &data.Loader{Set: set, Batch: batch}}
		return counts(t, d, func() error { return trainer.Run(context.Background()) })
	}
	minus := func(a, b map[string]int) map[string]int {
		c := map[string]int{}
		for _, name := range counted {
			c[name] = a[name] - b[name]
		}
		return c
	}
	short := run(20, nil)
	longer := minus(run(45, nil), short)
	nodes := longer["graph_nodes"] / 25
	require.Positive(t, nodes)
	more := func(steps, reads int) map[string]int {
		return map[string]int{"h2d_copies": 2 * steps, "h2d_bytes": steps * batch * (3*side*side + 1) * 4, "graph_launches": steps, "graph_updates": steps,
			"graph_nodes": steps * nodes, "d2h_copies": reads, "synchronisations": reads, "launches": longer["launches"]}
	}
	require.Zero(t, longer["launches"], "outside of the graphs")
	only(t, longer, more(25, 0), "25 more steps")
	past := minus(run(65, nil), short)
	kept := more(45, 2+state)
	kept["launches"] = past["launches"] // the state's feature maps are laid out for the host
	only(t, past, kept, "45 more steps, with the 50th")
	require.LessOrEqual(t, past["launches"], state)
	seen := minus(run(20, func(fit.Progress) { shown++ }), short)
	require.GreaterOrEqual(t, shown, 2)
	only(t, seen, map[string]int{"d2h_copies": 2 * (shown - 1), "synchronisations": 2 * (shown - 1)}, fmt.Sprintf("losses shown %d times", shown))
}

// unfused hides the fused primitives of a device.
type unfused struct{ device.Device }

func (u unfused) New(s tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := u.Device.New(s, dtype)
	if err == nil {
		x.Device = u
	}
	return x, err
}

func (u unfused) Reshape(x *device.Tensor, s tensor.Shape) (*device.Tensor, error) {
	y, err := u.Device.Reshape(x, s)
	if err == nil {
		y.Device = u
	}
	return y, err
}

// work is what a training step, or an inference, gives the GPU.
type work struct {
	own, library, nodes int            // launches of our kernels, calls of the libraries, and nodes when it is captured
	kernels             []string       // ours
	functions           map[string]int // the libraries'
}

// launched is the work of a network. Nothing of it is executed: the first launch fails, which nobody finds out before the
// device is closed.
func launched(t *testing.T, name string, fused bool, use func(*training) error) (w work) {
	t.Helper()
	d := mustOpen(t)
	var dev device.Device = d
	if !fused {
		dev = unfused{d}
	}
	model, err := zoo.Find(name)
	require.NoError(t, err)
	r, err := newTraining(dev, model.New(model.Classes), 2, model.Sample[1])
	require.NoError(t, err)
	require.NoError(t, d.Synchronize())
	do(t, "async-error 1")
	require.NoError(t, use(r))
	var asked []string
	require.NoError(t, d.queue.do("", func() error { d.queue.library = hook(d.queue.library, &asked); return nil }))
	plain := counts(t, d, func() error { return use(r) })
	w.functions = map[string]int{}
	for _, f := range []string{"cudnnConvolutionForward", "cudnnConvolutionBiasActivationForward", "cudnnBatchNormalizationForwardTraining", "cudnnActivationForward", "cublasLtMatmul"} {
		w.functions[f] = int(control.Counter("call:" + f))
	}
	w.kernels = slices.Clone(asked)
	captured := counts(t, d, func() error { return d.Capture(func() error { return use(r) }) })
	require.Equal(t, 1, captured["graph_launches"], name)
	require.Zero(t, captured["launches"]+captured["library_calls"], name)
	w.own, w.library, w.nodes = plain["launches"], plain["library_calls"], captured["graph_nodes"]
	require.Equal(t, w.own+w.library, w.nodes, name)
	r.release()
	require.NoError(t, d.Close())
	return w
}

// largeVariable asks for the networks whose fully connected layers take the emulator half a minute to fill.
const largeVariable = "FOVEA_TEST_LARGE"

// TestLaunchesPerStep holds the table of docs/benchmarks/cuda.md to what networks launch, and fuses what can be fused.
// FOVEA_TEST_LARGE=1 go test -run TestLaunchesPerStep -v prints all of the table.
func TestLaunchesPerStep(t *testing.T) {
	needEmulator(t)
	page, err := os.ReadFile("../../docs/benchmarks/cuda.md")
	require.NoError(t, err)
	for _, row := range []struct {
		name                   string
		large                  bool
		convolutions, withReLU int // of the first, those whose ReLU is in the same call
		products               int // forward and backward, each with its bias (and ReLU) in the same call
		normalisations         int // those that no ReLU follows
	}{
		{"alexnet", true, 5, 5, 9, 0},
		{"vgg16", true, 13, 13, 9, 0},
		{"resnet18", false, 20, 0, 3, 3},
		{"resnet50", false, 53, 0, 3, 4},
	} {
		if row.large && os.Getenv(largeVariable) == "" || testing.Short() && row.name != "resnet18" {
			continue
		}
		parts, fused := launched(t, row.name, false, (*training).step), launched(t, row.name, true, (*training).step)
		functions := fused.functions
		require.Equal(t, row.withReLU, functions["cudnnConvolutionBiasActivationForward"], "%s: convolutions with bias and ReLU in one call", row.name)
		require.Equal(t, row.convolutions-row.withReLU, functions["cudnnConvolutionForward"], "%s: convolutions alone", row.name)
		require.Equal(t, row.normalisations, functions["cudnnBatchNormalizationForwardTraining"], "%s: normalisations without a ReLU", row.name)
		require.Equal(t, row.products, functions["cublasLtMatmul"], "%s: products", row.name)
		require.Zero(t, functions["cudnnActivationForward"], row.name)
		for _, k := range fused.kernels {
			require.False(t, strings.HasPrefix(k, "activate_f32") || strings.HasPrefix(k, "add_bias"), "%s launches %s, which can be part of another call", row.name, k)
		}
		onPage(t, string(page), row.name, parts, fused)
	}
}

// onPage looks for a row of a table of docs/benchmarks/cuda.md.
func onPage(t *testing.T, page, name string, parts, fused work) {
	t.Helper()
	line := fmt.Sprintf("| %s | %d | %d | %d | %d | %d |", name, parts.own, parts.library, fused.own, fused.library, fused.nodes)
	t.Log(line)
	require.Contains(t, page, line+"\n", "docs/benchmarks/cuda.md has other numbers")
}

// TestLaunchesPerInference is likewise, of a network that has been used before: each convolution has taken in the normalisation after
// it, and the sum and the ReLU after that.
func TestLaunchesPerInference(t *testing.T) {
	needEmulator(t)
	page, err := os.ReadFile("../../docs/benchmarks/cuda.md")
	require.NoError(t, err)
	for name, convolutions := range map[string]int{"resnet18": 20, "resnet50": 53} {
		if testing.Short() && name != "resnet18" {
			continue
		}
		parts, fused := launched(t, name, false, (*training).infer), launched(t, name, true, (*training).infer)
		require.Equal(t, convolutions, fused.functions["cudnnConvolutionBiasActivationForward"], name)
		require.Zero(t, fused.functions["cudnnConvolutionForward"], name)
		require.Equal(t, []string{"transpose_few_f32"}, fused.kernels, "%s: the upload is a kernel of ours, the rest is the libraries'", name)
		onPage(t, string(page), name, parts, fused)
	}
}

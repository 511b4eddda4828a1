//go:build cuda

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/device/philox"
	kernels "fovea/kernels/cuda"
	"fovea/nn"
	"fovea/nn/optim"
)

// needEmulator skips a test that injects failures or counts.
func needEmulator(t *testing.T) {
	if !control.Present() {
		t.Skip(control.ErrAbsent)
	}
	control.Reset()
	t.Cleanup(func() {
		control.Reset()
		require.NoError(t, control.Do(fmt.Sprintf("memory %d", int64(8)<<30)))
	})
}

func do(t *testing.T, format string, args ...any) {
	t.Helper()
	require.NoError(t, control.Do(fmt.Sprintf(format, args...)))
}

func open() (*Device, error) { return New(0, device.Options{Deterministic: true}) }

func mustOpen(t *testing.T) *Device {
	t.Helper()
	d, err := open()
	require.NoError(t, err)
	return d
}

// training is a network that is being trained, with images of noise.
type training struct {
	d      device.Device
	net    *nn.Network
	opt    *optim.Optimizer
	tape   *autograd.Tape
	images *tensor.Dense
	labels []int32
	loss   *autograd.Value // of the last step
	result *autograd.Value // of the last inference
}

// newTraining is of a network for samples [3, side, side], with plain or momentum SGD.
func newTraining(d device.Device, layer nn.Layer, batch, side int) (*training, error) {
	random := philox.NewSource(philox.Stream{Seed: 3})
	pixels := make([]float32, batch*3*side*side)
	for i := range pixels {
		pixels[i] = float32(random.Normal(0, 1))
	}
	r := &training{d: d, tape: autograd.NewTape(d), labels: make([]int32, batch),
		images: tensor.New(tensor.WithShape(batch, 3, side, side), tensor.WithBacking(pixels))}
	for i := range r.labels {
		r.labels[i] = int32(i % 3)
	}
	r.tape.Training = true
	var err error
	if r.net, err = nn.Build(d, layer, tensor.Shape{3, side, side}, 1); err != nil {
		return nil, err
	}
	if r.opt, err = optim.New(d, optim.Config{Method: "sgd", Rate: 0.01, Momentum: 0.9}, r.net.Parameters); err != nil {
		r.net.Release()
		return nil, err
	}
	return r, nil
}

func (r *training) step() error {
	r.tape.Reset()
	r.tape.Random = philox.Stream{Seed: 5}
	r.loss = autograd.CrossEntropy(r.net.Forward(r.tape.Input(r.images)), r.tape.Labels(r.labels))
	r.net.ZeroGrad()
	if err := r.tape.Backward(r.loss); err != nil {
		return err
	}
	return r.opt.Step()
}

// infer computes the network with nothing learned, which folds its normalisations into convolutions.
func (r *training) infer() error {
	r.tape.Reset()
	r.tape.Training, r.tape.NoGrad = false, true
	defer func() { r.tape.Training, r.tape.NoGrad = true, false }()
	r.result = r.net.Forward(r.tape.Input(r.images))
	return r.tape.Err()
}

func (r *training) release() {
	r.tape.Reset()
	r.opt.Release()
	r.net.Release()
}

// small has every kind of operation that a failure can come from: cuDNN's, cuBLASLt's and our own, alone and fused.
func small() nn.Layer {
	return nn.Sequential(nn.Conv(4, 3, nn.Padding(1)), nn.ReLU(), nn.MaxPool(2), nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm(), nn.Tanh(),
		nn.LocalResponseNorm(device.LRNSpec{Size: 3, Alpha: 1e-4, Beta: 0.75, K: 2}),
		nn.Residual(nn.Sequential(nn.Conv(4, 3, nn.Padding(1), nn.NoBias()), nn.BatchNorm()), nil), nn.ReLU(),
		nn.AvgPool(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(3))
}

// trainSmall makes a step piece by piece and two captured, infers captured (where weights are folded) and piece by piece, and
// returns all that was computed. Whatever happens, it leaves nothing behind.
func trainSmall(d *Device) (state []float64, err error) {
	r, err := newTraining(d, small(), 2, 8)
	if err != nil {
		return nil, err
	}
	defer r.release()
	if err := r.step(); err != nil {
		return nil, err
	}
	for range 2 { // the second updates the graph of the first
		if err := d.Capture(r.step); err != nil {
			return nil, err
		}
	}
	read := func(x *device.Tensor) error {
		values, err := x.Floats()
		state = append(state, values...)
		return err
	}
	if err := read(r.loss.Tensor()); err != nil {
		return nil, err
	}
	for _, s := range r.net.State() {
		if err := read(s.Tensor); err != nil {
			return nil, err
		}
	}
	for _, infer := range []func() error{func() error { return d.Capture(r.infer) }, r.infer} {
		if err := infer(); err != nil {
			return nil, err
		}
		if err := read(r.result.Tensor()); err != nil {
			return nil, err
		}
	}
	return state, d.Synchronize()
}

// watch ends the program if the test hangs; what it returns ends the watch.
func watch(what string) (stop func() bool) {
	return time.AfterFunc(60*time.Second, func() { panic(what + ": still waiting after a minute") }).Stop
}

// functions are all those of the driver and the libraries that this package calls, as its own sources say.
func functions(t *testing.T) []string {
	found := map[string]bool{"cuDeviceGet": true, "cuDeviceGetCount": true, "cuDeviceGetName": true, "cuDeviceGetAttribute": true, "cuDevicePrimaryCtxRetain": true, // by gorgonia.org/cu
		"cuDevicePrimaryCtxRelease": true, "cuCtxSetCurrent": true, "cuMemGetInfo": true}
	for pattern, call := range map[string]string{"*.go": `C\.(cu[A-Z]\w+)\(`, "native.c": `\b(cu[A-Z]\w+)\(`, "bound.h": `^(?:CUDNN|CUBLASLT)\((\w+)\)`} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile("(?m)"+call).FindAllSubmatch(text, -1) {
				found[strings.TrimSuffix(string(bytes.TrimSuffix(m[1], []byte("WithFlags"))), "_v2")] = true
			}
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// allocating are the driver's functions that may find no memory.
var allocating = []string{"cuMemAlloc", "cuMemAllocAsync", "cuMemHostAlloc", "cuLaunchKernel", "cuGraphInstantiate", "cuGraphLaunch", "cuModuleLoadData",
	"cuModuleGetFunction", "cuDevicePrimaryCtxRetain", "cuStreamCreate", "cuEventCreate"}

// TestAnyCallFails makes each call of the driver and of the libraries fail in turn, from the device's opening to its
// closing: the failure is survived, or said; the device then works as if nothing had been; and nothing leaks.
func TestAnyCallFails(t *testing.T) {
	needEmulator(t)
	every := uint64(1)
	if testing.Short() {
		every = 10 // of the calls of each function
	}
	d := mustOpen(t)
	want, err := trainSmall(d)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	control.Reset()
	d = mustOpen(t)
	_, err = trainSmall(d)
	require.NoError(t, err)
	all := functions(t)
	before := map[string]uint64{}
	for _, name := range all {
		before[name] = control.Counter("call:" + name)
	}
	require.NoError(t, d.Close())
	calls := map[string]uint64{}
	for _, name := range all {
		calls[name] = control.Counter("call:" + name)
	}
	called, faults, said := 0, 0, 0
	for _, name := range all {
		if calls[name] > 0 {
			called++
		}
		library := strings.HasPrefix(name, "cudnn") || strings.HasPrefix(name, "cublas")
		statuses := []string{"CUDA_ERROR_UNKNOWN"}
		if slices.Contains(allocating, name) {
			statuses = append(statuses, "CUDA_ERROR_OUT_OF_MEMORY")
		}
		for n := uint64(1); n <= calls[name]; n += every {
			if library && n > before[name] {
				break // what a library does not destroy at the end stays, and nobody can do more: see TestCloseFails
			}
			for _, status := range statuses {
				faults++
				if anyCallFails(t, want, name, n, status, n > before[name]) {
					said++
				}
			}
		}
	}
	t.Logf("%d functions called of %d, %d faults: %d said, %d survived", called, len(all), faults, said, faults-said)
	require.Greater(t, called, 60, "functions that a training calls")
	require.Empty(t, control.Report())
}

// anyCallFails makes one call fail, and reports whether an error said so.
func anyCallFails(t *testing.T, want []float64, name string, n uint64, status string, closing bool) (said bool) {
	what := fmt.Sprintf("call %d of %s fails with %s", n, name, status)
	defer watch(what)()
	control.Reset()
	do(t, "fail-call %s %d %s", name, n, status)
	d, err := open()
	if err != nil {
		require.Contains(t, err.Error(), name, what)
		return true
	}
	got, err := trainSmall(d)
	require.Zero(t, d.Stats().LiveTensors, what)
	if err != nil {
		said = true
		require.NotContains(t, err.Error(), "\n", what)
		got, err = trainSmall(d)
		require.NoError(t, err, "%s: the device is of no use afterwards", what)
	}
	require.Equal(t, want, got, what)
	if err := d.Close(); closing {
		if err != nil {
			require.Contains(t, err.Error(), name, what)
			if name == "cuDevicePrimaryCtxRelease" {
				require.NoError(t, d.gpu.ReleasePrimaryCtx())
			}
			do(t, "clear-violations") // they name what could not be given back
		}
		return err != nil
	} else {
		require.NoError(t, err, what)
	}
	return said
}

// A launch that the driver refuses is named with its operation, and what follows works.
func TestLaunchFails(t *testing.T) {
	needEmulator(t)
	d := mustOpen(t)
	want, err := trainSmall(d)
	require.NoError(t, err)
	for n := 1; ; n++ {
		what := fmt.Sprintf("launch %d fails", n)
		do(t, "fail-launch %d", n)
		_, err := trainSmall(d)
		if err == nil {
			require.Greater(t, n, 30, "launches of a training")
			break
		}
		require.Regexp(t, `^([^\n]+: )?[a-z0-9_ -]+( of [^\n]+)?: cuLaunchKernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES|^cuGraphLaunch: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES`, err.Error(), what)
		got, err := trainSmall(d)
		require.NoError(t, err, what)
		require.Equal(t, want, got, what)
	}
	control.Reset()
	require.NoError(t, d.Close())
}

// An error while the GPU works is found by whoever waits next, names the operations it may be of, and stays.
func TestAsynchronousError(t *testing.T) {
	needEmulator(t)
	for _, row := range []struct {
		name string
		find func(d *Device, x *device.Tensor) error
	}{
		{"synchronize", func(d *Device, _ *device.Tensor) error { return d.Synchronize() }},
		{"download", func(d *Device, x *device.Tensor) error { _, err := x.Floats(); return err }},
		{"upload", func(d *Device, x *device.Tensor) error { // once the context is lost
			if err := d.queue.do("", func() error { _ = d.queue.wait(); return nil }); err != nil {
				return err
			}
			if err := d.Upload(x, make([]float32, 6)); err != nil {
				return err
			}
			return d.Synchronize()
		}},
		{"a library", func(d *Device, x *device.Tensor) error { // which says only that it failed
			if err := d.queue.do("", func() error { _ = d.queue.wait(); return nil }); err != nil {
				return err
			}
			if err := d.MatMul(x, x, x, false, false); err != nil {
				return err
			}
			return d.queue.do("", func() error { return nil })
		}},
	} {
		for _, debug := range []string{"", "1"} {
			what := row.name + " FOVEA_CUDA_SYNC=" + debug
			stop := watch(what)
			t.Setenv("FOVEA_CUDA_SYNC", debug)
			d := mustOpen(t)
			x, err := device.FromSlice(d, tensor.Shape{2, 3}, make([]float32, 6))
			require.NoError(t, err)
			square, err := d.New(tensor.Shape{3, 3}, tensor.Float32)
			require.NoError(t, err)
			require.NoError(t, d.Fill(square, 0))
			require.NoError(t, d.Synchronize())
			do(t, "async-error 2")
			require.NoError(t, d.Fill(x, 1))
			err = errors.Join(d.Scale(x, x, 2, 0), d.Fill(x, 2))
			if err == nil {
				err = row.find(d, map[bool]*device.Tensor{true: square, false: x}[row.name == "a library"])
			}
			require.ErrorContains(t, err, "the GPU failed while it worked: ", what)
			require.ErrorContains(t, err, "CUDA_ERROR_LAUNCH_FAILED", what)
			if debug == "1" {
				require.ErrorContains(t, err, "; caused by scale of (2, 3)", what)
			} else {
				require.Regexp(t, `; the last operations queued before, any of which may have caused it: \[.*scale of \(2, 3\).*\] \(FOVEA_CUDA_SYNC=1 waits after each and names it\)$`, err.Error(), what)
			}
			_, again := d.New(tensor.Shape{12345}, tensor.Float32)
			for _, again := range []error{again, d.Synchronize(), d.Fill(x, 0), d.Upload(x, make([]float32, 6)), d.Capture(func() error { return nil })} {
				require.ErrorContains(t, again, "the GPU failed while it worked", "%s: afterwards", what)
			}
			x.Release()
			square.Release()
			require.NoError(t, d.Close(), what)
			stop()
		}
	}
	t.Setenv("FOVEA_CUDA_SYNC", "")
	d := mustOpen(t) // in a captured step
	r, err := newTraining(d, small(), 2, 8)
	require.NoError(t, err)
	require.NoError(t, r.step())
	require.NoError(t, d.Synchronize())
	do(t, "async-error 1")
	require.NoError(t, d.Capture(r.step))
	require.ErrorContains(t, d.Synchronize(), "a captured step]")
	r.release()
	require.NoError(t, d.Close())
}

// A device whose memory is too small says how far it came, and works as soon as there is room.
func TestOutOfMemory(t *testing.T) {
	needEmulator(t)
	d := mustOpen(t)
	control.Reset()
	want, err := trainSmall(d)
	require.NoError(t, err)
	need := int64(control.Counter("bytes_allocated"))
	allocations := control.Counter("allocations")
	require.NoError(t, d.Close())
	for n := uint64(1); n <= allocations; n++ { // any, once: the reserve goes back, and there is room
		d := mustOpen(t)
		do(t, "fail-alloc %d", n)
		got, err := trainSmall(d)
		require.NoError(t, err, "allocation %d of %d fails", n, allocations)
		require.Equal(t, want, got, "allocation %d of %d fails", n, allocations)
		require.NoError(t, d.Close())
	}
	d = mustOpen(t)
	for part := range int64(20) {
		total := need*part/20 + 4096
		do(t, "memory %d", total)
		_, err := trainSmall(d)
		require.ErrorIs(t, err, ErrMemory, "%d bytes", total)
		require.Regexp(t, fmt.Sprintf(`^[^\n]*out of memory on cuda:0: \d+ bytes asked for, \d+ in use by tensors, \d+ are free of the GPU's %d \(a smaller batch needs less\): cuMemAlloc(Async)?: CUDA_ERROR_OUT_OF_MEMORY[^\n]*$`, total), err.Error())
		require.Zero(t, d.Stats().LiveTensors)
		do(t, "memory %d", int64(8)<<30)
		got, err := trainSmall(d)
		require.NoError(t, err, "after %d bytes were too few", total)
		require.Equal(t, want, got, "after %d bytes were too few", total)
		require.NoError(t, d.queue.do("", d.relieve)) // the next one begins with nothing
	}
	do(t, "memory %d", 64<<20) // room for one of these, if the other goes back
	for range 3 {
		for _, n := range []int{10 << 20, 12 << 20} {
			x, err := d.New(tensor.Shape{n}, tensor.Float32)
			require.NoError(t, err)
			require.NoError(t, d.Fill(x, 1))
			x.Release()
		}
	}
	do(t, "memory %d", int64(8)<<30)
	require.NoError(t, d.queue.do("", d.relieve))
	do(t, "fail-alloc-all")
	_, err = d.New(tensor.Shape{1000, 1000}, tensor.Float32)
	require.ErrorContains(t, err, "4194304 bytes asked for, ")
	require.ErrorContains(t, d.queue.do("", func() error { _, err := d.workspace(1 << 30); return err }), "1073741824 bytes of workspace: out of memory")
	require.ErrorContains(t, d.queue.do("", func() error { return d.staging.out.reserve(d, 1<<55) }),
		"out of memory on the host: 36028797018963968 bytes of pinned memory asked for: cuMemHostAlloc: CUDA_ERROR_OUT_OF_MEMORY")
	do(t, "clear-faults")
	require.NoError(t, d.Close())
}

// A step that needs more memory than the plain steps before had is captured all the same, and if there is none it fails as a
// whole, leaving the next as it would have been.
func TestOutOfMemoryInCapture(t *testing.T) {
	needEmulator(t)
	d := mustOpen(t)
	plain, err := newTraining(d, small(), 2, 8)
	require.NoError(t, err)
	require.NoError(t, plain.step())
	require.NoError(t, plain.step())
	for _, row := range []struct {
		fault string
		fails bool
	}{{"fail-alloc 1", false}, {"fail-alloc 5", false}, {"fail-alloc-all", true}, {"clear-faults", false}} {
		large, err := newTraining(d, small(), 6, 8)
		require.NoError(t, err)
		spare, err := d.New(tensor.Shape{1 << 20}, tensor.Float32) // a reserve that the step does not use
		require.NoError(t, err)
		spare.Release()
		do(t, "%s", row.fault)
		err = d.Capture(large.step)
		control.Reset()
		if row.fails {
			require.ErrorIs(t, err, ErrMemory, row.fault)
			require.NoError(t, large.step())
		} else {
			require.NoError(t, err, row.fault)
		}
		got, err := large.loss.Tensor().Floats()
		require.NoError(t, err, row.fault)
		require.InDelta(t, 1.1, got[0], 0.6, row.fault)
		large.release()
		require.NoError(t, d.queue.do("", d.relieve))
	}
	plain.release()
	require.NoError(t, d.Close())
}

// A captured step may have more and larger transfers than the ring of slots has room for: none overwrites another.
func TestCapturedTransfers(t *testing.T) {
	d := mustOpen(t)
	const many = 11
	tensors := make([]*device.Tensor, many)
	values := func(round, i, n int) []float32 {
		v := make([]float32, n)
		for j := range v {
			v[j] = float32(1000*round + 100*i + j)
		}
		return v
	}
	for i := range tensors {
		var err error
		tensors[i], err = d.New(tensor.Shape{1, 3, 1 + 20*i, 7}, tensor.Float32)
		require.NoError(t, err)
	}
	for round := range 3 {
		require.NoError(t, d.Capture(func() error {
			for i, x := range tensors {
				if err := d.Upload(x, values(round, i, x.Size())); err != nil {
					return err
				}
			}
			return nil
		}))
		for i, x := range tensors {
			got := make([]float32, x.Size())
			require.NoError(t, d.Download(got, x))
			require.Equal(t, values(round, i, x.Size()), got, "round %d, transfer %d", round, i)
		}
	}
	for _, row := range []struct {
		name string
		step func() error
	}{
		{"download", func() error { _, err := tensors[0].Floats(); return err }},
		{"synchronize", d.Synchronize},
	} {
		require.ErrorIs(t, d.Capture(row.step), errCaptured, row.name)
	}
	require.ErrorContains(t, d.Capture(func() error { return d.Capture(func() error { return nil }) }), "a capture within a capture")
	last := errors.New("the last operation fails after the step has returned")
	require.NoError(t, d.Fill(tensors[0], 5))
	require.ErrorIs(t, d.Capture(func() error {
		return errors.Join(d.Fill(tensors[0], 6), d.queue.post("last", func() error { return last }))
	}), last)
	require.NoError(t, d.Synchronize())
	got, err := tensors[0].Floats()
	require.NoError(t, err)
	require.Equal(t, 5.0, got[0], "nothing of a step that failed is done")
	require.NoError(t, d.Capture(func() error { return d.Fill(tensors[0], 7) }), "after a step that failed")
	got, err = tensors[0].Floats()
	require.NoError(t, err)
	require.Equal(t, 7.0, got[0])
	for _, x := range tensors {
		x.Release()
	}
	require.NoError(t, d.Close())
}

// What a library does not destroy is said by Close. The process is one of its own, as the emulator counts it as a leak.
func TestCloseFails(t *testing.T) {
	needEmulator(t)
	const variable = "FOVEA_TEST_CLOSE"
	if name := os.Getenv(variable); name != "" {
		d := mustOpen(t)
		_, err := trainSmall(d)
		require.NoError(t, err)
		do(t, "fail-call %s 1", name)
		require.ErrorContains(t, d.Close(), name)
		return
	}
	for _, name := range []string{"cudnnDestroy", "cudnnDestroyTensorDescriptor", "cublasLtDestroy", "cublasLtMatmulDescDestroy"} {
		child := exec.Command(os.Args[0], "-test.run=^TestCloseFails$", "-test.v")
		child.Env = append(os.Environ(), variable+"="+name)
		out, _ := child.CombinedOutput()
		require.Contains(t, string(out), "--- PASS: TestCloseFails", name)
		require.Regexp(t, `not released: c[A-Za-z]+_t: 1\nnot|not released: c[A-Za-z]+_t: 1\n$`, string(out), name)
		require.Equal(t, 1, strings.Count(string(out), "not released"), "%s: %s", name, out)
	}
}

// Close ends the worker and its thread.
func TestCloseEndsWorker(t *testing.T) {
	d := mustOpen(t)
	require.NoError(t, d.Close())
	before := runtime.NumGoroutine()
	for range 5 {
		d := mustOpen(t)
		require.Equal(t, before+1, runtime.NumGoroutine())
		require.NoError(t, d.Close())
	}
	require.Equal(t, before, runtime.NumGoroutine())
	image := kernels.Fatbin
	defer func() { kernels.Fatbin = image }()
	for name, damaged := range map[string][]byte{"empty": {0}, "another": append([]byte("\x7fELF"), image[4:]...), "noise": bytes.Repeat([]byte{0x5a}, 1<<16)} {
		kernels.Fatbin = damaged
		_, err := open()
		require.Regexp(t, "^the kernels for .*: cuModuleLoadData: CUDA_ERROR_", fmt.Sprint(err), name)
		require.Equal(t, before, runtime.NumGoroutine(), name)
	}
	kernels.Fatbin = image
	_, err := New(7, device.Options{})
	require.ErrorContains(t, err, "there is no GPU number 7, expected 0 to 0")
}

//go:build cuda

package cuda

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/device/cuda/launch"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/optim"
)

// opened opens the GPU in a precision and closes it with the test.
func opened(t *testing.T, p device.Precision) *Device {
	t.Helper()
	d, err := New(0, device.Options{Deterministic: true, Precision: p})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func floats(t *testing.T, x *device.Tensor) []float64 {
	t.Helper()
	f, err := x.Floats()
	require.NoError(t, err)
	return f
}

func TestStorage(t *testing.T) {
	shape := tensor.Shape{2, 3, 4, 5}
	for _, row := range []struct {
		p     device.Precision
		shape tensor.Shape
		want  launch.Type
		bytes int64
	}{
		{device.FP32, shape, launch.F32, 480}, {device.TF32, shape, launch.F32, 480}, {device.BF16, shape, launch.BF16, 240},
		{device.BF16, tensor.Shape{120}, launch.BF16, 240}, {device.BF16, tensor.Shape{}, launch.F32, 4}, {device.BF16, tensor.Shape{1, 1}, launch.F32, 4},
		{device.BF16, tensor.Shape{0, 3}, launch.F32, 0},
	} {
		d := opened(t, row.p)
		x, err := d.NewActivation(row.shape)
		require.NoError(t, err)
		require.Equal(t, row.want, storage(x), "%v of %v", row.p, row.shape)
		require.Equal(t, tensor.Float32, x.DType)
		require.Equal(t, row.bytes, d.Stats().LiveBytes, "%v of %v", row.p, row.shape)
		x.Release()
		w, err := d.New(row.shape, tensor.Float32)
		require.NoError(t, err)
		require.Equal(t, launch.F32, storage(w), "%v: a parameter of %v", row.p, row.shape)
		w.Release()
		require.Zero(t, d.Stats().LiveBytes)
	}
}

// Uploads round to the nearest, ties to even; views and copies in another layout keep the storage.
func TestActivationsAreRounded(t *testing.T) {
	d := opened(t, device.BF16)
	numbers := []float64{1, 1 + 1.0/256, 1 + 3.0/256, -1 - 1.0/128, 3.0e38, math.MaxFloat32, math.Inf(-1), math.NaN()}
	want := []float64{1, 1, 1 + 4.0/256, -1 - 1.0/128, 226 * math.Pow(2, 120), math.Inf(1), math.Inf(-1), math.NaN()}
	for _, shape := range []tensor.Shape{{8}, {1, 2, 2, 2}} {
		x, err := d.NewActivation(shape)
		require.NoError(t, err)
		require.NoError(t, d.Upload(x, numbers))
		for _, to := range []tensor.Shape{shape, {2, 4}, {2, 2, 2, 1}} {
			view, err := d.Reshape(x, to)
			require.NoError(t, err)
			require.Equal(t, launch.BF16, storage(view), "%v as %v", shape, to)
			for i, got := range floats(t, view) {
				require.InEpsilon(t, 1+pattern(want[i]), 1+pattern(got), 1e-7, "%v as %v: element %d is %v, expected %v", shape, to, i, got, want[i])
			}
			view.Release()
		}
		x.Release()
	}
}

// pattern makes NaN and infinities comparable.
func pattern(v float64) float64 { return float64(math.Float32bits(float32(v))) }

// casts counts how often float32 was rounded since the last call.
func casts() uint64 {
	n := control.Counter("kernel:cast_f32_bf16:launches")
	control.Reset()
	return n
}

// A weight's bfloat16 copy is made once, is never older than the weight, and goes with it.
func TestRoundedWeights(t *testing.T) {
	if !control.Present() {
		t.Skip("counts launches on the emulated GPU")
	}
	require.NoError(t, control.Do("count-bytes 1"))
	defer func() { require.NoError(t, control.Do("count-bytes 0")) }()
	d := opened(t, device.BF16)
	x, err := d.NewActivation(tensor.Shape{1, 2})
	require.NoError(t, err)
	require.NoError(t, d.Upload(x, []float64{1, 1}))
	w, err := device.FromSlice(d, tensor.Shape{2, 2}, []float64{1, 2, 3, 4})
	require.NoError(t, err)
	grad, err := device.FromSlice(d, tensor.Shape{2, 2}, []float64{1, 1, 1, 1})
	require.NoError(t, err)
	y, err := d.NewActivation(tensor.Shape{1, 2})
	require.NoError(t, err)
	nan, err := device.FromSlice(d, tensor.Shape{}, []float64{math.NaN()})
	require.NoError(t, err)
	update := []device.Update{{Value: w, Grad: grad}}
	require.NoError(t, d.Synchronize())
	casts()
	for _, row := range []struct {
		name string
		do   func() error
		want []float64
		made uint64
	}{
		{"the first use", func() error { return nil }, []float64{3, 7}, 1},
		{"another use", func() error { return nil }, []float64{3, 7}, 0},
		{"an optimiser's step", func() error { return d.SGD(update, device.SGDSpec{Rate: 1}) }, []float64{1, 5}, 0},
		{"a step that its guard forbids", func() error { return d.SGD(update, device.SGDSpec{Rate: 1, Guard: nan}) }, []float64{1, 5}, 0},
		{"an upload", func() error { return d.Upload(w, []float64{1, 1, 1, 1}) }, []float64{2, 2}, 1},
		{"a result", func() error { return d.Binary(w, w, grad, device.Add) }, []float64{4, 4}, 1},
		{"a step that was captured and failed", func() error {
			failed := errors.New("failed")
			require.NoError(t, d.Upload(w, []float64{2, 2, 2, 2}))
			err := d.Capture(func() error {
				require.NoError(t, d.Linear(y, x, w, nil))
				return failed
			})
			require.ErrorIs(t, err, failed)
			require.NoError(t, d.Synchronize())
			return nil
		}, []float64{4, 4}, 1},
		{"work that was dropped", func() error {
			require.NoError(t, d.Fill(w, 3))
			require.NoError(t, control.Do("fail-launch 1"))
			err := errors.Join(d.Fill(y, 0), d.Linear(y, x, w, nil), d.Synchronize())
			require.ErrorContains(t, err, "LAUNCH_OUT_OF_RESOURCES")
			return d.Fill(w, 3)
		}, []float64{6, 6}, 1},
	} {
		require.NoError(t, row.do(), row.name)
		require.NoError(t, d.Linear(y, x, w, nil), row.name)
		require.Equal(t, row.want, floats(t, y), "after %s", row.name)
		require.Equal(t, row.made, casts(), "casts after %s", row.name)
	}
	before := d.Stats().LiveBytes
	for _, x := range []*device.Tensor{x, w, grad, y, nan} {
		x.Release()
	}
	require.Equal(t, int64(4+4+16+8+16+4), before-d.Stats().LiveBytes, "bytes of x, y, w, its copy, the gradient and the guard")
}

// A step too small for bfloat16 to see moves the master weights, and after enough of them the products as well.
func TestMasterWeights(t *testing.T) {
	d := opened(t, device.BF16)
	w, err := device.FromSlice(d, tensor.Shape{1, 4}, []float64{1, 1, 1, 1})
	require.NoError(t, err)
	defer w.Release()
	grad, err := device.FromSlice(d, tensor.Shape{1, 4}, []float64{1, 1, 1, 1})
	require.NoError(t, err)
	defer grad.Release()
	const small = 1.0 / 4096 // half a unit of bfloat16 at 1 is 1/256 upwards
	for range 32 {
		require.NoError(t, d.SGD([]device.Update{{Value: w, Grad: grad}}, device.SGDSpec{Rate: -small}))
	}
	require.Equal(t, []float64{1 + 32*small, 1 + 32*small, 1 + 32*small, 1 + 32*small}, floats(t, w))
	// A gradient that is stored in few bits is refused, not misread.
	few, err := d.NewActivation(tensor.Shape{1, 4})
	require.NoError(t, err)
	defer few.Release()
	require.EqualError(t, d.SGD([]device.Update{{Value: w, Grad: few}}, device.SGDSpec{Rate: 1}),
		"sgd: a tensor of (1, 4) is stored as bf16, expected what New makes")
}

// trained is what came of a small network after 30 steps on pictures of one of four corners being bright.
type trained struct {
	loss, accuracy float64
	activations    int64 // bytes at the peak of a step, beyond the parameters
}

// train captures each step from the third on if asked to.
func train(t *testing.T, p device.Precision, captured bool) (r trained) {
	d := opened(t, p)
	const batch, side, classes = 16, 16, 4
	net, err := nn.Build(d, nn.Sequential(nn.Conv(16, 3, nn.Padding(1)), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2),
		nn.Conv(16, 3, nn.Padding(1)), nn.ReLU(), nn.Dropout(0.1), nn.AvgPool(2), nn.Flatten(), nn.Linear(16), nn.ReLU(), nn.Linear(classes)),
		tensor.Shape{1, side, side}, 1)
	require.NoError(t, err)
	defer net.Release()
	opt, err := optim.New(d, optim.Config{Method: "sgd", Rate: 0.01, Momentum: 0.9}, net.Parameters)
	require.NoError(t, err)
	defer opt.Release()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	source := philox.NewSource(philox.Stream{Seed: 7})
	samples := func() (*tensor.Dense, []int32) {
		x, labels := make([]float32, batch*side*side), make([]int32, batch)
		for n := range batch {
			labels[n] = int32(source.Intn(classes))
			for i := range side * side {
				corner := i/side/(side/2)*2 + i%side/(side/2)
				x[n*side*side+i] = float32(source.Normal(0, 1))
				if corner == int(labels[n]) {
					x[n*side*side+i]++
				}
			}
		}
		return tensor.New(tensor.WithShape(batch, 1, side, side), tensor.WithBacking(x)), labels
	}
	var base int64
	one := func(step int) error {
		tape.Reset()
		base = d.Stats().LiveBytes
		x, labels := samples()
		tape.Training = step < 30
		tape.NoGrad = !tape.Training
		tape.Random = philox.Stream{Seed: 1, ID: uint64(step)}
		out := net.Forward(tape.Input(x))
		loss := autograd.CrossEntropy(out, tape.Labels(labels)).Keep()
		if tape.Training {
			net.ZeroGrad()
			return errors.Join(tape.Backward(loss), opt.Step())
		}
		count, err := device.FromSlice(d, tensor.Shape{}, []float64{0})
		require.NoError(t, err)
		autograd.CountCorrect(count, out, tape.Labels(labels))
		require.NoError(t, tape.Err())
		r.accuracy = floats(t, count)[0] / batch
		count.Release()
		r.loss, err = loss.Item()
		return err
	}
	for step := range 31 {
		if step > 2 && step < 30 && captured {
			require.NoError(t, d.Capture(func() error { return one(step) }))
		} else {
			require.NoError(t, one(step))
		}
	}
	r.activations = d.Stats().PeakBytes - base
	return r
}

func TestTrainingInEachPrecision(t *testing.T) {
	exact := train(t, device.FP32, false)
	require.Equal(t, 1.0, exact.accuracy)
	require.Less(t, exact.loss, 0.1)
	for _, p := range []device.Precision{device.TF32, device.BF16} {
		got := train(t, p, false)
		t.Logf("%v: %+v, fp32: %+v", p, got, exact)
		require.Equal(t, exact.accuracy, got.accuracy, "%v", p)
		require.InDelta(t, exact.loss, got.loss, 0.05, "%v", p)
		require.NotEqual(t, exact.loss, got.loss, "%v changes nothing", p)
		if p == device.BF16 {
			require.InDelta(t, 0.5, float64(got.activations)/float64(exact.activations), 0.1, "share of the memory of activations")
		}
	}
	require.Equal(t, train(t, device.BF16, false), train(t, device.BF16, true), "captured steps")
}

// A GPU whose tensor cores have neither TF32 nor bfloat16 refuses them.
func TestOldGPU(t *testing.T) {
	if !control.Present() {
		t.Skip("needs a GPU of choice: the emulated one")
	}
	if os.Getenv("FOVEA_EMU_COMPUTE") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestOldGPU$")
		again.Env = append(os.Environ(), "FOVEA_EMU_COMPUTE=75")
		output, err := again.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.NotContains(t, string(output), "no tests to run")
		return
	}
	for _, p := range []device.Precision{device.TF32, device.BF16} {
		_, err := New(0, device.Options{Precision: p})
		require.ErrorContains(t, err, "precision "+p.String()+" needs a GPU of compute capability 8.0 or later")
		require.ErrorContains(t, err, "has 7.5: it offers fp32")
	}
	d, err := New(0, device.Options{})
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

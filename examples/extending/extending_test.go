package extending_test

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/examples/extending"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/onnx"
	"fovea/nn/optim"
)

// column is [n, 1] of numbers that keep away from the kinks of PReLU and Huber.
func column(values ...float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(values), 1), tensor.WithBacking(values))
}

// The gradients of PReLU under Huber's loss are those of finite differences, in float64; other devices agree with them.
func TestGradients(t *testing.T) {
	x, target := []float32{-3, -0.7, 0.4, 2.5}, column(0.1, 0.3, 0.2, -0.4)
	for _, name := range devicetest.Names() {
		t.Run(name, func(t *testing.T) {
			dev, err := device.Open(name, device.Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			net, err := nn.Build(dev, &extending.PReLU{}, tensor.Shape{1}, 1)
			require.NoError(t, err)
			defer net.Release()
			tape := autograd.NewTape(dev)
			defer tape.Reset()
			loss := func(x []float32) (v, l *autograd.Value) {
				tape.Reset()
				v = tape.Variable(column(x...))
				return v, extending.Huber(net.Forward(v), &data.Batch{Targets: target})
			}
			v, l := loss(x)
			require.NoError(t, tape.Backward(l))
			gradient, err := v.Grad().Floats()
			require.NoError(t, err)
			for i, want := range []float64{-0.85 * 0.25, -0.475 * 0.25, 0.2, 1} { // distances -0.85, -0.475, 0.2 and 2.9
				require.InDelta(t, want/4, gradient[i], 1e-6, "element %d by hand", i)
			}
			if dev.Float() != tensor.Float64 {
				return
			}
			for i := range x {
				at := func(step float32) float64 {
					moved := append([]float32(nil), x...)
					moved[i] += step
					_, l := loss(moved)
					value, err := l.Item()
					require.NoError(t, err)
					return value
				}
				const step = 1.0 / 1024
				require.InDelta(t, (at(step)-at(-step))/(2*step), gradient[i], 1e-6, "element %d by differences", i)
			}
		})
	}
}

// A loss of one's own meets what a trainer can do beside it, and a network that fails does not reach it.
func TestLossInTrainer(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	info := data.Info{Name: "line", Sample: tensor.Shape{1, 1, 1}, Targets: 1}
	set, err := data.NewMemory(info, []float32{1, 2, 3, 4}, nil, []float32{1, 2, 3, 4})
	require.NoError(t, err)
	train := func(change func(*fit.Trainer)) ([]float64, error) {
		net, err := nn.Build(dev, nn.Sequential(nn.Flatten(), nn.Linear(1)), info.Sample, 1)
		require.NoError(t, err)
		defer net.Release()
		sgd, err := optim.New(dev, optim.Config{Method: "sgd", Rate: 0.05}, net.Parameters)
		require.NoError(t, err)
		defer sgd.Release()
		trainer := &fit.Trainer{Network: net, Optimizer: sgd, Epochs: 3, Train: &data.Loader{Set: set, Batch: 4}, Validation: set, Loss: extending.Huber}
		change(trainer)
		if err := trainer.Run(context.Background()); err != nil {
			return nil, err
		}
		return trainer.Losses, nil
	}
	whole, err := train(func(*fit.Trainer) {})
	require.NoError(t, err)
	require.Len(t, whole, 3)
	require.Less(t, whole[2], whole[0])
	parts, err := train(func(t *fit.Trainer) { t.Part = 2 })
	require.NoError(t, err)
	require.InDeltaSlice(t, whole, parts, 1e-5, "a batch in parts has the gradients of the whole")
	_, err = train(func(t *fit.Trainer) { t.Smoothing = 0.1 })
	require.ErrorContains(t, err, "label smoothing")
	_, err = train(func(t *fit.Trainer) { t.Loss = nanLoss })
	var diverged *fit.DivergedError
	require.ErrorAs(t, err, &diverged)
}

func nanLoss(output *autograd.Value, _ *data.Batch) *autograd.Value {
	return autograd.Mean(autograd.Scale(output, math.NaN(), 0), false)
}

// What a sample of stripes is depends on its number alone; what is not there is refused.
func TestStripes(t *testing.T) {
	sets, err := data.Open(t.Context(), "stripes:10", data.Options{})
	require.NoError(t, err)
	epoch := func(workers int) (all []float32) {
		for b, err := range (&data.Loader{Set: sets.Train, Batch: 5, Workers: workers}).Epoch(t.Context(), 0) {
			require.NoError(t, err)
			all = append(all, b.X.Data().([]float32)...)
		}
		return all
	}
	require.Equal(t, epoch(1), epoch(4))
	require.NoError(t, data.CheckLabels(sets.Train, 2))
	x := make([]float32, 256)
	for _, i := range []int{-1, 10} {
		require.ErrorContains(t, sets.Train.Read(i, x), "stripes: sample")
		require.Equal(t, -1, sets.Train.Label(i))
	}
	require.ErrorContains(t, sets.Train.Read(0, x[1:]), "into 255 values")
	for _, argument := range []string{"0", "1000001", "x", "-3"} {
		_, err := data.Open(t.Context(), "stripes:"+argument, data.Options{})
		require.ErrorContains(t, err, "expected a whole number from 1 to 1000000", argument)
	}
}

// A network with a layer and an operation of one's own is written as ONNX, and read back.
func TestExport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.onnx")
	layer := nn.Sequential(nn.Conv(4, 3), &extending.PReLU{}, nn.Flatten(), extending.Binary{}, nn.Linear(2))
	require.NoError(t, onnx.Export(path, layer, tensor.Shape{1, 6, 6}, onnx.ExportOptions{}))
	contents, err := onnx.List(path)
	require.NoError(t, err)
	var names []string
	for _, n := range contents.Nodes {
		names = append(names, n.Op)
	}
	require.Subset(t, names, []string{"Conv", "Relu", "Mul", "Sub", "Gemm"})
}

func TestPReLURefusals(t *testing.T) {
	_, err := nn.Describe(&extending.PReLU{}, tensor.Shape{})
	require.ErrorIs(t, err, device.ErrShape)
	twice := &extending.PReLU{}
	_, err = nn.Describe(nn.Sequential(twice, twice), tensor.Shape{3, 4, 4})
	require.ErrorContains(t, err, "built before")
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	extending.Log(&b)(fit.Progress{Epoch: 1, Epochs: 2, Step: 3, Steps: 4, Train: fit.Metrics{Loss: 0.5}})
	require.Equal(t, "epoch 1 of 2, step 3 of 4: loss 0.500\n", b.String())
}

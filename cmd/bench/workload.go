package main

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/optim"
	"fovea/nn/zoo"
)

// workload is a network with a batch on a device, and the step that is measured: that of nn/fit without what it does for
// its user (reading batches, metrics, snapshots).
type workload struct {
	dev       device.Device
	net       *nn.Network
	input     *autograd.Value // a parameter that no optimiser knows, so that it stays on the device
	numbers   *device.Tensor  // what the input holds, nil if nothing is computed
	labels    []int32
	training  bool
	tape      *autograd.Tape
	optimizer *optim.Optimizer
	result    *autograd.Value // of the last step: the loss, or the outputs
	steps     int
}

// build makes a network with random weights and a batch of random numbers.
func build(dev device.Device, m zoo.Model, batch int, training bool) (*workload, error) {
	net, err := nn.Build(dev, m.New(m.Classes), m.Sample, 1)
	if err != nil {
		return nil, err
	}
	shape := append(tensor.Shape{batch}, m.Sample...)
	values := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(noise(device.Size(shape))))
	input, err := autograd.NewParameter(dev, "input", values)
	if err != nil {
		net.Release()
		return nil, err
	}
	w, err := assemble(dev, net, input, m, training)
	if err != nil {
		input.Release()
		net.Release()
		return nil, err
	}
	if w.numbers, err = device.FromDense(dev, values); err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}

// assemble puts tape and optimiser to a network and its input.
func assemble(dev device.Device, net *nn.Network, input *autograd.Value, m zoo.Model, training bool) (*workload, error) {
	input.Frozen = true
	w := &workload{dev: dev, net: net, input: input, training: training, tape: autograd.NewTape(dev), labels: make([]int32, input.Shape()[0])}
	w.tape.Training, w.tape.NoGrad = training, !training
	for i := range w.labels {
		w.labels[i] = int32(i * 7 % m.Classes)
	}
	if !training {
		return w, nil
	}
	var err error
	w.optimizer, err = optim.New(dev, optimiser(m.Name), net.Parameters)
	return w, err
}

// optimiser is what the peers train the network with too. The learning rate changes no time; it is small, so that labels
// without sense do not drive the weights to infinity.
func optimiser(model string) optim.Config {
	const rate = 1e-4
	if small(model) {
		return optim.Config{Method: "adam", Rate: rate, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	}
	return optim.Config{Method: "sgd", Rate: rate, Momentum: 0.9, WeightDecay: 5e-4}
}

// small are the MNIST networks.
func small(model string) bool {
	return slices.Contains([]string{"mlp", "cnn-small", "cnn-large"}, model)
}

// noise is n random numbers that repeat after a while, which no layer notices and which are made faster.
func noise(n int) []float32 {
	const period = 1<<16 - 15
	values, random := make([]float32, n), philox.NewSource(philox.Stream{Seed: 1})
	for i := range min(n, period) {
		values[i] = float32(random.Normal(0, 1))
	}
	for i := period; i < n; i += period {
		copy(values[i:], values[:period])
	}
	return values
}

// dropoutUse tells the streams of dropout masks from others of the same seed ("dropout" in ASCII), as in nn/fit.
const dropoutUse = 0x64726f706f7574

// compute queues one step; it does not wait for the device.
func (w *workload) compute() error {
	w.tape.Reset()
	w.tape.Random = philox.Stream{Seed: 1}.Sub(dropoutUse, uint64(w.steps))
	output := w.net.Forward(w.tape.Use(w.input))
	if !w.training {
		w.result = output
		return w.tape.Err()
	}
	labels := w.tape.Labels(w.labels)
	w.result = nn.Loss(output, func(x *autograd.Value) *autograd.Value { return autograd.CrossEntropy(x, labels) })
	w.net.ZeroGrad()
	if err := w.tape.Backward(w.result); err != nil {
		return err
	}
	return w.optimizer.Step()
}

// plainSteps are made piece by piece before a step is captured, as in nn/fit.
const plainSteps = 2

func (w *workload) step() error {
	if err := w.renew(); err != nil {
		return err
	}
	capturer, can := w.dev.(device.Capturer)
	var err error
	if can && w.training && w.steps >= plainSteps {
		err = capturer.Capture(w.compute)
	} else {
		err = w.compute()
	}
	w.steps++
	return err
}

// renew writes the input, as every batch is another one: a device may keep a batch in an order that suits its kernels only as
// long as that is what the batch holds.
func (w *workload) renew() error { return device.Copy(w.input.Tensor(), w.numbers) }

// check reads what the last step gave. Times of arithmetic on numbers that are none would mean little.
func (w *workload) check() error {
	values, err := w.result.Tensor().Floats()
	if err != nil {
		return err
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("step %d gave %v, expected finite numbers: the times mean nothing", w.steps, v)
		}
	}
	return nil
}

func (w *workload) release() {
	w.tape.Reset()
	if w.optimizer != nil {
		w.optimizer.Release()
	}
	w.input.Release()
	w.numbers.Release()
	w.net.Release()
}

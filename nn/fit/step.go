package fit

import (
	"fmt"
	"math"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/nn"

	"gorgonia.org/tensor"
)

// Metrics are what a network achieved on some samples.
type Metrics struct {
	Samples  int
	Loss     float64 // mean over the samples
	Accuracy float64 // share of samples whose class was found; NaN for regression
}

// meter adds up metrics. Correct predictions are counted on the device and read when asked for.
type meter struct {
	dev     device.Device
	count   *device.Tensor // nil for regression
	samples int
	loss    float64 // sum over the samples
}

func newMeter(d device.Device, info data.Info) (*meter, error) {
	m := &meter{dev: d}
	if info.Targets > 0 {
		return m, nil
	}
	var err error
	if m.count, err = d.New(tensor.Shape{}, d.Float()); err != nil {
		return nil, err
	}
	return m, m.reset()
}

func (m *meter) reset() error {
	m.samples, m.loss = 0, 0
	if m.count == nil {
		return nil
	}
	return m.dev.Fill(m.count, 0)
}

func (m *meter) read() (Metrics, error) {
	metrics := Metrics{Samples: m.samples, Loss: m.loss / float64(m.samples), Accuracy: math.NaN()}
	if m.count != nil {
		count, err := m.count.Floats()
		if err != nil {
			return metrics, err
		}
		metrics.Accuracy = count[0] / float64(m.samples)
	}
	return metrics, nil
}

func (m *meter) release() { m.count.Release() }

// forward computes the network and its loss on a batch: cross-entropy for class labels, squared error for targets.
func forward(tape *autograd.Tape, net *nn.Network, batch *data.Batch) (output, labels, loss *autograd.Value) {
	output = net.Forward(tape.Input(batch.X))
	if batch.Targets != nil {
		return output, nil, autograd.SquaredError(output, tape.Input(batch.Targets))
	}
	labels = tape.Labels(batch.Labels)
	return output, labels, autograd.CrossEntropy(output, labels)
}

// add counts a batch and returns its loss.
func (m *meter) add(output, labels, loss *autograd.Value) (float64, error) {
	if m.count != nil {
		autograd.CountCorrect(m.count, output, labels)
	}
	value, err := loss.Item()
	if err != nil {
		return 0, err
	}
	n := output.Shape()[0]
	m.samples += n
	m.loss += value * float64(n)
	return value, nil
}

// Check says whether a network fits a data set: the samples' shape, and one output per class or target.
func Check(net *nn.Network, info data.Info, classes int) error {
	want := append(tensor.Shape{1}, info.Sample...)
	if !device.EqualShape(net.Input, want) {
		return fmt.Errorf("%w: the network takes samples %v, data %q has %v", device.ErrShape, net.Input[1:], info.Name, info.Sample)
	}
	outputs, kind := classes, "classes"
	if info.Targets > 0 {
		outputs, kind = info.Targets, "targets"
	}
	if len(net.Output) != 2 || net.Output[1] != outputs {
		return fmt.Errorf("%w: the network gives %v for a sample, data %q needs one output for each of %d %s", device.ErrShape, net.Output[1:], info.Name, outputs, kind)
	}
	return nil
}

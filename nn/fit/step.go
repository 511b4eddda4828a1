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

// meter adds up metrics on the device, so that a step need not wait for its loss: each loss goes to a slot, and read
// fetches them all.
type meter struct {
	dev     device.Device
	count   *device.Tensor // correct predictions; nil for regression
	losses  *device.Tensor // [slots]
	sizes   []int          // samples behind each loss since the last read
	samples int
	loss    float64 // sum over the samples, of the losses read
}

// slots is how many losses may wait to be read.
const slots = 64

// badLoss is the first loss since the last read that was not finite.
type badLoss struct {
	value float64
	ago   int // how many losses came after it
}

func newMeter(d device.Device, info data.Info) (*meter, error) {
	m := &meter{dev: d}
	var err error
	if m.losses, err = d.New(tensor.Shape{slots}, d.Float()); err != nil {
		return nil, err
	}
	if info.Targets == 0 {
		if m.count, err = d.New(tensor.Shape{}, d.Float()); err != nil {
			m.release()
			return nil, err
		}
	}
	if err := m.reset(); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *meter) reset() error {
	m.samples, m.loss, m.sizes = 0, 0, m.sizes[:0]
	if m.count == nil {
		return nil
	}
	return m.dev.Fill(m.count, 0)
}

// full says that read must come before the next add.
func (m *meter) full() bool { return len(m.sizes) == slots }

// add counts a batch, on the device.
func (m *meter) add(output, labels, loss *autograd.Value) error {
	if err := m.predicted(output, labels); err != nil {
		return err
	}
	return m.lost(loss.Tensor(), output.Shape()[0])
}

// predicted counts what is right.
func (m *meter) predicted(output, labels *autograd.Value) error {
	if m.count != nil {
		autograd.CountCorrect(m.count, output, labels)
	}
	return output.Tape().Err()
}

// lost keeps the mean loss of some samples.
func (m *meter) lost(loss *device.Tensor, samples int) error {
	one, err := m.dev.Reshape(loss, tensor.Shape{1})
	if err != nil {
		return err
	}
	defer one.Release()
	if err := m.dev.CopyRegion(m.losses, []int{len(m.sizes)}, one, []int{0}, []int{1}); err != nil {
		return err
	}
	m.sizes = append(m.sizes, samples)
	return nil
}

// read waits for the device. It reports the first loss since the last read that is not finite.
func (m *meter) read() (Metrics, *badLoss, error) {
	var bad *badLoss
	if len(m.sizes) > 0 {
		losses, err := m.losses.Floats()
		if err != nil {
			return Metrics{}, nil, err
		}
		for i, n := range m.sizes {
			m.samples += n
			m.loss += losses[i] * float64(n)
			if bad == nil && !isFinite(losses[i]) {
				bad = &badLoss{losses[i], len(m.sizes) - 1 - i}
			}
		}
		m.sizes = m.sizes[:0]
	}
	metrics := Metrics{Samples: m.samples, Loss: m.loss / float64(m.samples), Accuracy: math.NaN()}
	if m.count != nil {
		count, err := m.count.Floats()
		if err != nil {
			return metrics, bad, err
		}
		metrics.Accuracy = count[0] / float64(m.samples)
	}
	return metrics, bad, nil
}

func (m *meter) release() {
	if m == nil {
		return
	}
	m.count.Release()
	m.losses.Release()
}

// forward computes the network and its loss on a batch: one's own, if there is one; else cross-entropy for class labels, or for
// soft targets of the classes if it is given those, squared error for targets of a regression; with those of auxiliary heads in
// training. Labels are those that a prediction is measured by.
func forward(tape *autograd.Tape, net *nn.Network, batch *data.Batch, soft []float64, own Loss) (output, labels, loss *autograd.Value) {
	output = net.Forward(tape.Input(batch.X))
	if own != nil {
		if batch.Targets == nil {
			labels = tape.Labels(batch.Labels)
		}
		return output, labels, nn.Loss(output, func(x *autograd.Value) *autograd.Value { return own.of(x, batch) })
	}
	if batch.Targets != nil {
		targets := tape.Input(batch.Targets)
		return output, nil, nn.Loss(output, func(x *autograd.Value) *autograd.Value { return autograd.SquaredError(x, targets) })
	}
	labels = tape.Labels(batch.Labels)
	if soft == nil {
		return output, labels, nn.Loss(output, func(x *autograd.Value) *autograd.Value { return autograd.CrossEntropy(x, labels) })
	}
	targets := tape.Input(tensor.New(tensor.WithShape(len(batch.Labels), net.Output[1]), tensor.WithBacking(soft)))
	return output, labels, nn.Loss(output, func(x *autograd.Value) *autograd.Value { return autograd.SoftCrossEntropy(x, targets) })
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

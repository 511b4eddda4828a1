package fit

import (
	"cmp"
	"context"
	"fmt"

	"fovea/autograd"
	"fovea/data"
	"fovea/nn"
)

// Evaluate measures a network on a set, in batches of the given size, without training it. A loss that is not finite is a
// [DivergedError].
func Evaluate(ctx context.Context, net *nn.Network, set data.Set, batch int) (Metrics, error) {
	return evaluate(ctx, net, &data.Loader{Set: set, Batch: batch}, nil, nil)
}

// EvaluateLoss is Evaluate with another loss.
func EvaluateLoss(ctx context.Context, net *nn.Network, set data.Set, batch int, loss Loss) (Metrics, error) {
	return evaluate(ctx, net, &data.Loader{Set: set, Batch: batch}, loss, nil)
}

// EvaluateEach is Evaluate of a loader's first epoch that hands on the outputs and labels of each batch, unless each is nil. Both
// are each's only until it returns.
func EvaluateEach(ctx context.Context, net *nn.Network, loader *data.Loader, each func(outputs []float64, labels []int32)) (Metrics, error) {
	return evaluate(ctx, net, loader, nil, each)
}

// validate measures on the validation set, read by as many workers as the training set is.
func (t *Trainer) validate(ctx context.Context) (Metrics, error) {
	return evaluate(ctx, t.Network, &data.Loader{Set: t.Validation, Batch: cmp.Or(t.Part, t.Train.Batch), Workers: t.Train.Workers}, t.Loss, nil)
}

func evaluate(ctx context.Context, net *nn.Network, loader *data.Loader, own Loss, each func(outputs []float64, labels []int32)) (Metrics, error) {
	set := loader.Set
	m, err := newMeter(net.Device, set.Info())
	if err != nil {
		return Metrics{}, err
	}
	defer m.release()
	tape := autograd.NewTape(net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	done := 0
	read := func() (Metrics, error) {
		metrics, bad, err := m.read()
		if err != nil || bad == nil {
			return metrics, err
		}
		b, err := again(loader, 0, done-1-bad.ago)
		if err != nil {
			return metrics, err
		}
		return metrics, diverged(tape, net, b, own, DivergedError{Set: set.Info().Name, Loss: bad.value})
	}
	for b, err := range loader.Epoch(ctx, 0) {
		if err != nil {
			return Metrics{}, err
		}
		tape.Reset()
		output, labels, loss := forward(tape, net, b, nil, own)
		if err := m.add(output, labels, loss); err != nil {
			return Metrics{}, err
		}
		if each != nil {
			values, err := output.Tensor().Floats()
			if err != nil {
				return Metrics{}, err
			}
			each(values, b.Labels)
		}
		if done++; m.full() {
			if _, err := read(); err != nil {
				return Metrics{}, err
			}
		}
	}
	return read()
}

// again reads one batch of an epoch once more.
func again(loader *data.Loader, epoch, number int) (*data.Batch, error) {
	for b, err := range loader.EpochFrom(context.Background(), epoch, number) {
		if err != nil {
			return nil, err
		}
		return b.Clone(), nil
	}
	return nil, fmt.Errorf("batch %d of epoch %d is not there any more", number, epoch)
}

package fit

import (
	"context"

	"fovea/autograd"
	"fovea/data"
	"fovea/nn"
)

// Evaluate measures a network on a set, in batches of the given size, without training it.
func Evaluate(ctx context.Context, net *nn.Network, set data.Set, batch int) (Metrics, error) {
	m, err := newMeter(net.Device, set.Info())
	if err != nil {
		return Metrics{}, err
	}
	defer m.release()
	tape := autograd.NewTape(net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	loader := &data.Loader{Set: set, Batch: batch}
	for b, err := range loader.Epoch(ctx, 0) {
		if err != nil {
			return Metrics{}, err
		}
		tape.Reset()
		if _, err := m.add(forward(tape, net, b)); err != nil {
			return Metrics{}, err
		}
	}
	return m.read()
}

package fit

import (
	"context"

	"fovea/autograd"
	"fovea/data"
	"fovea/nn"
)

// Evaluate measures a network on a set, in batches of the given size, without training it. A loss that is not finite is a
// [DivergedError].
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
		loss, err := m.add(forward(tape, net, b))
		if err != nil {
			return Metrics{}, err
		}
		if !isFinite(loss) {
			return Metrics{}, diverged(tape, net, b, DivergedError{Set: set.Info().Name, Loss: loss})
		}
	}
	return m.read()
}

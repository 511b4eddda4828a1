package fit

import (
	"fovea/data"
	"fovea/device"
	"fovea/device/philox"
)

// update makes one training step. It does not wait for the device.
func (t *Trainer) update(batch *data.Batch) error {
	if n := batch.X.Shape()[0]; n != t.size {
		t.size, t.plain = n, 0
	}
	// The first steps of a size are made piece by piece: a device chooses its algorithms and asks for its memory then.
	capturer, can := t.Network.Device.(device.Capturer)
	var err error
	if can && t.plain >= 2 {
		err = capturer.Capture(func() error { return t.compute(batch) })
	} else {
		err = t.compute(batch)
		t.plain++
	}
	if err == nil {
		t.step++
	}
	return err
}

func (t *Trainer) compute(batch *data.Batch) error {
	t.Network.ZeroGrad()
	if parts := split(batch, t.Part); len(parts) > 1 {
		if err := t.accumulate(parts, batch); err != nil {
			return err
		}
	} else if err := t.whole(batch); err != nil {
		return err
	}
	if err := t.clip.apply(t.Network.Parameters); err != nil {
		return err
	}
	if err := t.Optimizer.Step(); err != nil {
		return err
	}
	return t.mean.add(t.step + 1)
}

// whole computes the gradients of a batch that goes through the network at once.
func (t *Trainer) whole(batch *data.Batch) error {
	soft, err := t.targets(batch)
	if err != nil {
		return err
	}
	t.tape.Reset()
	t.tape.Random = t.random(0)
	output, labels, loss := forward(t.tape, t.Network, batch, soft, t.Loss)
	if err := t.meter.add(output, labels, loss); err != nil {
		return err
	}
	if err := t.Network.Device.Binary(t.guard, t.guard, loss.Tensor(), device.Add); err != nil {
		return err
	}
	return t.tape.Backward(loss)
}

// random is the stream of dropout masks of a part of the next update's batch.
func (t *Trainer) random(part int) philox.Stream {
	s := philox.Stream{Seed: t.Seed}.Sub(dropoutUse, uint64(t.step))
	if part > 0 {
		s = s.Sub(partUse, uint64(part))
	}
	return s
}

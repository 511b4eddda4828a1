package fit

import (
	"errors"

	"fovea/data"
)

// look reads the losses of the last steps. done steps of this epoch have been made. If a loss was not finite, the weights
// are still those it was computed with: it is made out where it came from, and the last good ones are put back.
func (t *Trainer) look(epoch, done int) (Metrics, error) {
	waiting := len(t.meter.sizes)
	metrics, bad, err := t.meter.read()
	if err != nil {
		return metrics, err
	}
	finite := waiting // steps before the bad one
	if bad != nil {
		finite = waiting - 1 - bad.ago
	}
	if finite > 0 && t.next.step == t.step-waiting {
		t.good.swap(t.next)
	}
	t.next.step = -1
	if bad == nil {
		return metrics, nil
	}
	t.step -= bad.ago + 1
	t.Optimizer.Steps = t.step
	batch, err := again(t.Train, epoch-1, done-1-bad.ago)
	if err != nil {
		return metrics, err
	}
	known := &DivergedError{Step: t.step + 1, Set: t.Train.Set.Info().Name, Loss: bad.value}
	for i, part := range split(batch, t.Part) {
		t.tape.Random = t.random(i)
		if err := known.diagnose(t.tape, t.Network, part, t.Loss); err != nil {
			return metrics, err
		}
		if known.Layer != "" {
			break
		}
	}
	return metrics, t.restore(epoch, known)
}

// confirm tries the weights of the last update, since OnEpoch or OnCheckpoint may keep them and nothing else has computed a
// loss with them yet. The batch is that of the update.
func (t *Trainer) confirm(epoch int, batch *data.Batch) error {
	t.tape.Reset() // its memory serves the trial
	defer t.trial.Reset()
	for _, part := range split(batch, t.Part) {
		t.trial.Reset()
		_, _, loss := forward(t.trial, t.Network, part, nil, t.Loss)
		value, err := loss.Item()
		if err != nil {
			return err
		}
		if !isFinite(value) {
			return t.restore(epoch, diverged(t.trial, t.Network, part, t.Loss, DivergedError{Set: t.Train.Set.Info().Name, Loss: value}))
		}
	}
	return nil
}

// restore puts the last good weights back if err is a DivergedError, and adds what the trainer knows to it.
func (t *Trainer) restore(epoch int, err error) error {
	var d *DivergedError
	if !errors.As(err, &d) {
		return err
	}
	if err := t.good.restore(); err != nil {
		return err
	}
	d.Epoch, d.Restored, d.Kept = epoch, true, t.good.step
	if d.Step == 0 {
		d.Step, d.After = t.step, true
	}
	return d
}

package fit

import (
	"context"
	"errors"
	"time"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/optim"
)

// Trainer trains a network. The exported fields are set before Run.
type Trainer struct {
	Network    *nn.Network
	Optimizer  *optim.Optimizer
	Train      *data.Loader
	Validation data.Set // measured after each epoch; nil: none
	Epochs     int      // full passes over the training set
	MaxSteps   int      // updates at most; 0: no limit
	Seed       uint64   // of the dropout masks
	OnStep     func(Progress)
	OnEpoch    func(Epoch) error

	tape  *autograd.Tape // trains
	trial *autograd.Tape // tries weights, see confirm
	meter *meter
	guard *device.Tensor // the sum of all losses: once it is not finite, the optimiser changes nothing any more
	good  *snapshot      // weights that gave a finite loss
	next  *snapshot      // taken later, and good if the next loss is finite; nothing if its step is not the next one's
	plain int            // steps made without capturing, of the batch size of the last one
	size  int            // that batch size
	step  int            // updates made
}

// Progress is where training stands: told to OnStep about ten times a second, and at an epoch's end.
type Progress struct {
	Epoch, Epochs int // from 1
	Step, Steps   int // of this epoch, from 1; Steps is less than a whole epoch's where MaxSteps ends it
	Train         Metrics
	Elapsed       time.Duration // since the epoch began
}

// Epoch is what one pass over the training set achieved: told to OnEpoch, whose error stops training.
type Epoch struct {
	Epoch      int // from 1
	Step       int // updates since the start
	Complete   bool
	Train      Metrics // measured while it trained: with dropout, and before each update
	Validation *Metrics
	Elapsed    time.Duration // spent training, without validation
}

// keepEvery is how many updates pass between two snapshots of weights known to be good.
const keepEvery = 50

// dropoutUse tells the streams of dropout masks from others of the same seed ("dropout" in ASCII).
const dropoutUse = 0x64726f706f7574

// Run trains until the epochs or steps are done or ctx is cancelled, whose cause it then returns: the step at work is
// finished, and the epoch that was cut is told to OnEpoch too.
func (t *Trainer) Run(ctx context.Context) error {
	var err error
	if t.meter, err = newMeter(t.Network.Device, t.Train.Set.Info()); err != nil {
		return err
	}
	defer t.meter.release()
	t.tape = autograd.NewTape(t.Network.Device)
	t.tape.Training = true
	defer t.tape.Reset()
	t.trial = autograd.NewTape(t.Network.Device)
	t.trial.NoGrad = true
	defer t.trial.Reset()
	if t.guard, err = t.Network.Device.New(tensor.Shape{}, t.Network.Device.Float()); err != nil {
		return err
	}
	t.Optimizer.Guard = t.guard
	defer func() {
		t.Optimizer.Guard = nil
		t.guard.Release()
	}()
	if err := t.Network.Device.Fill(t.guard, 0); err != nil {
		return err
	}
	t.good, t.next = newSnapshot(t.Network), newSnapshot(t.Network)
	t.next.step = -1
	if err := t.good.take(0); err != nil {
		return err
	}
	for epoch := 1; epoch <= t.Epochs && !t.finished(); epoch++ {
		if err := t.epoch(ctx, epoch); err != nil {
			return err
		}
	}
	return nil
}

func (t *Trainer) finished() bool { return t.MaxSteps > 0 && t.step >= t.MaxSteps }

func (t *Trainer) epoch(ctx context.Context, epoch int) error {
	if err := t.meter.reset(); err != nil {
		return err
	}
	begin, shown, done, whole := time.Now(), time.Time{}, 0, t.Train.Steps()
	steps := whole
	if t.MaxSteps > 0 {
		steps = min(whole, t.MaxSteps-t.step)
	}
	for batch, err := range t.Train.Epoch(ctx, epoch-1) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if err := t.update(batch); err != nil {
			return err
		}
		done++
		now := time.Now()
		show := t.OnStep != nil && (now.Sub(shown) > 100*time.Millisecond || done == steps)
		last := done == steps || ctx.Err() != nil
		if !show && !last && t.step%keepEvery != 0 {
			continue
		}
		metrics, err := t.look(epoch, done)
		if err != nil {
			return err
		}
		if show {
			t.OnStep(Progress{Epoch: epoch, Epochs: t.Epochs, Step: done, Steps: steps, Train: metrics, Elapsed: now.Sub(begin)})
			shown = now
		}
		if last {
			if err := t.confirm(epoch, batch); err != nil {
				return err
			}
			break
		}
		if t.step%keepEvery == 0 {
			if err := t.next.take(t.step); err != nil {
				return err
			}
		}
	}
	if done == 0 {
		return context.Cause(ctx)
	}
	train, err := t.look(epoch, done) // an interrupt between steps leaves losses that nobody has looked at
	if err != nil {
		return err
	}
	e := Epoch{Epoch: epoch, Step: t.step, Complete: done == whole, Train: train, Elapsed: time.Since(begin)}
	if t.Validation != nil && ctx.Err() == nil {
		v, err := Evaluate(ctx, t.Network, t.Validation, t.Train.Batch)
		if err != nil && ctx.Err() == nil {
			return t.restore(epoch, err)
		}
		if err == nil {
			e.Validation = &v
		}
	}
	if err := t.good.take(t.step); err != nil {
		return err
	}
	if t.OnEpoch != nil {
		if err := t.OnEpoch(e); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

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
	t.tape.Reset()
	t.tape.Random = philox.Stream{Seed: t.Seed}.Sub(dropoutUse, uint64(t.step))
	output, labels, loss := forward(t.tape, t.Network, batch)
	if err := t.meter.add(output, labels, loss); err != nil {
		return err
	}
	if err := t.Network.Device.Binary(t.guard, t.guard, loss.Tensor(), device.Add); err != nil {
		return err
	}
	t.Network.ZeroGrad()
	if err := t.tape.Backward(loss); err != nil {
		return err
	}
	return t.Optimizer.Step()
}

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
	t.tape.Random = philox.Stream{Seed: t.Seed}.Sub(dropoutUse, uint64(t.step))
	return metrics, t.restore(epoch, diverged(t.tape, t.Network, batch, DivergedError{Step: t.step + 1, Set: t.Train.Set.Info().Name, Loss: bad.value}))
}

// confirm tries the weights of an epoch's last update, since OnEpoch may keep them and nothing else has computed a loss
// with them yet.
func (t *Trainer) confirm(epoch int, batch *data.Batch) error {
	t.tape.Reset() // its memory serves the trial
	t.trial.Reset()
	defer t.trial.Reset()
	_, _, loss := forward(t.trial, t.Network, batch)
	value, err := loss.Item()
	if err != nil {
		return err
	}
	if !isFinite(value) {
		return t.restore(epoch, diverged(t.trial, t.Network, batch, DivergedError{Set: t.Train.Set.Info().Name, Loss: value}))
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

package fit

import (
	"cmp"
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
	"fovea/nn/schedule"
)

// Trainer trains a network. The exported fields are set before Run.
type Trainer struct {
	Network    *nn.Network
	Optimizer  *optim.Optimizer
	Train      *data.Loader
	Validation data.Set          // measured after each epoch; nil: none
	Epochs     int               // full passes over the training set
	MaxSteps   int               // updates at most; 0: no limit
	Seed       uint64            // of the dropout masks
	Schedule   schedule.Schedule // of the learning rate; the optimiser's is what it starts from
	Smoothing  float64           // of labels, from 0 to below 1: the label's share of 1 is spread over all classes
	ClipNorm   float64           // largest norm of all gradients together, see clipper; 0: no limit
	Part       int               // samples that go through the network at once, the gradients of a batch being added up; 0: the whole batch
	// Average is the decay of a moving average of the weights, below 1, see average; 0: none. Validation and OnEpoch see the
	// network with the average, and Run leaves it there.
	Average  float64
	Patience int // epochs without a better validation loss after which training stops; 0: never
	OnStep   func(Progress)
	OnEpoch  func(Epoch) error

	// Losses are the validation losses of the epochs that are done.
	Losses []float64
	// Best is the epoch of the least validation loss, if Patience is above 0: after Run without an error the network
	// holds its weights.
	Best *Epoch

	tape  *autograd.Tape // trains
	trial *autograd.Tape // tries weights, see confirm
	meter *meter
	guard *device.Tensor // the sum of all losses: once it is not finite, the optimiser changes nothing any more
	good  *snapshot      // weights that gave a finite loss
	next  *snapshot      // taken later, and good if the next loss is finite; nothing if its step is not the next one's
	plain int            // steps made without capturing, of the batch size of the last one
	size  int            // that batch size
	step  int            // updates made
	rate  float64        // the optimiser's before the schedule
	clip  *clipper       // nil: no limit
	mean  *average       // nil: none
	sum   *device.Tensor // the loss of a batch in parts
	best  *snapshot      // of the epoch Best
}

// Progress is where training stands: told to OnStep about ten times a second, and at an epoch's end.
type Progress struct {
	Epoch, Epochs int // from 1
	Step, Steps   int // of this epoch, from 1; Steps is less than a whole epoch's where MaxSteps ends it
	Train         Metrics
	Rate          float64       // learning rate of the last update
	Elapsed       time.Duration // since the epoch began
}

// Epoch is what one pass over the training set achieved: told to OnEpoch, whose error stops training.
type Epoch struct {
	Epoch      int // from 1
	Step       int // updates since the start
	Complete   bool
	Rate       float64 // learning rate of the last update
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
	if err := t.check(); err != nil {
		return err
	}
	t.rate = t.Optimizer.Rate
	defer func() { t.Optimizer.Rate = t.rate }()
	var err error
	if t.clip, err = newClipper(t.Network.Device, t.ClipNorm); err != nil {
		return err
	}
	defer t.clip.release()
	if t.mean, err = newAverage(t.Network, t.Average); err != nil {
		return err
	}
	defer t.mean.release()
	if t.sum, err = t.Network.Device.New(tensor.Shape{}, t.Network.Device.Float()); err != nil {
		return err
	}
	defer t.sum.Release()
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
			if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
				err = errors.Join(err, t.mean.swap())
			}
			return err
		}
		if t.exhausted(epoch) {
			break
		}
	}
	if err := t.mean.swap(); err != nil {
		return err
	}
	return t.restoreBest()
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
		t.Optimizer.Rate = t.scheduled(whole)
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
			t.OnStep(Progress{Epoch: epoch, Epochs: t.Epochs, Step: done, Steps: steps, Train: metrics, Rate: t.Optimizer.Rate, Elapsed: now.Sub(begin)})
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
	if err := t.mean.swap(); err != nil {
		return err
	}
	e := Epoch{Epoch: epoch, Step: t.step, Complete: done == whole, Rate: t.Optimizer.Rate, Train: train, Elapsed: time.Since(begin)}
	if t.Validation != nil && ctx.Err() == nil {
		v, err := Evaluate(ctx, t.Network, t.Validation, cmp.Or(t.Part, t.Train.Batch))
		if err != nil && ctx.Err() == nil {
			return t.restore(epoch, err)
		}
		if err == nil {
			e.Validation = &v
			if err := t.validated(e); err != nil {
				return err
			}
		}
	}
	if t.OnEpoch != nil {
		if err := t.OnEpoch(e); err != nil {
			return err
		}
	}
	if err := t.mean.swap(); err != nil {
		return err
	}
	if err := t.good.take(t.step); err != nil {
		return err
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
	t.Network.ZeroGrad()
	if parts := split(batch, t.Part); len(parts) > 1 {
		if err := t.accumulate(parts, batch.X.Shape()[0]); err != nil {
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
	t.tape.Reset()
	t.tape.Random = t.random(0)
	output, labels, loss := forward(t.tape, t.Network, batch, t.Smoothing)
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
		if err := known.diagnose(t.tape, t.Network, part); err != nil {
			return metrics, err
		}
		if known.Layer != "" {
			break
		}
	}
	return metrics, t.restore(epoch, known)
}

// confirm tries the weights of an epoch's last update, since OnEpoch may keep them and nothing else has computed a loss
// with them yet.
func (t *Trainer) confirm(epoch int, batch *data.Batch) error {
	t.tape.Reset() // its memory serves the trial
	defer t.trial.Reset()
	for _, part := range split(batch, t.Part) {
		t.trial.Reset()
		_, _, loss := forward(t.trial, t.Network, part, 0)
		value, err := loss.Item()
		if err != nil {
			return err
		}
		if !isFinite(value) {
			return t.restore(epoch, diverged(t.trial, t.Network, part, DivergedError{Set: t.Train.Set.Info().Name, Loss: value}))
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

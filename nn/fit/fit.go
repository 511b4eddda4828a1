package fit

import (
	"context"
	"math"
	"time"

	"fovea/autograd"
	"fovea/data"
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

	tape  *autograd.Tape
	meter *meter
	good  *snapshot
	step  int // updates made
}

// Progress is where training stands: told to OnStep about ten times a second, and at an epoch's end.
type Progress struct {
	Epoch, Epochs int // from 1
	Step, Steps   int // of this epoch, from 1
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
	t.good = newSnapshot(t.Network)
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
	begin, shown, done, steps := time.Now(), time.Time{}, 0, t.Train.Steps()
	for batch, err := range t.Train.Epoch(ctx, epoch-1) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if err := t.update(epoch, batch); err != nil {
			return err
		}
		done++
		if now := time.Now(); t.OnStep != nil && (now.Sub(shown) > 100*time.Millisecond || done == steps) {
			metrics, err := t.meter.read()
			if err != nil {
				return err
			}
			t.OnStep(Progress{Epoch: epoch, Epochs: t.Epochs, Step: done, Steps: steps, Train: metrics, Elapsed: now.Sub(begin)})
			shown = now
		}
		if t.finished() || ctx.Err() != nil {
			break
		}
	}
	if done == 0 {
		return context.Cause(ctx)
	}
	train, err := t.meter.read()
	if err != nil {
		return err
	}
	e := Epoch{Epoch: epoch, Step: t.step, Complete: done == steps, Train: train, Elapsed: time.Since(begin)}
	if t.Validation != nil && ctx.Err() == nil {
		v, err := Evaluate(ctx, t.Network, t.Validation, t.Train.Batch)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			e.Validation = &v
		}
	}
	if t.OnEpoch != nil {
		if err := t.OnEpoch(e); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// update makes one training step.
func (t *Trainer) update(epoch int, batch *data.Batch) error {
	t.tape.Reset()
	t.tape.Random = philox.Stream{Seed: t.Seed}.Sub(dropoutUse, uint64(t.step))
	output, labels, loss := forward(t.tape, t.Network, batch)
	value, err := t.meter.add(output, labels, loss)
	if err != nil {
		return err
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		diverged := &DivergedError{Epoch: epoch, Step: t.step + 1, Loss: value, Kept: t.good.step}
		if err := diverged.diagnose(t.tape, t.Network, batch); err != nil {
			return err
		}
		if err := t.good.restore(); err != nil {
			return err
		}
		return diverged
	}
	if t.step%keepEvery == 0 && t.step > 0 {
		if err := t.good.take(t.step); err != nil {
			return err
		}
	}
	t.Network.ZeroGrad()
	if err := t.tape.Backward(loss); err != nil {
		return err
	}
	if err := t.Optimizer.Step(); err != nil {
		return err
	}
	t.step++
	return nil
}

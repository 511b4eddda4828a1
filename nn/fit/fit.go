package fit

import (
	"context"
	"errors"
	"time"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
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
	Loss       Loss              // nil: cross-entropy for labels, squared error for targets
	Smoothing  float64           // of labels, from 0 to below 1: the label's share of 1 is spread over all classes
	// ClassWeights are what samples of each class count in the loss, as PyTorch's CrossEntropyLoss(weight) has them; nil: all the
	// same. Only their ratios matter.
	ClassWeights []float64
	ClipNorm     float64 // largest norm of all gradients together, see clipper; 0: no limit
	Part         int     // samples that go through the network at once, the gradients of a batch being added up; 0: the whole batch
	// Average is the decay of a moving average of the weights, below 1, see average; 0: none. Validation and OnEpoch see the
	// network with the average, and Run leaves it there.
	Average  float64
	Patience int // epochs without a better validation loss after which training stops; 0: never
	OnStep   func(Progress)
	OnEpoch  func(Epoch) error
	// OnCheckpoint is given what is needed to go on from here: after OnEpoch, when ctx is cancelled, and in the middle of epochs
	// every CheckpointSteps updates and whenever CheckpointEvery has gone by (0: not). Its weights have given a finite loss. The
	// State's tensors can be read until it returns; its error stops training.
	OnCheckpoint    func(*State) error
	CheckpointSteps int
	CheckpointEvery time.Duration
	// Resume is where another Trainer with the same settings stopped, nil to begin. Run goes on as if that one had: what follows
	// has the same bits.
	Resume *State

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
	soft  []float64      // of the last batch, see targets
	best  *snapshot      // of the epoch Best
	began time.Time      // when training began, and before that by the time spent before it was resumed
	kept  time.Time      // when OnCheckpoint was called last
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
	Epoch      int           `json:"epoch"` // from 1
	Step       int           `json:"step"`  // updates since the start
	Complete   bool          `json:"complete"`
	Rate       float64       `json:"rate"`  // learning rate of the last update
	Train      Metrics       `json:"train"` // measured while it trained: with dropout, and before each update
	Validation *Metrics      `json:"validation"`
	Elapsed    time.Duration `json:"elapsed_ns"` // spent training, without validation
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
	defer t.end()
	if err := t.begin(); err != nil {
		return err
	}
	p, err := t.start()
	if err != nil {
		return err
	}
	for ; p.epoch <= t.Epochs && !t.over(p); p = t.pass(p.epoch + 1) {
		if err := t.epoch(ctx, p); err != nil {
			if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
				err = errors.Join(err, t.mean.swap())
			}
			return err
		}
	}
	if err := t.mean.swap(); err != nil {
		return err
	}
	return t.restoreBest()
}

// begin makes what the updates share; end gives it back, whether or not begin succeeded.
func (t *Trainer) begin() (err error) {
	dev := t.Network.Device
	t.rate = t.Optimizer.Rate
	t.tape, t.trial = autograd.NewTape(dev), autograd.NewTape(dev)
	t.tape.Training, t.trial.NoGrad = true, true
	if t.clip, err = newClipper(dev, t.ClipNorm); err != nil {
		return err
	}
	if t.mean, err = newAverage(t.Network, t.Average); err != nil {
		return err
	}
	if t.meter, err = newMeter(dev, t.Train.Set.Info()); err != nil {
		return err
	}
	if t.sum, err = dev.New(tensor.Shape{}, dev.Float()); err != nil {
		return err
	}
	if t.guard, err = device.Filled(dev, tensor.Shape{}, 0); err != nil {
		return err
	}
	t.Optimizer.Guard = t.guard
	return nil
}

func (t *Trainer) end() {
	t.Optimizer.Rate, t.Optimizer.Guard = t.rate, nil
	t.tape.Reset()
	t.trial.Reset()
	t.clip.release()
	t.mean.release()
	t.meter.release()
	t.sum.Release()
	t.guard.Release()
	t.clip, t.mean, t.meter, t.sum, t.guard = nil, nil, nil, nil, nil
}

// start takes what is known so far, and finds the first epoch.
func (t *Trainer) start() (p *pass, err error) {
	t.began, t.kept = time.Now(), time.Now()
	if p = t.pass(1); t.Resume != nil {
		if p, err = t.resume(t.Resume); err != nil {
			return nil, err
		}
	}
	t.good, t.next = newSnapshot(t.Network), newSnapshot(t.Network)
	t.next.step = -1
	return p, t.good.take(t.step)
}

// over says that there is nothing to do in an epoch or after it. One at work may have to be validated still.
func (t *Trainer) over(p *pass) bool {
	return p.done == 0 && t.MaxSteps > 0 && t.step >= t.MaxSteps || t.exhausted(p.epoch-1)
}

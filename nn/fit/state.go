package fit

import (
	"slices"
	"time"

	"fovea/device"
	"fovea/nn/weights"
)

// State is what a training has in hand between two updates. With the same settings and data it is enough to go on to the same
// bits: all that is random depends on the seed and the place alone, so nothing of a generator is kept, and a schedule has no
// state but the losses.
type State struct {
	// What the training is of. Resume refuses another.
	Seed       uint64 `json:"seed"`
	Samples    int    `json:"samples"`    // of the training set
	Batch      int    `json:"batch"`      // samples of an update
	Validation int    `json:"validation"` // samples of that set; 0: there is none
	Device     string `json:"device"`     // for information: other devices round otherwise

	Step           int  `json:"step"`            // updates made
	Epoch          int  `json:"epoch"`           // the one at work, from 1
	Done           int  `json:"done"`            // its updates made
	Told           bool `json:"told"`            // it is over, and OnEpoch knows
	OptimizerSteps int  `json:"optimizer_steps"` // its Steps

	Rate      float64 `json:"rate"`       // of the last update
	Measured  int     `json:"measured"`   // samples of this epoch so far, unless Told
	Loss      float64 `json:"loss"`       // summed over those
	Correct   float64 `json:"correct"`    // how many of those were found
	LossTotal float64 `json:"loss_total"` // of all updates, as the device adds it up

	Losses []float64 `json:"losses"` // Trainer.Losses
	Best   *Epoch    `json:"best"`   // Trainer.Best

	Elapsed      time.Duration `json:"elapsed_ns"` // since training began, less the times when it was stopped
	EpochElapsed time.Duration `json:"epoch_elapsed_ns"`

	Weights     []weights.Stored `json:"-"` // of the network, not their average
	Optimizer   []weights.Stored `json:"-"`
	Average     []weights.Stored `json:"-"` // of the weights; none without Trainer.Average
	BestWeights []weights.Stored `json:"-"` // those of Best; none without
}

// due says that a checkpoint is, in the middle of an epoch.
func (t *Trainer) due(now time.Time) bool {
	return t.OnCheckpoint != nil && (t.CheckpointSteps > 0 && t.step%t.CheckpointSteps == 0 || t.CheckpointEvery > 0 && now.Sub(t.kept) >= t.CheckpointEvery)
}

// checkpoint tells OnCheckpoint where training stands. The weights must be those of the snapshot good.
func (t *Trainer) checkpoint(p *pass, told bool) error {
	if t.OnCheckpoint == nil {
		return nil
	}
	if m, measures := t.Network.Device.(device.Measurer); measures {
		if err := m.SaveChoices(); err != nil {
			return err
		}
	}
	s, err := t.state(p, told)
	if err != nil {
		return err
	}
	err = t.OnCheckpoint(s)
	t.kept = time.Now()
	return err
}

func (t *Trainer) state(p *pass, told bool) (*State, error) {
	s := &State{Seed: t.Seed, Samples: t.Train.Set.Len(), Batch: t.Train.Batch, Validation: t.validationSize(), Device: t.Network.Device.Name(),
		Step: t.step, Epoch: p.epoch, Done: p.done, Told: told, OptimizerSteps: t.Optimizer.Steps,
		Rate: t.Optimizer.Rate, Measured: t.meter.samples, Loss: t.meter.loss, Losses: slices.Clone(t.Losses), Best: t.Best,
		Elapsed: time.Since(t.began), EpochElapsed: time.Since(p.begin),
		Weights: t.good.stored(), Optimizer: weights.Live(t.Optimizer.State()), Average: weights.Live(t.mean.tensors())}
	if t.Best != nil {
		s.BestWeights = t.best.stored()
	}
	var err error
	if s.LossTotal, err = number(t.guard); err == nil && t.meter.count != nil {
		s.Correct, err = number(t.meter.count)
	}
	return s, err
}

// number is that of a tensor of one.
func number(t *device.Tensor) (float64, error) {
	values, err := t.Floats()
	if err != nil {
		return 0, err
	}
	return values[0], nil
}

func (t *Trainer) validationSize() int {
	if t.Validation == nil {
		return 0
	}
	return t.Validation.Len()
}

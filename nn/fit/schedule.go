package fit

import (
	"errors"
	"fmt"
	"math"

	"fovea/nn/schedule"
)

// check refuses settings that cannot be meant.
func (t *Trainer) check() error {
	switch {
	case t.Validation == nil && t.Patience > 0:
		return errors.New("fit: early stopping needs a validation set")
	case t.Validation == nil && t.Schedule.NeedsValidation():
		return fmt.Errorf("fit: the schedule %s needs a validation set", t.Schedule.Kind)
	case !(t.Average >= 0 && t.Average < 1):
		return fmt.Errorf("fit: decay %v of the average, expected at least 0 and below 1", t.Average)
	case t.Part < 0:
		return fmt.Errorf("fit: parts of %d samples, expected at least 0", t.Part)
	case t.Patience < 0:
		return fmt.Errorf("fit: patience %d, expected at least 0", t.Patience)
	case !(t.Smoothing >= 0 && t.Smoothing < 1):
		return fmt.Errorf("fit: label smoothing %v, expected at least 0 and below 1", t.Smoothing)
	case t.Smoothing > 0 && t.Train.Set.Info().Targets > 0:
		return fmt.Errorf("fit: label smoothing %v, but data %q has targets, not labels", t.Smoothing, t.Train.Set.Info().Name)
	case t.Loss != nil && (t.Smoothing > 0 || t.ClassWeights != nil || t.Train.Mixer != nil):
		return errors.New("fit: label smoothing, class weights and mixed samples are of cross-entropy, and the loss is another")
	case !(t.ClipNorm >= 0) || math.IsInf(t.ClipNorm, 0):
		return fmt.Errorf("fit: norm to clip at %v, expected a finite number of at least 0", t.ClipNorm)
	}
	return t.checkClassWeights()
}

// scheduled is the learning rate of the next update.
func (t *Trainer) scheduled(perEpoch int) float64 {
	total := t.Epochs * perEpoch
	if t.MaxSteps > 0 {
		total = min(total, t.MaxSteps)
	}
	return t.Schedule.Rate(t.rate, schedule.Place{Step: t.step, PerEpoch: perEpoch, Total: total, Losses: t.Losses})
}

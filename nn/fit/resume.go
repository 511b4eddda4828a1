package fit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fovea/nn"
	"fovea/nn/weights"
)

// resume makes the trainer what it was when s was taken, and returns the epoch to go on with.
func (t *Trainer) resume(s *State) (*pass, error) {
	if err := t.adopt(s); err != nil {
		return nil, fmt.Errorf("fit: going on from a state: %w", err)
	}
	t.step, t.Losses, t.Optimizer.Steps = s.Step, slices.Clone(s.Losses), s.OptimizerSteps
	t.Optimizer.Rate = s.Rate
	t.began = time.Now().Add(-s.Elapsed)
	if s.Told {
		return t.pass(s.Epoch + 1), nil
	}
	t.meter.samples, t.meter.loss = s.Measured, s.Loss
	p := t.passFrom(s.Epoch, s.Done)
	p.begin = p.begin.Add(-s.EpochElapsed)
	return p, nil
}

// adopt copies the state's tensors to those of the device, once it is known that all fit.
func (t *Trainer) adopt(s *State) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := t.suits(s); err != nil {
		return err
	}
	network := t.Network.State()
	parts := []part{{"weights", network, s.Weights}, {"optimiser", t.Optimizer.State(), s.Optimizer}, {"average of the weights", t.mean.tensors(), s.Average}}
	if s.Best != nil {
		parts = append(parts, part{"best weights", network, s.BestWeights})
	}
	for i := range parts {
		if err := parts[i].match(); err != nil {
			return err
		}
	}
	if s.Best != nil { // they pass through the network on their way to a snapshot
		if err := parts[len(parts)-1].upload(); err != nil {
			return err
		}
		best := *s.Best
		t.Best, t.best = &best, newSnapshot(t.Network)
		if err := t.best.take(best.Step); err != nil {
			return err
		}
	}
	for _, p := range parts[:3] {
		if err := p.upload(); err != nil {
			return err
		}
	}
	if t.meter.count != nil {
		if err := t.meter.count.Device.Upload(t.meter.count, []float64{s.Correct}); err != nil {
			return err
		}
	}
	return t.guard.Device.Upload(t.guard, []float64{s.LossTotal})
}

// check refuses a state that no training was in.
func (s *State) check() error {
	switch {
	case s.Step < 0 || s.Epoch < 1 || s.Done < 0 || s.OptimizerSteps < 0 || s.Measured < 0 || s.Elapsed < 0 || s.EpochElapsed < 0:
		return errors.New("it has numbers below 0")
	case s.Best != nil && (s.Best.Validation == nil || s.Best.Epoch < 1 || s.Best.Epoch > s.Epoch):
		return fmt.Errorf("its best epoch is none of the %d it has", s.Epoch)
	}
	for _, v := range append([]float64{s.Rate, s.Loss, s.Correct, s.LossTotal}, s.Losses...) {
		if !isFinite(v) {
			return fmt.Errorf("it has a number that is %v", v)
		}
	}
	return nil
}

// suits refuses a state of a training of something else.
func (t *Trainer) suits(s *State) error {
	for _, each := range []struct {
		what      string
		its, ours any
	}{
		{"seed", s.Seed, t.Seed},
		{"samples to train on", s.Samples, t.Train.Set.Len()},
		{"samples to validate with", s.Validation, t.validationSize()},
		{"samples in a batch", s.Batch, t.Train.Batch},
	} {
		if each.its != each.ours {
			return fmt.Errorf("%s: %v there, %v here", each.what, each.its, each.ours)
		}
	}
	whole, epochs := t.Train.Steps(), s.Epoch-1 // epochs validated
	if s.Told {
		epochs = s.Epoch
	}
	if s.Done > whole || s.Step != (s.Epoch-1)*whole+s.Done {
		return fmt.Errorf("%d updates, expected %d epochs of %d and %d", s.Step, s.Epoch-1, whole, s.Done)
	}
	if t.MaxSteps > 0 && s.Step > t.MaxSteps {
		return fmt.Errorf("%d updates, expected at most the %d of MaxSteps", s.Step, t.MaxSteps)
	}
	if s.Told && s.Done < whole && (t.MaxSteps == 0 || s.Step < t.MaxSteps) {
		return fmt.Errorf("its training was to end after %d updates, in the middle of an epoch: there is no going on", s.Step)
	}
	if t.Validation == nil {
		epochs = 0
	}
	if len(s.Losses) != epochs {
		return fmt.Errorf("%d validation losses, expected %d", len(s.Losses), epochs)
	}
	return nil
}

// part is some tensors of a trainer, and where their numbers are to come from.
type part struct {
	what string
	to   []nn.Tensor
	from []weights.Stored
}

// match puts from in to's order, or says what does not fit.
func (p *part) match() error {
	found := make(map[string]weights.Stored, len(p.from))
	for _, s := range p.from {
		found[s.Name] = s
	}
	if len(found) != len(p.from) {
		return fmt.Errorf("%s: a tensor is there twice", p.what)
	}
	ordered := make([]weights.Stored, len(p.to))
	for i, to := range p.to {
		s, there := found[to.Name]
		if !there {
			return fmt.Errorf("%s: tensor %s is missing", p.what, to.Name)
		}
		if !slices.Equal(s.Shape, to.Tensor.Shape) {
			return fmt.Errorf("%s: tensor %s has shape %v, expected %v", p.what, to.Name, s.Shape, to.Tensor.Shape)
		}
		ordered[i] = s
		delete(found, to.Name)
	}
	for name := range found {
		return fmt.Errorf("%s: tensor %.200s is not expected", p.what, name)
	}
	p.from = ordered
	return nil
}

func (p *part) upload() error {
	for i, to := range p.to {
		values, err := p.from[i].Read()
		if err == nil {
			err = to.Tensor.Device.Upload(to.Tensor, values)
		}
		if err != nil {
			return fmt.Errorf("%s: tensor %s: %w", p.what, to.Name, err)
		}
	}
	return nil
}

package fit

import (
	"context"
	"time"
)

// pass is an epoch at work.
type pass struct {
	epoch       int       // from 1
	done, steps int       // updates of it: made, and to make, which MaxSteps bounds
	whole       int       // updates of a whole epoch
	begin       time.Time // before it began by the time spent before training was resumed
	tried       int       // updates made before confirm was called last
}

func (t *Trainer) pass(epoch int) *pass { return t.passFrom(epoch, 0) }

// passFrom is an epoch of which some updates have been made.
func (t *Trainer) passFrom(epoch, done int) *pass {
	p := &pass{epoch: epoch, done: done, whole: t.Train.Steps(), begin: time.Now()}
	p.steps = p.whole
	if t.MaxSteps > 0 {
		p.steps = min(p.whole, t.MaxSteps-t.step+done)
	}
	return p
}

func (t *Trainer) epoch(ctx context.Context, p *pass) error {
	if err := t.batches(ctx, p); err != nil {
		return err
	}
	if p.done == 0 {
		return context.Cause(ctx)
	}
	train, err := t.settle(p)
	if err != nil {
		return err
	}
	if err := t.mean.swap(); err != nil {
		return err
	}
	e := Epoch{Epoch: p.epoch, Step: t.step, Complete: p.done == p.whole, Rate: t.Optimizer.Rate, Train: train, Elapsed: time.Since(p.begin)}
	if err := t.measure(ctx, &e); err != nil {
		return err
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
	over := p.done == p.steps && (t.Validation == nil || e.Validation != nil)
	if over {
		if err := t.meter.reset(); err != nil {
			return err
		}
	}
	if err := t.checkpoint(p, over); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// settle reads losses and tries weights that nobody has looked at, as an interrupt between two steps leaves them.
func (t *Trainer) settle(p *pass) (Metrics, error) {
	train, err := t.look(p.epoch, p.done)
	if err != nil || p.tried == t.step || t.good.step == t.step {
		return train, err
	}
	batch, err := again(t.Train, p.epoch-1, p.done-1)
	if err != nil {
		return train, err
	}
	return train, t.confirm(p.epoch, batch)
}

// measure validates, unless ctx is cancelled before that is done.
func (t *Trainer) measure(ctx context.Context, e *Epoch) error {
	if t.Validation == nil || ctx.Err() != nil {
		return nil
	}
	v, err := t.validate(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return t.restore(e.Epoch, err)
	}
	e.Validation = &v
	return t.validated(*e)
}

// batches makes the updates of an epoch, until ctx is cancelled.
func (t *Trainer) batches(ctx context.Context, p *pass) error {
	if p.done == p.steps { // the epoch was interrupted after its last update
		return nil
	}
	var shown time.Time
	for batch, err := range t.Train.EpochFrom(ctx, p.epoch-1, p.done) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		t.Optimizer.Rate = t.scheduled(p.whole)
		if err := t.update(batch); err != nil {
			return err
		}
		p.done++
		now := time.Now()
		show := t.OnStep != nil && (now.Sub(shown) > 100*time.Millisecond || p.done == p.steps)
		last := p.done == p.steps || ctx.Err() != nil
		due := !last && t.due(now)
		if !show && !last && !due && t.step%keepEvery != 0 {
			continue
		}
		metrics, err := t.look(p.epoch, p.done)
		if err != nil {
			return err
		}
		if show {
			t.OnStep(Progress{Epoch: p.epoch, Epochs: t.Epochs, Step: p.done, Steps: p.steps, Train: metrics, Rate: t.Optimizer.Rate, Elapsed: now.Sub(p.begin)})
			shown = now
		}
		switch {
		case last:
			p.tried = t.step
			return t.confirm(p.epoch, batch)
		case due:
			if err := t.confirm(p.epoch, batch); err != nil {
				return err
			}
			if err := t.good.take(t.step); err != nil {
				return err
			}
			if err := t.checkpoint(p, false); err != nil {
				return err
			}
		case t.step%keepEvery == 0:
			if err := t.next.take(t.step); err != nil {
				return err
			}
		}
	}
	return nil
}

package fit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"fovea/data"
)

// RateSweep is what [FindRate] tries: Steps updates, whose rates grow from From to To by the same factor each.
type RateSweep struct {
	From, To float64
	Steps    int
}

// MaxRateSteps bounds a sweep.
const MaxRateSteps = 100_000

// Check refuses sweeps that cannot be meant.
func (s RateSweep) Check() error {
	switch {
	case !(s.From > 0) || !(s.To > s.From) || math.IsInf(s.To, 0):
		return fmt.Errorf("sweep from rate %v to %v, expected finite numbers above 0, the second larger", s.From, s.To)
	case s.Steps < 10 || s.Steps > MaxRateSteps:
		return fmt.Errorf("sweep of %d steps, expected 10 to %d", s.Steps, MaxRateSteps)
	}
	return nil
}

// rate is that of update i, from 0.
func (s RateSweep) rate(i int) float64 {
	return s.From * math.Pow(s.To/s.From, float64(i)/float64(s.Steps-1))
}

// RateCurve is what a sweep found.
type RateCurve struct {
	Points []RatePoint
	// Steepest is the rate at which the smoothed loss fell fastest, and Tenth a tenth of that at which it was least; both are 0
	// if it fell nowhere.
	Steepest, Tenth float64

	least   int // the point of the least smoothed loss
	samples int // of all updates
}

// RatePoint is one update of a sweep.
type RatePoint struct {
	Rate     float64
	Loss     float64 // of the update's batch, before it
	Smoothed float64
}

// Constants of a sweep, as fastai has them.
const (
	rateBeta = 0.98 // decay of the smoothed loss
	rateStop = 4    // times the least smoothed loss, at which a sweep ends
)

// FindRate trains t's network with growing rates and notes the loss (Smith, "Cyclical Learning Rates for Training Neural
// Networks", 2017, section 3.3; an exponential sweep and the smoothing as in fastai). The sweep ends early when the loss is
// four times its least, or no number any more. Network and optimiser are then as before. Of t it uses what makes an update, and
// OnStep; not Schedule, Average, Patience or Validation.
func FindRate(ctx context.Context, t *Trainer, s RateSweep) (curve *RateCurve, err error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("fit: %w", err)
	}
	sweep := &Trainer{Network: t.Network, Optimizer: t.Optimizer, Train: t.Train, Seed: t.Seed, Loss: t.Loss, OnStep: t.OnStep,
		Smoothing: t.Smoothing, ClassWeights: t.ClassWeights, ClipNorm: t.ClipNorm, Part: t.Part}
	if err := sweep.check(); err != nil {
		return nil, err
	}
	before, steps := snapshotOf(append(t.Network.State(), t.Optimizer.State()...)), t.Optimizer.Steps
	if err := before.take(0); err != nil {
		return nil, err
	}
	defer func() {
		t.Optimizer.Steps = steps
		if err = errors.Join(err, before.restore()); err != nil {
			curve = nil
		}
	}()
	defer sweep.end()
	if err := sweep.begin(); err != nil {
		return nil, err
	}
	curve = &RateCurve{}
	sweep.began = time.Now()
	for epoch := 0; sweep.Train.Steps() > 0; epoch++ {
		for batch, err := range t.Train.Epoch(ctx, epoch) {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				return nil, err
			}
			more, err := sweep.try(batch, s, curve)
			if err != nil {
				return nil, err
			}
			if !more {
				curve.suggest()
				return curve, nil
			}
		}
	}
	return nil, errors.New("fit: sweep of rates without samples to train on")
}

// try makes the next update of a sweep and notes its loss. It says whether another is to follow.
func (t *Trainer) try(batch *data.Batch, s RateSweep, curve *RateCurve) (more bool, err error) {
	t.Optimizer.Rate = s.rate(t.step)
	if err := t.meter.reset(); err != nil {
		return false, err
	}
	if err := t.update(batch); err != nil {
		return false, err
	}
	m, bad, err := t.meter.read()
	if err != nil || bad != nil {
		return false, err
	}
	curve.add(t.Optimizer.Rate, m.Loss)
	curve.samples += m.Samples
	if t.OnStep != nil {
		m.Samples = curve.samples
		t.OnStep(Progress{Epoch: 1, Epochs: 1, Step: t.step, Steps: s.Steps, Train: m, Rate: t.Optimizer.Rate, Elapsed: time.Since(t.began)})
	}
	last, least := curve.Points[len(curve.Points)-1].Smoothed, curve.Points[curve.least].Smoothed
	exploded := least > 0 && last > rateStop*least // one's own loss may be below 0
	return len(curve.Points) < s.Steps && !exploded, nil
}

// add notes an update. The smoothed loss is a moving average from 0, divided by the weight that its terms have together (Kingma
// and Ba 2015, section 3).
func (c *RateCurve) add(rate, loss float64) {
	n, average := len(c.Points), 0.0
	if n > 0 {
		average = c.Points[n-1].Smoothed * (1 - math.Pow(rateBeta, float64(n)))
	}
	average = rateBeta*average + (1-rateBeta)*loss
	c.Points = append(c.Points, RatePoint{rate, loss, average / (1 - math.Pow(rateBeta, float64(n+1)))})
	if c.Points[n].Smoothed < c.Points[c.least].Smoothed {
		c.least = n
	}
}

// suggest finds the rates to recommend. The first tenth of the points is left out of it: they are means of few losses.
func (c *RateCurve) suggest() {
	slope := 0.0
	for i := max(1, len(c.Points)/10); i < c.least; i++ {
		if s := c.Points[i+1].Smoothed - c.Points[i-1].Smoothed; s < slope {
			slope, c.Steepest = s, c.Points[i].Rate
		}
	}
	if c.Steepest > 0 {
		c.Tenth = c.Points[c.least].Rate / 10
	}
}

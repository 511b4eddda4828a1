package main

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/nn/fit"
	"fovea/nn/schedule"
)

// course is how a training goes: learning rates, when it ends, what bounds it.
type course struct {
	schedule, warmup    string
	patience            int
	accumulate          int
	overfit             bool
	smoothing, clipNorm float64
	ema                 float64
	weights             classWeights

	rates schedule.Schedule // what schedule and warmup say
}

func (c *course) declare(f *flag.FlagSet) {
	f.StringVar(&c.schedule, "schedule", "constant", "learning rate in the course of the training: constant, "+strings.Join(schedule.Kinds(), ", ")+";\ndocs/training.md says what each does")
	f.StringVar(&c.warmup, "warmup", "0", "the learning rate grows to its height in so many epochs (5, 0.5), or updates (500steps)")
	f.IntVar(&c.patience, "patience", 0, "stop after so many epochs without a better validation loss, and keep the weights of the best epoch; 0: never")
	f.Float64Var(&c.smoothing, "label-smoothing", 0, "share of each label that is spread over all classes")
	c.weights.declare(f)
	f.Float64Var(&c.clipNorm, "clip-norm", 0, "largest norm of all gradients together; 0: no limit")
	f.Float64Var(&c.ema, "ema", 0, "decay of a moving average of the weights, such as 0.999, which is what is measured and kept; 0: none")
	f.IntVar(&c.accumulate, "accumulate", 1, "an update of so many batches, which go through the network one after another: for batches that memory has no room for")
	f.BoolVar(&c.overfit, "overfit-batch", false, "train on the first batch alone, an update an epoch, and measure nothing else:\na network that cannot learn that by heart has a mistake in it")
}

func (c *course) check() error {
	var err error
	if c.rates, err = schedule.Parse(c.schedule); err != nil {
		return cli.Usagef("--schedule: %w", err)
	}
	if c.rates.Warmup, err = schedule.ParseWarmup(c.warmup); err != nil {
		return cli.Usagef("--warmup: %w", err)
	}
	if !(c.smoothing >= 0 && c.smoothing < 1) {
		return cli.Usagef("--label-smoothing: %v, expected at least 0 and below 1", c.smoothing)
	}
	if !(c.clipNorm >= 0) || math.IsInf(c.clipNorm, 0) {
		return cli.Usagef("--clip-norm: %v, expected a finite number of at least 0", c.clipNorm)
	}
	if !(c.ema >= 0 && c.ema < 1) {
		return cli.Usagef("--ema: %v, expected at least 0 and below 1", c.ema)
	}
	if c.overfit && (c.patience > 0 || c.rates.NeedsValidation()) {
		return cli.Usagef("--overfit-batch: it validates with nothing, expected neither --patience nor the schedule plateau")
	}
	if err := c.weights.check(); err != nil {
		return err
	}
	return cmp.Or(cli.AtLeast("patience", c.patience, 0), cli.AtLeast("accumulate", c.accumulate, 1))
}

// fits refuses what the data does not allow.
func (c *course) fits(name string, training, validation data.Set) error {
	const none = "%s has no samples to validate with, expected --val-fraction above 0"
	if c.patience > 0 && validation == nil {
		return cli.Usagef("--patience: "+none, name)
	}
	if c.rates.NeedsValidation() && validation == nil {
		return cli.Usagef("--schedule %s: "+none, c.schedule, name)
	}
	if c.smoothing > 0 && training.Info().Targets > 0 {
		return cli.Usagef("--label-smoothing: data %q has targets, not labels", training.Info().Name)
	}
	return nil
}

// samples takes away what --overfit-batch does not use.
func (c *course) samples(sets *data.Sets, batch int) (*data.Sets, error) {
	if !c.overfit {
		return sets, nil
	}
	first := make([]int, min(batch*c.accumulate, sets.Train.Len()))
	for i := range first {
		first[i] = i
	}
	training, err := data.NewSubset(sets.Train, first)
	return &data.Sets{Train: training}, err
}

// measured is what a training has or has not a test set of.
func (c *course) measured(data string) string {
	if c.overfit {
		return "--overfit-batch"
	}
	return data
}

// apply hands the settings to a trainer of batches.
func (c *course) apply(t *fit.Trainer) {
	t.Schedule, t.Patience, t.Smoothing, t.ClassWeights, t.ClipNorm, t.Average = c.rates, c.patience, c.smoothing, c.weights.weights, c.clipNorm, c.ema
	if c.accumulate > 1 {
		t.Part = t.Train.Batch
		t.Train.Batch *= c.accumulate
	}
}

// kept says whose weights a training with patience has kept.
func kept(l runs.Done) string {
	if l.BestEpoch == 0 {
		return ""
	}
	text := fmt.Sprintf("Weights kept: those of epoch %d, whose validation loss %.4f was the least", l.BestEpoch, *l.BestValLoss)
	if l.Early {
		text += fmt.Sprintf("; stopped early, after %d epochs without a smaller one", l.Epochs-l.BestEpoch)
	}
	return text + "\n"
}

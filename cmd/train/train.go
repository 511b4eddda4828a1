package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/weights"
)

// train is the whole program.
func train(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	show, err := s.newDisplay(ctx, stdout, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.close()) }()
	defer func() { err = errors.Join(err, s.keeping.close()) }()
	if over, err := s.keeping.begin(s, show.notice); err != nil || over {
		return err
	}
	if err := s.serving.open(ctx, show.notice); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.serving.close()) }()
	dev, chosen, err := s.device.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	sets, err := s.open(ctx, show.notice)
	if errors.Is(err, data.ErrUsage) {
		return cli.Usagef("--data: %w", err)
	}
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	if err := s.chooseClasses(sets); err != nil {
		return err
	}
	if s.division.folds > 0 {
		return s.crossValidate(ctx, dev, chosen, sets, show)
	}
	if sets, err = s.split(sets); err != nil {
		return err
	}
	if sets, err = s.course.samples(sets, s.batch); err != nil {
		return err
	}
	return s.fit(ctx, dev, []string{chosen}, sets, show)
}

// fit trains a network on sets in a run folder of its own. Facts are what is known already, for people.
func (s *settings) fit(ctx context.Context, dev device.Device, facts []string, sets *data.Sets, show display) (err error) {
	begin := time.Now()
	if err := s.course.fits(s.data, sets.Train, sets.Validation); err != nil {
		return err
	}
	if err := s.augment.fits(sets.Train); err != nil {
		return err
	}
	if err := s.course.weights.settle(sets.Train, s.classes); err != nil {
		return err
	}
	net, card, err := s.build(dev, sets.Train.Info())
	if err != nil {
		return err
	}
	defer net.Release()
	optimizer, err := optim.New(dev, s.optim(), net.Parameters)
	if err != nil {
		return err
	}
	defer optimizer.Release()
	folder, err := s.keeping.open(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	if err := writeConfig(folder.Path(runs.ConfigFile), s.flags); err != nil {
		return err
	}
	about := slices.Concat(facts, []string{s.samples(sets)}, s.keeping.lines(), s.initial.lines, s.augment.lines(), s.course.weights.lines())
	if err := show.begin(net, s.model, about); err != nil {
		return err
	}
	last := s.keeping.last()
	trainer := &fit.Trainer{Network: net, Optimizer: optimizer, Validation: s.loading.set(sets.Validation), Epochs: s.epochs, MaxSteps: s.maxSteps, Seed: s.seed,
		Train: &data.Loader{Set: s.loading.set(sets.Train), Batch: s.batch, Shuffle: !s.noShuffle, Seed: s.seed, Crop: s.loading.crop, Workers: s.loading.workers,
			Transforms: s.augment.transforms, Mixer: s.augment.mixer},
		OnStep: show.step,
		OnEpoch: func(e fit.Epoch) error {
			last = e
			line := runs.NewEpoch(e)
			line.BadImages = s.loading.bad.take(show.notice)
			return errors.Join(folder.Epoch(line, net, card), show.epoch(line, s.epochs))
		}}
	s.course.apply(trainer)
	if err := s.keeping.apply(s, trainer, folder, card); err != nil {
		return err
	}
	if s.finder.find {
		return s.finder.run(ctx, trainer, folder, show)
	}
	if err := folder.Begin(net, s.model, about); err != nil {
		return err
	}
	recorder, err := s.serving.watch(ctx, trainer, folder, s.model, about)
	if err != nil {
		return err
	}
	defer func() { err = recorder.End(err) }()
	if err := trainer.Run(ctx); err != nil {
		return s.stopped(err, folder, net, card)
	}
	done := runs.Done{Event: "done", Epochs: last.Epoch, Steps: last.Step, Run: folder.Dir}
	if trainer.Best != nil || s.keeping.from != nil {
		if err := folder.Save(net, card); err != nil {
			return err
		}
	}
	if best := trainer.Best; best != nil {
		done.BestEpoch, done.BestValLoss, done.Early = best.Epoch, &best.Validation.Loss, last.Epoch < s.epochs && last.Epoch-best.Epoch >= s.course.patience
	}
	var classes *runs.Matrix
	var wrong mistakes
	if sets.Test != nil {
		var each func([]float64, []int32)
		if outputs := net.Output[1]; sets.Test.Info().Targets == 0 && outputs <= runs.MaxConfusion {
			classes = &runs.Matrix{Confusion: fit.NewConfusion(outputs), Names: sets.Test.Info().ClassNames}
			each = func(outputs []float64, labels []int32) {
				classes.Add(outputs, labels)
				wrong.add(outputs, labels)
			}
		}
		m, err := fit.EvaluateEach(ctx, net, &data.Loader{Set: s.loading.set(sets.Test), Batch: s.batch, Workers: s.loading.workers}, each)
		if err != nil {
			return fmt.Errorf("test set: %w", cli.Interrupted(ctx, err))
		}
		done.BadImages = s.loading.bad.take(show.notice)
		done.TestAcc, done.TestLoss, done.TestSamples = runs.Known(m.Accuracy), &m.Loss, m.Samples
	}
	if classes != nil && len(classes.Counts) > 5 {
		top := classes.Top(5)
		done.TestTop5 = &top
	}
	done.Seconds = (s.keeping.spent() + time.Since(begin)).Seconds()
	if err := folder.End(done, classes, wrong.pictures(sets.Test, classes)); err != nil {
		return err
	}
	recorder.Done(done)
	return show.done(done, classes, s.course.measured(s.data))
}

// open opens the data set; samples of pictures are made as the network wants them.
func (s *settings) open(ctx context.Context, notice func(string)) (*data.Sets, error) {
	opts := data.Options{Dir: s.dataDir, Log: func(format string, args ...any) { notice(fmt.Sprintf(format, args...)) }}
	model, err := cli.FindModel(s.model)
	if err != nil {
		return nil, err
	}
	sample := s.input.Shape(model.Sample)
	sets, err := data.Open(ctx, s.data, s.loading.options(opts, sample))
	if err == nil && s.input != nil && !device.EqualShape(sets.Train.Info().Sample, sample) {
		return nil, cli.Usagef("--input %s: the samples of %s are all %s", s.input, s.data, cli.Sample(sets.Train.Info().Sample))
	}
	return sets, err
}

// samples says what the data has, and how much of it an epoch is.
func (s *settings) samples(sets *data.Sets) string {
	line := fmt.Sprintf("Data: %s, %d samples to train on", s.data, sets.Train.Len())
	if sets.Validation != nil {
		line += fmt.Sprintf(", %d to validate", sets.Validation.Len())
	}
	if sets.Test != nil {
		line += fmt.Sprintf(", %d to test", sets.Test.Len())
	}
	batch := s.batch * s.course.accumulate
	steps := (&data.Loader{Set: sets.Train, Batch: batch}).Steps()
	return fmt.Sprintf("%s; an epoch is %d steps of %d", line, steps, min(batch, sets.Train.Len()))
}

// stopped keeps the weights of a training that an interrupt or a diverging loss has ended early.
func (s *settings) stopped(err error, folder *runs.Folder, net *nn.Network, card *weights.Card) error {
	var diverged *fit.DivergedError
	if !errors.Is(err, cli.ErrInterrupted) && !errors.As(err, &diverged) {
		return err
	}
	if failed := folder.Save(net, card); failed != nil {
		return errors.Join(err, failed)
	}
	err = fmt.Errorf("%w; the weights are in %s", err, folder.Path(runs.WeightsFile))
	if errors.Is(err, cli.ErrInterrupted) && s.division.folds == 0 {
		err = fmt.Errorf("%w; --resume %s goes on", err, folder.Dir)
	}
	return err
}

// chooseClasses settles the number of classes: the user's, the data's, or the network's; and checks all labels.
func (s *settings) chooseClasses(sets *data.Sets) error {
	info := sets.Train.Info()
	if info.Targets > 0 {
		if s.classes > 0 {
			return cli.Usagef("--classes: data %q has %d regression targets, not classes", info.Name, info.Targets)
		}
		return nil
	}
	if s.classes == 0 {
		s.classes = info.Classes
	}
	if s.classes == 0 {
		model, err := cli.FindModel(s.model)
		if err != nil {
			return err
		}
		s.classes = model.Classes
	}
	for _, set := range []data.Set{sets.Train, sets.Validation, sets.Test} {
		if set == nil {
			continue
		}
		if err := data.CheckLabels(set, s.classes); err != nil {
			return fmt.Errorf("%w (--classes sets how many there are)", err)
		}
	}
	return nil
}

// build makes the network for the data, with the weights it starts from, and the facts that its file will carry.
func (s *settings) build(dev device.Device, about data.Info) (*nn.Network, *weights.Card, error) {
	model, err := cli.FindModel(s.model)
	if err != nil {
		return nil, nil, err
	}
	outputs := max(s.classes, about.Targets)
	resumed := s.keeping.from != nil
	var net *nn.Network
	if resumed || s.initial.whole() {
		net, err = nn.Allocate(dev, model.New(outputs), about.Sample)
	} else {
		net, err = nn.Build(dev, model.New(outputs), about.Sample, s.seed)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--model %s on samples %v of %q: %w", s.model, about.Sample, about.Name, err)
	}
	if err = fit.Check(net, about, s.classes); err == nil {
		err = s.initial.begin(net, resumed)
	}
	if err != nil {
		net.Release()
		return nil, nil, err
	}
	return net, &weights.Card{Model: s.model, Outputs: outputs, Regression: about.Targets > 0, Sample: about.Sample, Scale: about.Scale,
		ClassNames: about.ClassNames, Mean: about.Mean, Deviation: about.Deviation, Resize: about.Resize}, nil
}

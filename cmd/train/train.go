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
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/weights"
)

// splitUse tells the stream of the validation split from others of the same seed ("split" in ASCII).
const splitUse = 0x73706c6974

// train is the whole program.
func train(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	show := newDisplay(s.log, stdout, stderr)
	defer show.close()
	begin := time.Now()
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
	training, validation, err := s.split(sets)
	if err != nil {
		return err
	}
	if training, validation, err = s.course.samples(training, validation, sets, s.batch); err != nil {
		return err
	}
	if err := s.course.fits(s.data, training, validation); err != nil {
		return err
	}
	if err := s.augment.fits(training); err != nil {
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
	folder, err := runs.New(s.out, cli.ModelName(s.model))
	if err != nil {
		return err
	}
	if err := writeConfig(folder.Path(runs.ConfigFile), s.flags); err != nil {
		return fmt.Errorf("%s: %w", folder.Path(runs.ConfigFile), cli.Cause(err))
	}
	if err := show.begin(net, s.model, slices.Concat([]string{chosen, s.samples(training, validation, sets.Test)}, s.initial.lines, s.augment.lines())); err != nil {
		return err
	}
	last := fit.Epoch{}
	trainer := &fit.Trainer{Network: net, Optimizer: optimizer, Validation: s.loading.set(validation), Epochs: s.epochs, MaxSteps: s.maxSteps, Seed: s.seed,
		Train: &data.Loader{Set: s.loading.set(training), Batch: s.batch, Shuffle: !s.noShuffle, Seed: s.seed, Crop: s.loading.crop, Workers: s.loading.workers,
			Transforms: s.augment.transforms, Mixer: s.augment.mixer},
		OnStep: show.step,
		OnEpoch: func(e fit.Epoch) error {
			last = e
			line := runs.NewEpoch(e)
			line.BadImages = s.loading.bad.take(show.notice)
			return errors.Join(folder.Epoch(line, net, card), show.epoch(line, s.epochs))
		}}
	s.course.apply(trainer)
	if err := trainer.Run(ctx); err != nil {
		return stopped(err, folder, net, card)
	}
	done := runs.Done{Event: "done", Epochs: last.Epoch, Steps: last.Step, Run: folder.Dir}
	if best := trainer.Best; best != nil {
		if err := folder.Save(net, card); err != nil {
			return err
		}
		done.BestEpoch, done.BestValLoss, done.Early = best.Epoch, &best.Validation.Loss, last.Epoch < s.epochs && last.Epoch-best.Epoch >= s.course.patience
	}
	var classes *testResult
	if sets.Test != nil {
		var each func([]float64, []int32)
		if outputs := net.Output[1]; sets.Test.Info().Targets == 0 && outputs <= maxConfusion {
			classes = &testResult{fit.NewConfusion(outputs), sets.Test.Info().ClassNames}
			each = classes.confusion.Add
		}
		m, err := fit.EvaluateEach(ctx, net, s.loading.set(sets.Test), s.batch, each)
		if err != nil {
			return fmt.Errorf("test set: %w", cli.Interrupted(ctx, err))
		}
		done.BadImages = s.loading.bad.take(show.notice)
		done.TestAcc, done.TestLoss, done.TestSamples = runs.Known(m.Accuracy), &m.Loss, m.Samples
	}
	if c := classes; c != nil {
		if top := c.confusion.Top(5); len(c.confusion.Counts) > 5 {
			done.TestTop5 = &top
		}
		if err := c.write(folder.Path(runs.MatrixFile)); err != nil {
			return err
		}
	}
	done.Seconds = time.Since(begin).Seconds()
	if err := folder.Line(done); err != nil {
		return err
	}
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

// split is what to train on and what to validate with: the data's own set for that, or a part held out.
func (s *settings) split(sets *data.Sets) (training, validation data.Set, err error) {
	if sets.Validation != nil {
		if s.valFraction.Value > 0 {
			return nil, nil, cli.Usagef("--val-fraction: %v, but %s has a set of its own to validate with", s.valFraction.Value, s.data)
		}
		s.valFraction.Fallback(0)
		return sets.Train, sets.Validation, nil
	}
	s.valFraction.Fallback(0.1)
	training, validation, err = data.Split(sets.Train, s.valFraction.Value, philox.Stream{Seed: s.seed}.Sub(splitUse, 0), !s.noShuffle)
	if err != nil {
		return nil, nil, fmt.Errorf("--val-fraction: %w", err)
	}
	return training, validation, nil
}

// samples says what the data has, and how much of it an epoch is.
func (s *settings) samples(training, validation, test data.Set) string {
	line := fmt.Sprintf("Data: %s, %d samples to train on", s.data, training.Len())
	if validation != nil {
		line += fmt.Sprintf(", %d to validate", validation.Len())
	}
	if test != nil {
		line += fmt.Sprintf(", %d to test", test.Len())
	}
	batch := s.batch * s.course.accumulate
	steps := (&data.Loader{Set: training, Batch: batch}).Steps()
	return fmt.Sprintf("%s; an epoch is %d steps of %d", line, steps, min(batch, training.Len()))
}

// stopped keeps the weights of a training that an interrupt or a diverging loss has ended early.
func stopped(err error, folder *runs.Folder, net *nn.Network, card *weights.Card) error {
	var diverged *fit.DivergedError
	if !errors.Is(err, cli.ErrInterrupted) && !errors.As(err, &diverged) {
		return err
	}
	if failed := folder.Save(net, card); failed != nil {
		return errors.Join(err, failed)
	}
	return fmt.Errorf("%w; the weights are in %s", err, folder.Path(runs.WeightsFile))
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
	net, err := nn.Build(dev, model.New(outputs), about.Sample, s.seed)
	if err != nil {
		return nil, nil, fmt.Errorf("--model %s on samples %v of %q: %w", s.model, about.Sample, about.Name, err)
	}
	if err = fit.Check(net, about, s.classes); err == nil {
		err = s.initial.begin(net)
	}
	if err != nil {
		net.Release()
		return nil, nil, err
	}
	return net, &weights.Card{Model: s.model, Outputs: outputs, Regression: about.Targets > 0, Sample: about.Sample, Scale: about.Scale,
		ClassNames: about.ClassNames, Mean: about.Mean, Deviation: about.Deviation, Resize: about.Resize}, nil
}

package main

import (
	"flag"
	"fmt"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/device/philox"
)

// splitUse tells the streams of what is held out from others of the same seed ("split" in ASCII).
const splitUse = 0x73706c6974

// Numbers of those streams.
const (
	validationSplit = iota
	testSplit
	foldSplit
)

// division is what of the data is held out, to validate and to test.
type division struct {
	valFraction  cli.Number
	testFraction float64
	stratify     bool
	folds        int
}

func (d *division) declare(f *flag.FlagSet) {
	f.Var(&d.valFraction, "val-fraction", "share of the training set held out to validate (default 0.1 for mnist, fashion-mnist, cifar10, cifar100 and for folders\nof pictures without a val folder, else 0)")
	f.Float64Var(&d.testFraction, "test-fraction", 0, "share of the samples held out first, to test with at the end; for data without a test set of its own")
	f.BoolVar(&d.stratify, "stratify", false, "hold the same share of each class out")
	f.IntVar(&d.folds, "folds", 0, "cross-validation: as many trainings with these settings, each of which validates with another part of the samples\nand trains on the rest; 0: one training")
}

func (d *division) check(name string) error {
	if d.folds != 0 {
		if err := d.checkFolds(); err != nil {
			return err
		}
		d.valFraction.Fallback(0)
	}
	switch name, _, _ := strings.Cut(name, ":"); name {
	case "mnist", "fashion-mnist", "cifar10", "cifar100":
		d.valFraction.Fallback(0.1)
	case "folder", "imagenet", "places": // they may have a validation set; see split
	default:
		d.valFraction.Fallback(0)
	}
	if v := d.valFraction.Value; v < 0 || v >= 1 {
		return cli.Usagef("--val-fraction: %v, expected at least 0 and below 1", v)
	}
	if v := d.testFraction; !(v >= 0 && v < 1) {
		return cli.Usagef("--test-fraction: %v, expected at least 0 and below 1", v)
	}
	return nil
}

// split is what to train on, to validate and to test with: the data's own sets for that, or parts held out.
func (s *settings) split(sets *data.Sets) (*data.Sets, error) {
	sets, err := s.splitTest(sets)
	if err != nil {
		return nil, err
	}
	if sets.Validation != nil {
		if s.division.valFraction.Value > 0 {
			return nil, cli.Usagef("--val-fraction: %v, but %s has a set of its own to validate with", s.division.valFraction.Value, s.data)
		}
		s.division.valFraction.Fallback(0)
	} else {
		s.division.valFraction.Fallback(0.1)
		if sets, err = s.splitValidation(sets); err != nil {
			return nil, err
		}
	}
	if s.division.stratify && s.division.valFraction.Value == 0 && s.division.testFraction == 0 {
		return nil, cli.Usagef("--stratify: nothing of %s is held out, expected --val-fraction, --test-fraction or --folds too", s.data)
	}
	return sets, nil
}

// splitTest holds out what --test-fraction asks for.
func (s *settings) splitTest(sets *data.Sets) (*data.Sets, error) {
	if s.division.testFraction == 0 {
		return sets, nil
	}
	if sets.Test != nil {
		return nil, cli.Usagef("--test-fraction: %v, but %s has a test set of its own", s.division.testFraction, s.data)
	}
	train, test, err := s.holdOut("test-fraction", sets.Train, s.division.testFraction, testSplit)
	return &data.Sets{Train: train, Validation: sets.Validation, Test: test}, err
}

func (s *settings) splitValidation(sets *data.Sets) (*data.Sets, error) {
	train, validation, err := s.holdOut("val-fraction", sets.Train, s.division.valFraction.Value, validationSplit)
	return &data.Sets{Train: train, Validation: validation, Test: sets.Test}, err
}

func (s *settings) holdOut(flag string, set data.Set, fraction float64, number uint64) (train, held data.Set, err error) {
	if err := s.stratifies(set); err != nil {
		return nil, nil, err
	}
	split := data.Split
	if s.division.stratify {
		split = data.SplitStratified
	}
	train, held, err = split(set, fraction, s.splitStream(number), !s.noShuffle)
	if err != nil {
		return nil, nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return train, held, nil
}

// stratifies says whether the set has the classes that --stratify needs.
func (s *settings) stratifies(set data.Set) error {
	if info := set.Info(); s.division.stratify && info.Targets > 0 {
		return cli.Usagef("--stratify: data %q has targets, not labels", info.Name)
	}
	return nil
}

func (s *settings) splitStream(number uint64) philox.Stream {
	return philox.Stream{Seed: s.seed}.Sub(splitUse, number)
}

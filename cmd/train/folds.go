package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/device"
)

// foldsTable is the file of a run folder that says what each fold came to.
const foldsTable = "folds.csv"

// checkFolds refuses what has no meaning with folds.
func (d *division) checkFolds() error {
	if d.folds < 2 {
		return cli.Usagef("--folds: %d, expected at least 2, or 0 for one training", d.folds)
	}
	if d.valFraction.Given && d.valFraction.Value > 0 {
		return cli.Usagef("--folds: each sample is validated with once, expected no --val-fraction")
	}
	return nil
}

// crossValidate trains once for each fold, in folders of one folder. The test set, and a validation set of the data's own, are
// left alone: folds are to choose settings by, and those are for what was chosen.
func (s *settings) crossValidate(ctx context.Context, dev device.Device, chosen string, sets *data.Sets, show display) (err error) {
	sets, err = s.splitTest(sets)
	if err != nil {
		return err
	}
	folds, err := s.foldsOf(sets.Train)
	if err != nil {
		return err
	}
	whole, err := runs.New(s.out, cli.ModelName(s.model))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, whole.Close()) }()
	if err := writeConfig(whole.Path(runs.ConfigFile), s.flags); err != nil {
		return err
	}
	result := foldsResult{Event: "folds", Run: whole.Dir}
	for i := range s.division.folds {
		s.out = filepath.Join(whole.Dir, fmt.Sprintf("fold-%d", i+1))
		train, held := folds.Fold(i)
		shown := &foldDisplay{display: show, start: foldStart{"fold", i + 1, s.division.folds, s.out}}
		if err := s.fit(ctx, dev, []string{chosen}, &data.Sets{Train: train, Validation: held}, shown); err != nil {
			return fmt.Errorf("fold %d: %w", i+1, err)
		}
		result.Folds = append(result.Folds, shown.came())
		if err := cli.WriteFile(whole.Path(foldsTable), result.table); err != nil {
			return err
		}
	}
	result.summarise()
	if err := cli.WriteFile(whole.Path(foldsTable), result.table); err != nil {
		return err
	}
	return show.result(result, result.text(sets))
}

func (s *settings) foldsOf(set data.Set) (*data.Folds, error) {
	if err := s.stratifies(set); err != nil {
		return nil, err
	}
	deal := data.NewFolds
	if s.division.stratify {
		deal = data.NewFoldsStratified
	}
	folds, err := deal(set, s.division.folds, s.splitStream(foldSplit), !s.noShuffle)
	if err != nil {
		return nil, fmt.Errorf("--folds: %w", err)
	}
	return folds, nil
}

package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/nn"
)

// foldStart is the line of --log json before those of a fold's training.
type foldStart struct {
	Event string `json:"event"` // "fold"
	Fold  int    `json:"fold"`  // from 1
	Folds int    `json:"folds"`
	Run   string `json:"run"`
}

// foldResult is what the validation of one fold came to.
type foldResult struct {
	Fold   int         `json:"fold"` // from 1
	Epochs int         `json:"epochs"`
	Best   foldMeasure `json:"best"` // of the epoch of the least loss
	Last   foldMeasure `json:"last"`
	Run    string      `json:"run"`
}

// foldMeasure is what was measured after an epoch.
type foldMeasure struct {
	Epoch int      `json:"epoch"`
	Loss  float64  `json:"val_loss"`
	Acc   *float64 `json:"val_accuracy,omitempty"` // nil for a regression
}

// foldsResult is the last line of --log json.
type foldsResult struct {
	Event     string       `json:"event"` // "folds"
	Folds     []foldResult `json:"folds"`
	Mean      *foldSummary `json:"mean,omitempty"`
	Deviation *foldSummary `json:"deviation,omitempty"` // the sample standard deviation, of n-1
	Run       string       `json:"run"`
}

// foldSummary is a number for each that was measured of all folds.
type foldSummary struct {
	BestLoss float64  `json:"best_val_loss"`
	BestAcc  *float64 `json:"best_val_accuracy,omitempty"`
	LastLoss float64  `json:"last_val_loss"`
	LastAcc  *float64 `json:"last_val_accuracy,omitempty"`
}

// summarise fills in means and deviations.
func (r *foldsResult) summarise() {
	r.Mean, r.Deviation = &foldSummary{}, &foldSummary{}
	r.Mean.BestLoss, r.Deviation.BestLoss = r.spread(func(f foldResult) float64 { return f.Best.Loss })
	r.Mean.LastLoss, r.Deviation.LastLoss = r.spread(func(f foldResult) float64 { return f.Last.Loss })
	if r.Folds[0].Best.Acc == nil {
		return
	}
	var best, last, bestDeviation, lastDeviation float64
	best, bestDeviation = r.spread(func(f foldResult) float64 { return *f.Best.Acc })
	last, lastDeviation = r.spread(func(f foldResult) float64 { return *f.Last.Acc })
	r.Mean.BestAcc, r.Deviation.BestAcc, r.Mean.LastAcc, r.Deviation.LastAcc = &best, &bestDeviation, &last, &lastDeviation
}

func (r *foldsResult) spread(of func(foldResult) float64) (mean, deviation float64) {
	values := make([]float64, len(r.Folds))
	for i, f := range r.Folds {
		values[i] = of(f)
	}
	return stat.MeanStdDev(values, nil)
}

// table writes folds.csv: a row for each fold that is done, and two for all of them when they are.
func (r *foldsResult) table(w io.Writer) error {
	table := csv.NewWriter(w)
	table.Write([]string{"fold", "epochs", "best_epoch", "best_val_loss", "best_val_accuracy", "last_val_loss", "last_val_accuracy"})
	row := func(name, epochs, best string, of foldSummary) {
		table.Write([]string{name, epochs, best, runs.Number(&of.BestLoss), runs.Number(of.BestAcc), runs.Number(&of.LastLoss), runs.Number(of.LastAcc)})
	}
	for _, f := range r.Folds {
		row(strconv.Itoa(f.Fold), strconv.Itoa(f.Epochs), strconv.Itoa(f.Best.Epoch), foldSummary{f.Best.Loss, f.Best.Acc, f.Last.Loss, f.Last.Acc})
	}
	if r.Mean != nil {
		row("mean", "", "", *r.Mean)
		row("deviation", "", "", *r.Deviation)
	}
	table.Flush()
	return table.Error()
}

// text is for people. Sets are what the folds were cut from.
func (r *foldsResult) text(sets *data.Sets) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run folder: %s (%d folds)\n", r.Run, len(r.Folds))
	fmt.Fprintf(&b, "%-9s  %10s  %15s  %8s\n", "Fold", "Best epoch", "Validation loss", "Accuracy")
	row := func(name, epoch string, loss float64, accuracy *float64) {
		line := fmt.Sprintf("%-9s  %10s  %15.4f", name, epoch, loss)
		if accuracy != nil {
			line += fmt.Sprintf("  %7.2f%%", 100**accuracy)
		}
		fmt.Fprintln(&b, line)
	}
	for _, f := range r.Folds {
		row(strconv.Itoa(f.Fold), strconv.Itoa(f.Best.Epoch), f.Best.Loss, f.Best.Acc)
	}
	row("mean", "", r.Mean.BestLoss, r.Mean.BestAcc)
	row("deviation", "", r.Deviation.BestLoss, r.Deviation.BestAcc)
	if sets.Validation != nil {
		fmt.Fprintln(&b, "The data's own validation set is left alone")
	}
	if sets.Test != nil {
		fmt.Fprintln(&b, "The test set is left alone: folds choose settings, and it measures what was chosen")
	}
	return b.String()
}

// foldDisplay shows the training of one fold, and notes what came of it.
type foldDisplay struct {
	display
	start foldStart

	epochs []runs.Epoch
}

func (d *foldDisplay) begin(net *nn.Network, model string, facts []string) error {
	if d.start.Fold == 1 {
		if err := d.display.begin(net, model, facts); err != nil {
			return err
		}
	}
	return d.display.result(d.start, fmt.Sprintf("Fold %d/%d: %s\n", d.start.Fold, d.start.Folds, d.start.Run))
}

func (d *foldDisplay) epoch(line runs.Epoch, epochs int) error {
	d.epochs = append(d.epochs, line)
	return d.display.epoch(line, epochs)
}

// done says nothing of a test set: there is none.
func (d *foldDisplay) done(line runs.Done, _ *runs.Matrix, _ string) error {
	return d.display.result(line, "")
}

// came is what came of the fold.
func (d *foldDisplay) came() foldResult {
	at := func(e runs.Epoch) foldMeasure { return foldMeasure{e.Epoch, *e.ValLoss, e.ValAcc} }
	best, last := runs.Best(d.epochs), d.epochs[len(d.epochs)-1]
	return foldResult{Fold: d.start.Fold, Epochs: last.Epoch, Best: at(*best), Last: at(last), Run: d.start.Run}
}

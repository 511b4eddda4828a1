package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"strconv"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/nn/fit"
)

// Files of a run folder that holds a sweep.
const (
	finderTable   = "lr-finder.csv"
	finderPicture = "lr-finder.png"
	finderDrawing = "lr-finder.svg"
)

// finder looks for a learning rate instead of training.
type finder struct {
	find  bool
	sweep fit.RateSweep
}

func (f *finder) declare(flags *flag.FlagSet) {
	flags.BoolVar(&f.find, "find-lr", false, "look for a learning rate instead of training: try growing ones, draw the loss, and leave no weights")
	flags.Float64Var(&f.sweep.From, "find-lr-from", 1e-7, "first `rate` that --find-lr tries")
	flags.Float64Var(&f.sweep.To, "find-lr-to", 10, "last `rate` that it tries")
	flags.IntVar(&f.sweep.Steps, "find-lr-steps", 200, "how many it tries, an update each")
}

func (f *finder) check() error {
	if err := f.sweep.Check(); err != nil {
		return cli.Usagef("--find-lr: %w", err)
	}
	return nil
}

// sweepResult is what a sweep has found, as --log json prints it.
type sweepResult struct {
	Event    string  `json:"event"` // "find-lr"
	Steps    int     `json:"steps"`
	Steepest float64 `json:"steepest_lr,omitempty"` // nothing if the loss fell nowhere
	Tenth    float64 `json:"tenth_lr,omitempty"`    // a tenth of the rate of the least loss
	Run      string  `json:"run"`
}

func (r sweepResult) text() string {
	found := "Learning rate: none to suggest, the loss fell nowhere\n"
	if r.Steepest > 0 {
		found = fmt.Sprintf("Learning rate: --lr %.2g, at which the loss falls fastest (a tenth of the rate of the least loss is %.2g)\n", r.Steepest, r.Tenth)
	}
	return fmt.Sprintf("Run folder: %s (%d rates tried; %s shows them)\n%s", r.Run, r.Steps, finderPicture, found)
}

// run tries the rates and keeps what came of it in the folder.
func (f *finder) run(ctx context.Context, trainer *fit.Trainer, folder *runs.Folder, show display) error {
	curve, err := fit.FindRate(ctx, trainer, f.sweep)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	if err := cli.WriteFile(folder.Path(finderTable), func(w io.Writer) error { return writeCurve(w, curve) }); err != nil {
		return err
	}
	for _, name := range []string{finderPicture, finderDrawing} {
		if err := cli.WriteFile(folder.Path(name), func(w io.Writer) error { return drawCurve(w, name, curve) }); err != nil {
			return err
		}
	}
	r := sweepResult{"find-lr", len(curve.Points), curve.Steepest, curve.Tenth, folder.Dir}
	return show.result(r, r.text())
}

func writeCurve(w io.Writer, curve *fit.RateCurve) error {
	table := csv.NewWriter(w)
	table.Write([]string{"step", "lr", "loss", "smoothed_loss"})
	for i, p := range curve.Points {
		row := []string{strconv.Itoa(i + 1)}
		for _, v := range []float64{p.Rate, p.Loss, p.Smoothed} {
			row = append(row, runs.Number(&v))
		}
		table.Write(row)
	}
	table.Flush()
	return table.Error()
}

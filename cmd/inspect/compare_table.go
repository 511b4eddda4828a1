package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"fovea/cmd/internal/runs"
)

// comparison is a table of runs.
type comparison struct {
	differing []string // settings that are not the same in all runs
	rows      []comparedRun
}

// comparedRun is a line of --json. What was not measured is left out.
type comparedRun struct {
	Run        string            `json:"run"`
	Network    string            `json:"network"`
	Settings   map[string]string `json:"settings"` // those that differ
	Done       bool              `json:"done"`
	Epochs     int               `json:"epochs"`
	Steps      int               `json:"steps"`
	TrainLoss  *float64          `json:"train_loss,omitempty"` // of the last epoch
	TrainAcc   *float64          `json:"train_accuracy,omitempty"`
	BestEpoch  int               `json:"best_epoch,omitempty"`
	ValLoss    *float64          `json:"val_loss,omitempty"` // of the best epoch
	ValAcc     *float64          `json:"val_accuracy,omitempty"`
	TestLoss   *float64          `json:"test_loss,omitempty"`
	TestAcc    *float64          `json:"test_accuracy,omitempty"`
	TestTop5   *float64          `json:"test_top5_accuracy,omitempty"`
	ImagesPerS float64           `json:"images_per_second"`
	Seconds    float64           `json:"seconds"`

	expected string // the epochs that were asked for
}

func newComparison(all []*runs.Run) *comparison {
	c := &comparison{differing: differing(all)}
	for _, r := range all {
		row := comparedRun{Run: r.Dir, Network: setting(r, "model"), Settings: map[string]string{}, Done: r.Done != nil,
			ImagesPerS: r.Speed(), Seconds: r.Seconds(), expected: setting(r, "epochs")}
		for _, name := range c.differing {
			row.Settings[name] = setting(r, name)
		}
		if n := len(r.Epochs); n > 0 {
			last := r.Epochs[n-1]
			row.Epochs, row.Steps, row.TrainLoss, row.TrainAcc = last.Epoch, last.Step, &last.TrainLoss, last.TrainAcc
		}
		if best := runs.Best(r.Epochs); best != nil {
			row.BestEpoch, row.ValLoss, row.ValAcc = best.Epoch, best.ValLoss, best.ValAcc
		}
		if d := r.Done; d != nil {
			row.TestLoss, row.TestAcc, row.TestTop5 = d.TestLoss, d.TestAcc, d.TestTop5
		}
		c.rows = append(c.rows, row)
	}
	return c
}

// setting is "" for one that a run's config.yaml does not have.
func setting(r *runs.Run, name string) string {
	value, there := r.Config[name]
	if !there {
		return ""
	}
	return fmt.Sprint(value)
}

// differing are the names of settings, but for the network's, that are not the same everywhere.
func differing(all []*runs.Run) []string {
	var names []string
	for _, r := range all {
		for name := range r.Config {
			if name != "model" && setting(r, name) != setting(all[0], name) {
				names = append(names, name)
			}
		}
		for name := range all[0].Config {
			if _, there := r.Config[name]; !there && name != "model" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// text is for people.
func (c *comparison) text(w io.Writer) error {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, cell := range cells {
			if cells[i] = plain(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	line(slices.Concat([]string{"Run", "Network"}, c.differing, []string{"Epochs", "Best validation", "Test", "Images/s", "Time"}))
	for _, r := range c.rows {
		cells := []string{r.Run, r.Network}
		for _, name := range c.differing {
			cells = append(cells, r.Settings[name])
		}
		best := measured(r.ValLoss, r.ValAcc)
		if best != "" {
			best += fmt.Sprintf(", epoch %d", r.BestEpoch)
		}
		line(append(cells, r.progress(), best, measured(r.TestLoss, r.TestAcc), strconv.FormatFloat(r.ImagesPerS, 'f', 0, 64), runs.Duration(r.Seconds)))
	}
	columns.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

// progress is how many epochs there were, and if that is not the end, of how many.
func (r *comparedRun) progress() string {
	if r.Done {
		return strconv.Itoa(r.Epochs)
	}
	return fmt.Sprintf("%d of %s, not done", r.Epochs, r.expected)
}

// measured is the accuracy, or the loss of a regression.
func measured(loss, accuracy *float64) string {
	switch {
	case accuracy != nil:
		return fmt.Sprintf("%.2f%%", 100**accuracy)
	case loss != nil:
		return fmt.Sprintf("loss %.4g", *loss)
	}
	return ""
}

func (c *comparison) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	for _, r := range c.rows {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) csv(w io.Writer) error {
	table := csv.NewWriter(w)
	table.Write(slices.Concat([]string{"run", "network"}, c.differing, []string{"done", "epochs", "steps", "train_loss", "train_accuracy", "best_epoch",
		"val_loss", "val_accuracy", "test_loss", "test_accuracy", "test_top5_accuracy", "images_per_second", "seconds"}))
	for _, r := range c.rows {
		cells := []string{r.Run, r.Network}
		for _, name := range c.differing {
			cells = append(cells, r.Settings[name])
		}
		best := ""
		if r.BestEpoch > 0 {
			best = strconv.Itoa(r.BestEpoch)
		}
		table.Write(append(cells, strconv.FormatBool(r.Done), strconv.Itoa(r.Epochs), strconv.Itoa(r.Steps), runs.Number(r.TrainLoss), runs.Number(r.TrainAcc), best,
			runs.Number(r.ValLoss), runs.Number(r.ValAcc), runs.Number(r.TestLoss), runs.Number(r.TestAcc), runs.Number(r.TestTop5), runs.Number(&r.ImagesPerS), runs.Number(&r.Seconds)))
	}
	table.Flush()
	return table.Error()
}

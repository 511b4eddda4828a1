package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/nn/checkpoint"
	"fovea/nn/fit"
	"fovea/nn/weights"
)

// checkpoints is how a training is kept while it runs, and which one goes on.
type checkpoints struct {
	steps   int
	minutes float64
	resume  string // a run folder; "": a new training

	folder *runs.Folder           // of resume
	from   *checkpoint.Checkpoint // nil: from the beginning
	config map[string]any         // of the training so far
}

func (c *checkpoints) declare(f *flag.FlagSet) {
	f.IntVar(&c.steps, "checkpoint-steps", 0, "make a checkpoint after every so many updates, and not only at the end of each epoch")
	f.Float64Var(&c.minutes, "checkpoint-minutes", 0, "make a checkpoint whenever so many `minutes` have gone by")
	f.StringVar(&c.resume, "resume", "", "`run` folder of a training that was stopped: go on with it, as if it never had been.\nThe settings are those of its config.yaml. docs/checkpoints.md says what may be given beside it")
}

// maxMinutes is what a time.Duration can hold.
const maxMinutes = 100_000_000

func (c *checkpoints) check() error {
	if err := cli.AtLeast("checkpoint-steps", c.steps, 0); err != nil {
		return err
	}
	if !(c.minutes >= 0 && c.minutes <= maxMinutes) {
		return cli.Usagef("--checkpoint-minutes: %v, expected 0 to %d", c.minutes, maxMinutes)
	}
	return nil
}

// beside are the flags that --resume does not take from the run: none changes the numbers, but for device, which is the user's
// decision, and epochs, see suits.
var beside = []string{"resume", "device", "threads", "workers", "data-dir", "epochs", "log", "ui", "serve", "checkpoint-steps", "checkpoint-minutes"}

// readSettings reads those of the run to go on with.
func (c *checkpoints) readSettings(f *flag.FlagSet) error {
	var err error
	f.Visit(func(each *flag.Flag) {
		if err == nil && !slices.Contains(beside, each.Name) {
			err = cli.Usagef("--resume: --%s is as in the run's %s, expected none beside it but %s", each.Name, runs.ConfigFile, strings.Join(beside[1:], ", "))
		}
	})
	if err != nil {
		return err
	}
	run, err := runs.Read(c.resume)
	if err != nil {
		return fmt.Errorf("--resume %w", err)
	}
	c.config = run.Config
	return setFlags("--resume "+filepath.Join(c.resume, runs.ConfigFile), run.Config, f)
}

// suits refuses what cannot go on with these settings.
func (c *checkpoints) suits(s *settings) error {
	if c.resume == "" {
		return nil
	}
	if s.division.folds > 0 || s.finder.find {
		return cli.Usagef("--resume %s: it is a run of --folds or --find-lr, which begin anew", c.resume)
	}
	before, known := c.config["epochs"].(int)
	if !known || before == s.epochs {
		return nil
	}
	if s.epochs < before {
		return cli.Usagef("--resume %s: --epochs %d, expected at least the %d of the run", c.resume, s.epochs, before)
	}
	if s.course.rates.NeedsLength() {
		return cli.Usagef("--resume %s: --epochs %d, but by the schedule %s the rates of the first %d epochs were those of a shorter training", c.resume, s.epochs, s.course.schedule, before)
	}
	return nil
}

// begin takes the run folder and its last checkpoint. It says whether there is nothing left to do.
func (c *checkpoints) begin(s *settings, notice func(line string)) (over bool, err error) {
	if c.resume == "" {
		return false, nil
	}
	folder, run, err := runs.Resume(c.resume)
	if err != nil {
		return false, fmt.Errorf("--resume %w", err)
	}
	c.folder, s.out = folder, c.resume
	if run.Done != nil && c.config["epochs"] == s.epochs {
		notice(fmt.Sprintf("%s is done, after %d epochs and %d steps: there is nothing to go on with (more --epochs train further)", c.resume, run.Done.Epochs, run.Done.Steps))
		return true, nil
	}
	c.from, err = checkpoint.Latest(folder.Path(runs.Checkpoints))
	if errors.Is(err, checkpoint.ErrNone) && len(run.Epochs) <= 1 { // it was stopped before it had made one
		notice(fmt.Sprintf("%s has no checkpoint yet: the training begins anew", c.resume))
		return false, folder.Rewind(0)
	}
	if err != nil {
		return false, fmt.Errorf("--resume %s: %w", c.resume, err)
	}
	for _, damage := range c.from.Damaged {
		notice(fmt.Sprintf("passed over: %v", damage))
	}
	if err := c.differences(s, notice); err != nil {
		return false, err
	}
	state := c.from.State
	epochs := state.Epoch
	if !state.Told {
		epochs--
	}
	return false, folder.Rewind(epochs)
}

// differences tells of what makes the rest of the training another than it would have been.
func (c *checkpoints) differences(s *settings, notice func(line string)) error {
	then, err := runs.ReadSettings(filepath.Join(c.from.Path, checkpoint.SettingsFile))
	if err != nil {
		return fmt.Errorf("--resume %s: checkpoint's settings: %v", c.resume, err)
	}
	before := newFlags(&settings{})
	before.VisitAll(func(was *flag.Flag) {
		value, known := then[was.Name]
		harmless := slices.Contains(beside, was.Name) && !(was.Name == "epochs" && s.course.rates.NeedsLength())
		if !known || harmless || was.Value.Set(fmt.Sprint(value)) != nil {
			return
		}
		if now := s.flags.Lookup(was.Name).Value.String(); now != was.Value.String() {
			notice(fmt.Sprintf("%s was %v when the checkpoint was made and is %v now: what follows is not what it would have been", was.Name, was.Value, now))
		}
	})
	kind := func(name string) string { return strings.Split(name, ":")[0] }
	switch made := c.from.State.Device; {
	case s.device.Spec == "auto":
		if s.device.Spec = made; made != "cpu" { // which may not be there any more
			notice(fmt.Sprintf("the device is %s, as the checkpoint was made there (--device chooses another)", made))
		}
	case kind(s.device.Spec) != kind(made):
		notice(fmt.Sprintf("the checkpoint was made on %s: %s rounds otherwise, so the last bits will not be what they would have been", made, s.device.Spec))
	}
	return nil
}

func (c *checkpoints) close() error {
	err := c.folder.Close()
	if c.from != nil {
		err = errors.Join(err, c.from.Close())
	}
	return err
}

// open is the run folder: a new one, or that of --resume.
func (c *checkpoints) open(s *settings) (*runs.Folder, error) {
	if c.folder != nil {
		return c.folder, nil
	}
	return runs.New(s.out, cli.ModelName(s.model))
}

// apply has a trainer go on from the checkpoint and make others, but for folds, which cannot go on.
func (c *checkpoints) apply(s *settings, t *fit.Trainer, folder *runs.Folder, card *weights.Card) error {
	if s.division.folds > 0 {
		return nil
	}
	config, err := configText(s.flags)
	if err != nil {
		return err
	}
	made := &checkpoint.Folder{Dir: folder.Path(runs.Checkpoints), Card: card, Settings: config}
	t.OnCheckpoint, t.CheckpointSteps, t.CheckpointEvery = made.Write, c.steps, time.Duration(c.minutes*float64(time.Minute))
	if c.from != nil {
		t.Resume = c.from.State
	}
	return nil
}

// last is the epoch that was over before training goes on.
func (c *checkpoints) last() fit.Epoch {
	if c.from == nil {
		return fit.Epoch{}
	}
	return fit.Epoch{Epoch: c.from.State.Epoch, Step: c.from.State.Step}
}

// spent is the time that was spent before.
func (c *checkpoints) spent() time.Duration {
	if c.from == nil {
		return 0
	}
	return c.from.State.Elapsed
}

// lines say it to the user.
func (c *checkpoints) lines() []string {
	if c.from == nil {
		return nil
	}
	return []string{fmt.Sprintf("Resumed: %s, after %d steps", c.from.Path, c.from.State.Step)}
}

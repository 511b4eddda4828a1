package main

import (
	"cmp"
	"flag"
	"io"
	"math"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/nn/optim"
	"fovea/nn/zoo"
)

// settings is everything the user may choose; the flags are its fields.
type settings struct {
	data, dataDir         string
	model                 string
	classes               int
	input                 cli.Sample
	device                cli.Device
	epochs, maxSteps      int
	batch                 int
	optimizer             string
	rate, momentum, decay cli.Number
	seed                  uint64
	noShuffle             bool
	division              division
	finder                finder
	serving               serving
	keeping               checkpoints
	course                course
	augment               augmentation
	loading               loading
	initial               initial
	out, log, ui          string
	config                string

	flags *flag.FlagSet
}

const about = `train trains a network on a data set and keeps what came of it in a run folder:
model.safetensors (weights), config.yaml (these settings), metrics.jsonl, metrics.csv and curves.png;
best.safetensors (weights of the least validation loss), checkpoints to go on from, confusion.csv, of the test set,
files for TensorBoard and inspect serve, and a report.html on it all. docs/runs.md explains each.

Usage: train [flags]

Examples:
  train
        trains cnn-small on MNIST, which it fetches, on the best device present
  train --model cnn-large --epochs 20 --optimizer nesterov --lr 0.01 --out runs/large
        another network and optimiser, in a folder of your choice
  train --data npz:shapes.npz --model mlp --val-fraction 0.2 --log json
        your own arrays x [N,C,H,W] and y [N]; one JSON line per epoch for other programs
  train --resume runs/large
        goes on with a training that was stopped, however that was

Flags:
`

func newFlags(s *settings) *flag.FlagSet {
	f := cli.NewFlags("train")
	f.StringVar(&s.data, "data", "mnist", "data `set`: "+strings.Join(data.Names(), " or ")+";\ndocs/data.md says what each must look like")
	f.StringVar(&s.dataDir, "data-dir", "", "`folder` with the data's own files (default the user's cache folder)")
	f.StringVar(&s.model, "model", "cnn-small", "`network`: one of those that --model list shows with their input, parameters and multiply-adds,\nor a file.onnx to train further")
	f.IntVar(&s.classes, "classes", 0, "number of classes (default what the data says, or the network was designed for)")
	f.Var(&s.input, "input", "`CxHxW` of the samples that pictures of any size become (default what the network was designed for)")
	s.device.Declare(f)
	f.IntVar(&s.epochs, "epochs", 10, "passes over the training set")
	f.IntVar(&s.maxSteps, "max-steps", 0, "stop after that many updates; 0: no limit")
	f.IntVar(&s.batch, "batch", 200, "samples per update, times --accumulate")
	f.StringVar(&s.optimizer, "optimizer", "adam", "`method`: "+strings.Join(optim.Methods(), ", "))
	f.Var(&s.rate, "lr", "learning rate (default 0.001 for adam and adamw, else 0.01)")
	f.Var(&s.momentum, "momentum", "of sgd, nesterov and rmsprop (default 0.9 for nesterov, else 0)")
	f.Var(&s.decay, "weight-decay", "lambda of the regulariser (lambda/2) W^2 (default 0.01 for adamw, else 0)")
	f.Uint64Var(&s.seed, "seed", 1, "of all that is random: the same seed gives the same weights")
	f.BoolVar(&s.noShuffle, "no-shuffle", false, "take the samples in file order")
	s.division.declare(f)
	s.finder.declare(f)
	s.course.declare(f)
	s.augment.declare(f)
	s.loading.declare(f)
	s.initial.declare(f)
	s.serving.declare(f)
	s.keeping.declare(f)
	f.StringVar(&s.out, "out", "", "run `folder`, which must not hold a run yet (default runs/<model>-<time>)")
	f.StringVar(&s.log, "log", "text", "`form` of the output: text, or json (one line per epoch, then one with the test accuracy)")
	f.StringVar(&s.ui, "ui", "auto", "`view` of the training: auto (a bar on a terminal, lines elsewhere), or tui (all of the terminal, with curves)")
	f.StringVar(&s.config, "config", "", "YAML or TOML `file` of these settings by the names of the flags; flags win")
	return f
}

// parse reads the command line, and the configuration file if it names one.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	f := newFlags(s)
	s.flags = f
	arguments, err := cli.Parse(f, about, args, stdout)
	if err != nil {
		return nil, err
	}
	if s.model == "list" {
		return nil, cmp.Or(cli.ListModels(stdout), flag.ErrHelp)
	}
	if len(arguments) > 0 {
		return nil, cli.Usagef("unexpected argument %q: settings are given as flags", arguments[0])
	}
	if s.keeping.resume != "" {
		if err := s.keeping.readSettings(f); err != nil {
			return nil, err
		}
	}
	if s.config != "" {
		if err := readConfig(s.config, f); err != nil {
			return nil, err
		}
	}
	if err := s.augment.check(stdout); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// check fills in the defaults that depend on other settings and refuses what cannot be meant.
func (s *settings) check() error {
	if err := cmp.Or(cli.AtLeast("epochs", s.epochs, 1), cli.AtLeast("batch", s.batch, 1), cli.AtLeast("max-steps", s.maxSteps, 0)); err != nil {
		return err
	}
	if s.classes < 0 || s.classes > cli.MaxClasses {
		return cli.Usagef("--classes: %d, expected 1 to %d, or 0 for what the data says", s.classes, cli.MaxClasses)
	}
	if s.log != "text" && s.log != "json" {
		return cli.Usagef("--log: %q, expected text or json", s.log)
	}
	if err := s.checkUI(); err != nil {
		return err
	}
	defaults, err := optim.Defaults(s.optimizer)
	if err != nil {
		return cli.Usagef("--optimizer: %w", err)
	}
	s.rate.Fallback(defaults.Rate)
	s.momentum.Fallback(defaults.Momentum)
	s.decay.Fallback(defaults.WeightDecay)
	if err := s.division.check(s.data); err != nil {
		return err
	}
	if err := s.finder.check(); err != nil {
		return err
	}
	if s.division.folds > 0 && (s.course.overfit || s.finder.find) {
		return cli.Usagef("--folds: --overfit-batch and --find-lr validate with nothing, expected neither")
	}
	if err := s.course.check(); err != nil {
		return err
	}
	if n := s.course.accumulate; n > math.MaxInt32/s.batch {
		return cli.Usagef("--accumulate: %d batches of %d, expected at most %d samples per update", n, s.batch, math.MaxInt32)
	}
	if err := cmp.Or(s.keeping.check(), s.keeping.suits(s)); err != nil {
		return err
	}
	if err := s.loading.check(); err != nil {
		return err
	}
	if err := s.initial.check(); err != nil {
		return err
	}
	if err := s.optim().Check(); err != nil {
		return cli.Usagef("%w", err)
	}
	if cli.IsONNX(s.model) { // read when the network is made
		return nil
	}
	if _, err := zoo.Find(s.model); err != nil {
		return cli.Usagef("--model: %w", err)
	}
	return nil
}

func (s *settings) optim() optim.Config {
	c, _ := optim.Defaults(s.optimizer) // check has refused others
	c.Rate, c.Momentum, c.WeightDecay = s.rate.Value, s.momentum.Value, s.decay.Value
	return c
}

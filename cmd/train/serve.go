package main

import (
	"context"
	"errors"
	"flag"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/live"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/nn/fit"
)

// serving is how a training is seen in a browser: always kept in the run folder, and served while it runs if the user wants.
type serving struct {
	address string

	board  *live.Board
	server *live.Server
}

func (s *serving) declare(f *flag.FlagSet) {
	f.StringVar(&s.address, "serve", "", "show the training in a browser while it runs, at `address`: PORT of this machine (0: one that is free),\nor HOST:PORT; HOST 0.0.0.0 lets anyone look who reaches this machine. inspect serve shows a run later")
}

// open begins to serve, if the user wants that, and says where.
func (s *serving) open(ctx context.Context, notice func(line string)) error {
	s.board = live.NewBoard()
	if s.address == "" {
		return nil
	}
	listener, line, err := cli.Listen(ctx, "serve", s.address)
	if err != nil {
		return err
	}
	s.server = live.Serve(listener, s.board)
	notice(line)
	return nil
}

func (s *serving) close() error {
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}

// watch has a recorder see what a trainer does, after what sees it already. The recorder must be told the end.
func (s *serving) watch(ctx context.Context, t *fit.Trainer, folder *runs.Folder, model string, facts []string) (*live.Recorder, error) {
	r, err := live.NewRecorder(ctx, s.board, live.Subject{Dir: folder.Dir, Model: model, Facts: facts, Network: t.Network, Samples: shown(t),
		Epochs: t.Epochs, EpochSteps: t.Train.Steps(), MaxSteps: t.MaxSteps,
		Looked: func(parameters []string, d live.Detail) error {
			return folder.Events(d.Step, histograms(parameters, d)...)
		}})
	if err != nil {
		return nil, err
	}
	onStep, onEpoch := t.OnStep, t.OnEpoch
	t.OnStep = func(p fit.Progress) {
		onStep(p)
		r.Step(p)
	}
	t.OnEpoch = func(e fit.Epoch) error { return errors.Join(onEpoch(e), r.Epoch(runs.NewEpoch(e))) }
	return r, nil
}

// shown is where the samples come from that are predicted.
func shown(t *fit.Trainer) data.Set {
	if t.Validation != nil {
		return t.Validation
	}
	return t.Train.Set
}

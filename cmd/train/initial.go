package main

import (
	"flag"
	"fmt"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/nn"
	"fovea/nn/weights"
)

// initial is what a network begins its training with: weights of a file, and layers that stay as they are.
type initial struct {
	weights string
	partial bool
	freeze  string

	lines []string // what was done, for the user
}

func (s *initial) declare(f *flag.FlagSet) {
	f.StringVar(&s.weights, "weights", "", "`file` of weights to start from: safetensors, or PyTorch's .pth with a state_dict in it")
	f.BoolVar(&s.partial, "weights-partial", false, "load what of --weights has a name and shape of the network, and leave the rest as it is: for another head")
	f.StringVar(&s.freeze, "freeze", "", "comma-separated `patterns` of parameters that are not trained: 'features.*', or features for all below it;\na batch normalisation frozen whole keeps its running statistics")
}

func (s *initial) check() error {
	if s.partial && s.weights == "" {
		return cli.Usagef("--weights-partial: expected --weights too")
	}
	return nil
}

// whole says that all weights are of a file.
func (s *initial) whole() bool { return s.weights != "" && !s.partial }

// begin readies the network. One that is resumed has the weights of its checkpoint.
func (s *initial) begin(net *nn.Network, resumed bool) error {
	s.lines = nil
	switch {
	case resumed:
	case s.partial:
		done, err := weights.LoadPartial(s.weights, net.State())
		if err != nil {
			return err
		}
		s.lines = append(s.lines, "Weights: "+done.String())
	case s.whole():
		if err := weights.Load(s.weights, net.State()); err != nil {
			return err
		}
	}
	if s.freeze == "" {
		return nil
	}
	patterns := strings.Split(s.freeze, ",")
	for i, p := range patterns {
		patterns[i] = strings.TrimSpace(p)
	}
	count, err := net.Freeze(patterns...)
	if err != nil {
		return cli.Usagef("--freeze: %w", err)
	}
	s.lines = append(s.lines, fmt.Sprintf("Frozen: %d of %d parameters", count, len(net.Parameters)))
	return nil
}

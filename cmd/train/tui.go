package main

import (
	"context"
	"errors"
	"fmt"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/tui"
	"fovea/nn"
	"fovea/nn/fit"
)

// checkUI refuses what cannot be shown on the whole screen. Whether there is one is found out by newDisplay.
func (s *settings) checkUI() error {
	switch {
	case s.ui != "auto" && s.ui != "tui":
		return cli.Usagef("--ui: %q, expected auto or tui", s.ui)
	case s.ui == "tui" && s.log == "json":
		return cli.Usagef("--ui tui: --log json is for other programs, expected one of the two")
	case s.ui == "tui" && s.finder.find:
		return cli.Usagef("--ui tui: --find-lr draws a picture of its own, expected one of the two")
	}
	return nil
}

// screenDisplay shows a training on the whole screen. Before and after, and once an interrupt has ended the screen, it is a
// textDisplay, whose lines the screen holds back as long as it is there.
type screenDisplay struct {
	textDisplay
	ctx     context.Context
	screen  *tui.Screen
	serving *serving // whose board has the curves
}

func newScreenDisplay(ctx context.Context, serving *serving, text *textDisplay) (display, error) {
	if !text.terminal {
		return nil, cli.Usagef("--ui tui: standard output is not a terminal, expected one (--ui auto prints lines)")
	}
	screen, err := tui.New(text.out, text.people, cli.Interrupt)
	if err != nil {
		return nil, cli.Usagef("--ui tui: %w (--ui auto prints lines)", err)
	}
	cli.BeforeExit(func() { screen.Close() })
	d := &screenDisplay{*text, ctx, screen, serving}
	d.out, d.people = screen.Out, screen.People
	return d, nil
}

// begin prints the table of layers as without a screen, and then takes the terminal.
func (d *screenDisplay) begin(net *nn.Network, model string, facts []string) error {
	if err := d.textDisplay.begin(net, model, facts); err != nil {
		return err
	}
	parameters := 0
	for _, row := range net.Rows {
		parameters += row.Parameters
	}
	title := fmt.Sprintf("%s, %s parameters", cli.ModelName(model), nn.Thousands(parameters))
	return d.screen.Start(d.ctx, d.serving.board, title, facts)
}

func (d *screenDisplay) step(p fit.Progress) {
	if !d.screen.Up() {
		d.textDisplay.step(p)
		return
	}
	parts := state(p)
	d.screen.Show(tui.Now{Epoch: p.Epoch, Epochs: p.Epochs, Step: p.Step, Steps: p.Steps, Left: parts[0], Figures: parts[1:]})
}

func (d *screenDisplay) close() error {
	return errors.Join(d.screen.Close(), d.textDisplay.close())
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fovea/cmd/internal/runs"
	"fovea/nn"
	"fovea/nn/fit"
)

// display shows a training to a person, or to another program.
type display interface {
	notice(line string) // what takes long before the training begins: a download
	begin(net *nn.Network, model string, facts []string) error
	step(p fit.Progress)
	epoch(line runs.Epoch, epochs int) error
	done(line runs.Done, classes *runs.Matrix, data string) error
	result(line any, text string) error // of what is not one training
	close() error                       // whatever is written next begins on a line of its own
}

// newDisplay is the display that the user wants, which ctx ends if it is the whole screen.
func (s *settings) newDisplay(ctx context.Context, stdout, stderr io.Writer) (display, error) {
	if s.log == "json" {
		return &jsonDisplay{stdout, stderr}, nil
	}
	d := &textDisplay{out: stdout, people: stderr}
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		d.terminal = true
		d.size = func() (int, int, error) { return term.GetSize(int(file.Fd())) }
	}
	if s.ui == "tui" {
		return newScreenDisplay(ctx, &s.serving, d)
	}
	return d, nil
}

// textDisplay prints lines, and on a terminal a bar that each epoch's line replaces. The table of layers is the first
// thing on standard output; notices, which may come before, go to standard error.
type textDisplay struct {
	out, people io.Writer
	terminal    bool
	size        func() (width, height int, err error) // of the terminal
	bar         *progressbar.ProgressBar
	shown       time.Time
}

func (d *textDisplay) notice(line string) { fmt.Fprintln(d.people, line) }

func (d *textDisplay) begin(net *nn.Network, model string, facts []string) error {
	if err := net.Summary(d.out, model); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.out, strings.Join(facts, "\n"))
	return err
}

func (d *textDisplay) step(p fit.Progress) {
	if !d.terminal {
		// Elsewhere a line now and then, for epochs that take minutes.
		if p.Step == 1 {
			d.shown = time.Now()
		}
		if p.Step < p.Steps && time.Since(d.shown) >= 30*time.Second {
			d.shown = time.Now()
			fmt.Fprintf(d.out, "Epoch %d/%d: step %d/%d, %s\n", p.Epoch, p.Epochs, p.Step, p.Steps, strings.Join(state(p), ", "))
		}
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions(p.Steps, progressbar.OptionSetWriter(d.out), progressbar.OptionFullWidth(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), // describe says it in words
			progressbar.OptionUseANSICodes(true), progressbar.OptionClearOnFinish())
	}
	d.bar.Describe(d.describe(p))
	d.bar.Set(p.Step)
}

// describe says as much as leaves room for a bar: a line longer than the terminal is wide could not be taken away.
func (d *textDisplay) describe(p fit.Progress) string {
	const bar = 12 // "  50% |=|  "
	width := 80
	if d.size != nil {
		if w, _, err := d.size(); err == nil && w > 0 {
			width = w
		}
	}
	text := fmt.Sprintf("Epoch %d/%d", p.Epoch, p.Epochs)
	separator := ": "
	for _, part := range state(p) {
		if len(text)+len(separator)+len(part)+bar > width {
			break
		}
		text, separator = text+separator+part, ", "
	}
	return text
}

// state is where a training stands, what matters most first.
func state(p fit.Progress) []string {
	parts := []string{remaining(p), fmt.Sprintf("loss %.3f", p.Train.Loss)}
	if accuracy := runs.Known(p.Train.Accuracy); accuracy != nil {
		parts = append(parts, fmt.Sprintf("accuracy %.1f%%", 100**accuracy))
	}
	return append(parts, fmt.Sprintf("%.0f images/s", runs.PerSecond(p.Train.Samples, p.Elapsed)), fmt.Sprintf("lr %.3g", p.Rate))
}

// remaining is how long the rest of the epoch takes if it goes on as it did.
func remaining(p fit.Progress) string {
	left := time.Duration(float64(p.Elapsed) * float64(p.Steps-p.Step) / float64(p.Step))
	return left.Round(time.Second).String() + " left"
}

// close takes the bar away.
func (d *textDisplay) close() error {
	if d.bar != nil {
		d.bar.Clear()
		d.bar = nil
	}
	return nil
}

func (d *textDisplay) epoch(e runs.Epoch, epochs int) error {
	d.close()
	var b strings.Builder
	fmt.Fprintf(&b, "Epoch %d/%d: %.1f s, %.0f images/s, lr %.3g, loss %.4f", e.Epoch, epochs, e.Seconds, e.ImagesPerS, e.Rate, e.TrainLoss)
	if e.TrainAcc != nil {
		fmt.Fprintf(&b, ", accuracy %.2f%%", 100**e.TrainAcc)
	}
	if e.ValLoss != nil {
		fmt.Fprintf(&b, "; validation loss %.4f", *e.ValLoss)
	}
	if e.ValAcc != nil {
		fmt.Fprintf(&b, ", accuracy %.2f%%", 100**e.ValAcc)
	}
	if e.Partial {
		fmt.Fprintf(&b, " (stopped after step %d)", e.Step)
	}
	_, err := fmt.Fprintln(d.out, b.String())
	return err
}

func (d *textDisplay) done(l runs.Done, classes *runs.Matrix, data string) error {
	d.close()
	last := fmt.Sprintf("No test set in %s: nothing to measure at the end", data)
	switch {
	case l.TestAcc != nil:
		last = fmt.Sprintf("Test accuracy: %.2f%% (%d samples, loss %.4f)", 100**l.TestAcc, l.TestSamples, *l.TestLoss)
	case l.TestLoss != nil:
		last = fmt.Sprintf("Test loss: %.4f (%d samples)", *l.TestLoss, l.TestSamples)
	}
	_, err := fmt.Fprintf(d.out, "Run folder: %s (%d epochs, %d steps, %.1f s)\n%s%s%s\n", l.Run, l.Epochs, l.Steps, l.Seconds, kept(l), classTable(classes), last)
	return err
}

func (d *textDisplay) result(_ any, text string) error {
	d.close()
	_, err := io.WriteString(d.out, text)
	return err
}

// jsonDisplay writes JSON lines on standard output; what is for people goes to standard error.
type jsonDisplay struct{ out, people io.Writer }

func (d *jsonDisplay) notice(line string) { fmt.Fprintln(d.people, line) }
func (d *jsonDisplay) begin(_ *nn.Network, _ string, facts []string) error {
	_, err := fmt.Fprintln(d.people, strings.Join(facts, "\n"))
	return err
}
func (d *jsonDisplay) step(fit.Progress)               {}
func (d *jsonDisplay) epoch(e runs.Epoch, _ int) error { return json.NewEncoder(d.out).Encode(e) }
func (d *jsonDisplay) done(l runs.Done, _ *runs.Matrix, _ string) error {
	return json.NewEncoder(d.out).Encode(l)
}
func (d *jsonDisplay) result(line any, _ string) error { return json.NewEncoder(d.out).Encode(line) }
func (d *jsonDisplay) close() error                    { return nil }

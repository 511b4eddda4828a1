package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fovea/nn"
	"fovea/nn/fit"
)

// display shows a training to a person, or to another program.
type display interface {
	say(line string) // for people: a device, a download
	begin(net *nn.Network, model string) error
	step(p fit.Progress)
	epoch(line epochLine, epochs int)
	done(line doneLine, sets string)
}

func newDisplay(form string, stdout, stderr io.Writer) display {
	if form == "json" {
		return &jsonDisplay{stdout, stderr}
	}
	d := &textDisplay{out: stdout}
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		d.terminal = true
	}
	return d
}

// textDisplay prints lines, and on a terminal a bar that each epoch's line replaces.
type textDisplay struct {
	out      io.Writer
	terminal bool
	bar      *progressbar.ProgressBar
	shown    time.Time
}

func (d *textDisplay) say(line string) {
	d.clear()
	fmt.Fprintln(d.out, line)
}

func (d *textDisplay) begin(net *nn.Network, model string) error { return net.Summary(d.out, model) }

func (d *textDisplay) step(p fit.Progress) {
	if !d.terminal {
		// Elsewhere a line now and then, for epochs that take minutes.
		if p.Step == 1 {
			d.shown = time.Now()
		}
		if p.Step < p.Steps && time.Since(d.shown) >= 30*time.Second {
			d.shown = time.Now()
			fmt.Fprintf(d.out, "Epoch %d/%d: step %d/%d, %s\n", p.Epoch, p.Epochs, p.Step, p.Steps, speedAndMetrics(p))
		}
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions(p.Steps, progressbar.OptionSetWriter(d.out), progressbar.OptionSetPredictTime(true),
			progressbar.OptionFullWidth(), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(50*time.Millisecond))
	}
	d.bar.Describe(fmt.Sprintf("Epoch %d/%d: %s", p.Epoch, p.Epochs, speedAndMetrics(p)))
	d.bar.Set(p.Step)
}

func speedAndMetrics(p fit.Progress) string {
	text := fmt.Sprintf("%.0f images/s, loss %.4f", float64(p.Train.Samples)/p.Elapsed.Seconds(), p.Train.Loss)
	if accuracy := known(p.Train.Accuracy); accuracy != nil {
		text += fmt.Sprintf(", accuracy %.2f%%", 100**accuracy)
	}
	return text
}

// clear takes the bar away.
func (d *textDisplay) clear() {
	if d.bar != nil {
		d.bar.Clear()
		d.bar = nil
	}
}

func (d *textDisplay) epoch(e epochLine, epochs int) {
	d.clear()
	var b strings.Builder
	fmt.Fprintf(&b, "Epoch %d/%d: %.1f s, %.0f images/s, loss %.4f", e.Epoch, epochs, e.Seconds, e.ImagesPerS, e.TrainLoss)
	if e.TrainAcc != nil {
		fmt.Fprintf(&b, ", accuracy %.2f%%", 100**e.TrainAcc)
	}
	if e.ValLoss != nil {
		fmt.Fprintf(&b, "; validation loss %.4f", *e.ValLoss)
	}
	if e.ValAcc != nil {
		fmt.Fprintf(&b, ", accuracy %.2f%%", 100**e.ValAcc)
	}
	if e.Interrupted {
		fmt.Fprintf(&b, " (stopped after step %d)", e.Step)
	}
	fmt.Fprintln(d.out, b.String())
}

func (d *textDisplay) done(l doneLine, set string) {
	d.clear()
	fmt.Fprintf(d.out, "Run folder: %s (%d epochs, %d steps, %.1f s)\n", l.Run, l.Epochs, l.Steps, l.Seconds)
	switch {
	case l.TestAcc != nil:
		fmt.Fprintf(d.out, "Test accuracy: %.2f%% (%d samples, loss %.4f)\n", 100**l.TestAcc, l.TestSamples, *l.TestLoss)
	case l.TestLoss != nil:
		fmt.Fprintf(d.out, "Test loss: %.4f (%d samples)\n", *l.TestLoss, l.TestSamples)
	default:
		fmt.Fprintf(d.out, "No test set in %s: nothing to measure at the end\n", set)
	}
}

// jsonDisplay writes JSON lines on standard output; what is for people goes to standard error.
type jsonDisplay struct{ out, people io.Writer }

func (d *jsonDisplay) say(line string)                 { fmt.Fprintln(d.people, line) }
func (d *jsonDisplay) begin(*nn.Network, string) error { return nil }
func (d *jsonDisplay) step(fit.Progress)               {}
func (d *jsonDisplay) epoch(e epochLine, _ int)        { json.NewEncoder(d.out).Encode(e) }
func (d *jsonDisplay) done(l doneLine, _ string)       { json.NewEncoder(d.out).Encode(l) }

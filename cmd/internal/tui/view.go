package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"

	"fovea/cmd/internal/live"
)

// The smallest screen that has room for everything.
const (
	minWidth  = 76
	minHeight = 16
)

// mostEpochs are drawn as points of their own; of more, every second is kept.
const mostEpochs = 4096

// Now is where a training is in its epoch.
type Now struct {
	Epoch, Epochs, Step, Steps int
	Left                       string   // of the epoch
	Figures                    []string // what was measured in it so far
}

// view is what the screen shows.
type view struct {
	title string
	facts []string
	now   Now
	tail  []string // the last lines that are held back

	run                  int // number on the board: each fold is one
	epochSteps           int
	left                 float64 // seconds of the whole training
	loss, accuracy       []point // of training
	valLoss, valAccuracy []point
}

// change takes up what came on the board. The last run is the one at work.
func (v *view) change(c live.Change) {
	if c.Run < v.run {
		return
	}
	if c.Reset || c.Run > v.run {
		v.loss, v.accuracy, v.valLoss, v.valAccuracy, v.left = nil, nil, nil, nil, 0
	}
	v.run = c.Run
	if c.Start != nil {
		v.epochSteps = max(1, c.Start.EpochSteps)
	}
	if c.Progress != nil {
		v.left = c.Progress.Left
	}
	for _, s := range c.Steps {
		v.loss = append(v.loss, point{s.Epoch, s.Loss})
		if s.Accuracy != nil {
			v.accuracy = append(v.accuracy, point{s.Epoch, 100 * *s.Accuracy})
		}
	}
	for _, e := range c.Epochs {
		at := float64(e.Step) / float64(v.epochSteps)
		if e.ValLoss != nil {
			v.valLoss = thin(append(v.valLoss, point{at, *e.ValLoss}))
		}
		if e.ValAcc != nil {
			v.valAccuracy = thin(append(v.valAccuracy, point{at, 100 * *e.ValAcc}))
		}
	}
}

// thin keeps every second of too many points, and the last.
func thin(points []point) []point {
	if len(points) <= mostEpochs {
		return points
	}
	few := points[:0]
	for i := (len(points) - 1) % 2; i < len(points); i += 2 {
		few = append(few, points[i])
	}
	return few
}

func (v *view) draw(s tcell.Screen) {
	s.Clear()
	width, height := s.Size()
	if width < minWidth || height < minHeight {
		write(s, 0, 0, width, fmt.Sprintf("needs %d x %d", minWidth, minHeight), tcell.StyleDefault)
		write(s, 0, 1, width, "the training goes on", tcell.StyleDefault)
		return
	}
	training, validation := tcell.StyleDefault, tcell.StyleDefault
	if s.Colors() > 0 {
		training, validation = training.Foreground(tcell.ColorTeal), validation.Foreground(tcell.ColorPurple)
	}
	const keys = "q: stop, keep the weights"
	bold := tcell.StyleDefault.Bold(true)
	write(s, 0, 0, width-len(keys)-1, v.title, bold)
	write(s, width-len(keys), 0, len(keys), keys, tcell.StyleDefault)
	y := 1
	for _, fact := range v.facts[:min(len(v.facts), height/8)] {
		write(s, 0, y, width, fact, tcell.StyleDefault)
		y++
	}
	y++
	v.progress(s, y, width, training)
	y += 3
	for i, line := range v.tail {
		write(s, 0, height-len(v.tail)+i, width, line, tcell.StyleDefault)
	}
	charts := []chart{{"loss", "%.4g", []curve{{"train", v.loss, false, training}, {"val", v.valLoss, true, validation}}}}
	if len(v.accuracy) > 0 {
		charts = append(charts, chart{"accuracy", "%.4g%%", []curve{{"train", v.accuracy, false, training}, {"val", v.valAccuracy, true, validation}}})
	}
	room := height - len(v.tail) - y
	each := (width - 2*(len(charts)-1)) / len(charts)
	for i, c := range charts {
		c.draw(s, i*(each+2), y, each, room)
	}
}

// progress is two lines on the epoch: a bar with how far it is, and what was measured.
func (v *view) progress(s tcell.Screen, y, width int, style tcell.Style) {
	n := v.now
	if n.Steps == 0 {
		write(s, 0, y, width, "before the first step", tcell.StyleDefault)
		return
	}
	before := fmt.Sprintf("Epoch %d/%d  step %d/%d  ", n.Epoch, n.Epochs, n.Step, n.Steps)
	after := "  " + n.Left
	if v.left > 0 {
		left := time.Duration(min(v.left, float64(100*365*24*time.Hour/time.Second)) * float64(time.Second))
		after += fmt.Sprintf(", %v in all", left.Round(time.Second))
	}
	share := min(1, float64(n.Step)/float64(n.Steps))
	percent := fmt.Sprintf("%3.0f%% ", 100*share)
	x := write(s, 0, y, width, before+percent, tcell.StyleDefault)
	if bar := width - x - len(after); bar > 2 {
		full := int(share * float64(bar))
		x += write(s, x, y, full, strings.Repeat("█", full), style)
		x += write(s, x, y, bar-full, strings.Repeat("─", bar-full), style)
	}
	write(s, x, y, width-x, after, tcell.StyleDefault)
	write(s, 0, y+1, width, strings.Join(n.Figures, "  "), tcell.StyleDefault)
}

// write writes a text into width cells and says how many it took.
func write(s tcell.Screen, x, y, width int, text string, style tcell.Style) int {
	begin, end := x, x+width
	for text != "" && x < end {
		rest, taken := s.Put(x, y, text, style)
		if taken == 0 { // outside of the screen
			break
		}
		text, x = rest, x+taken
	}
	return x - begin
}

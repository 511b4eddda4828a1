package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/runs"
	"fovea/nn/fit"
)

// screen is what a terminal shows after text with the control sequences that the bar uses: the finished lines, and the
// one the cursor is on. A line longer than the terminal would wrap, and could not be taken away; longest says if one was.
func screen(text string) (finished []string, current string, longest int) {
	var line []rune
	at := 0
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "\x1b[2K"):
			line, rest = line[:0], rest[4:]
			for range at {
				line = append(line, ' ')
			}
		case strings.HasPrefix(rest, "\x1b[0K"):
			line, rest = line[:at], rest[4:]
		case rest[0] == '\r':
			at, rest = 0, rest[1:]
		case rest[0] == '\n':
			finished, line, at, rest = append(finished, string(line)), nil, 0, rest[1:]
		default:
			r := []rune(rest)[0]
			if line = append(line[:at], append([]rune{r}, line[min(at+1, len(line)):]...)...); len(line) > longest {
				longest = len(line)
			}
			at, rest = at+1, rest[len(string(r)):]
		}
	}
	return finished, strings.TrimRight(string(line), " "), longest
}

func progress(epoch, step int, accuracy float64) fit.Progress {
	return fit.Progress{Epoch: epoch, Rate: 0.001, Epochs: 12, Step: step, Steps: 270, Elapsed: time.Duration(step) * 500 * time.Millisecond,
		Train: fit.Metrics{Samples: 6000 * step, Loss: 12.34567, Accuracy: accuracy}}
}

func TestBar(t *testing.T) {
	const classes, regression = 0.98765, 0
	for _, row := range []struct {
		width    int
		accuracy float64
		shown    string // of the bar at step 90
	}{
		{0, classes, `^Epoch 12/12: 1m30s left, loss 12.346, accuracy 98.8%, 12000 images/s  33% |`}, // 80 where the size is unknown
		{80, classes, `^Epoch 12/12: 1m30s left, loss 12.346, accuracy 98.8%, 12000 images/s  33% |`},
		{140, classes, `^Epoch 12/12: 1m30s left, loss 12.346, accuracy 98.8%, 12000 images/s, lr 0.001  33% |`},
		{60, classes, `^Epoch 12/12: 1m30s left, loss 12.346  33% |`},
		{34, classes, `^Epoch 12/12  33% |`},
		{80, math.NaN(), `^Epoch 12/12: 1m30s left, loss 12.346, 12000 images/s, lr 0.001  33% |`},
	} {
		t.Run(fmt.Sprint(row.width, row.accuracy), func(t *testing.T) {
			var out, people bytes.Buffer
			d := &textDisplay{out: &out, people: &people, terminal: true}
			if row.width > 0 {
				d.size = func() (int, int, error) { return row.width, 24, nil }
			}
			for _, step := range []int{1, 30, 90} {
				d.step(progress(12, step, row.accuracy))
			}
			finished, bar, longest := screen(out.String())
			require.Empty(t, finished)
			require.Regexp(t, strings.ReplaceAll(row.shown, "|", `\|`), bar)
			// The bar's library asks the buffer for its width, which has none, and takes 80; narrower is the description alone.
			require.LessOrEqual(t, longest, max(80, row.width))

			d.step(progress(12, 270, row.accuracy))
			line := runs.Epoch{Epoch: 12, Seconds: 135, Rate: 0.001, ImagesPerS: 12000, TrainLoss: 12.3, TrainAcc: runs.Known(row.accuracy)}
			require.NoError(t, d.epoch(line, 12))
			require.NoError(t, d.done(runs.Done{Run: "runs/x"}, nil, "mnist"))
			finished, bar, _ = screen(out.String())
			require.Empty(t, bar)
			require.Len(t, finished, 3, "%q", finished)
			require.Regexp(t, `^Epoch 12/12: 135.0 s, 12000 images/s, lr 0.001, loss 12.3000`, finished[0])
			require.Empty(t, people.String())
		})
	}
}

// An error that ends a training finds the cursor at the start of an empty line.
func TestBarIsTakenAway(t *testing.T) {
	var out bytes.Buffer
	d := &textDisplay{out: &out, terminal: true}
	d.step(progress(1, 1, 0.5))
	_, bar, _ := screen(out.String())
	require.NotEmpty(t, bar)
	d.close()
	finished, bar, _ := screen(out.String())
	require.Empty(t, finished)
	require.Empty(t, bar)
	require.True(t, strings.HasSuffix(out.String(), "\r"))
	d.close() // nothing more to take away
	require.Equal(t, "\r", out.String()[out.Len()-1:])
}

// Where output is no terminal there is no bar: a line now and then, and no control characters.
func TestPlain(t *testing.T) {
	var out bytes.Buffer
	d := &textDisplay{out: &out}
	d.step(progress(1, 1, 0.5))
	d.step(progress(1, 30, 0.5))
	require.Empty(t, out.String())
	d.shown = time.Now().Add(-time.Minute)
	d.step(progress(1, 60, 0.5))
	d.step(progress(1, 61, 0.5))
	require.Equal(t, "Epoch 1/12: step 60/270, 1m45s left, loss 12.346, accuracy 50.0%, 12000 images/s, lr 0.001\n", out.String())
}

func TestLastLine(t *testing.T) {
	accuracy, loss := 0.98765, 0.04321
	for last, line := range map[string]runs.Done{
		"Test accuracy: 98.77% (10000 samples, loss 0.0432)":      {TestAcc: &accuracy, TestLoss: &loss, TestSamples: 10000},
		"Test loss: 0.0432 (10000 samples)":                       {TestLoss: &loss, TestSamples: 10000},
		"No test set in npz:x.npz: nothing to measure at the end": {},
	} {
		var out bytes.Buffer
		require.NoError(t, (&textDisplay{out: &out}).done(line, nil, "npz:x.npz"))
		require.Regexp(t, regexp.QuoteMeta(last)+"\n$", out.String())
	}
}

// A size that cannot be had is no reason to fail.
func TestBarWithoutSize(t *testing.T) {
	d := &textDisplay{terminal: true, size: func() (int, int, error) { return 0, 0, errors.New("no terminal") }}
	require.Contains(t, d.describe(progress(1, 1, 0.5)), "images/s")
}

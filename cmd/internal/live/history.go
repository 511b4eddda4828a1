package live

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	mostSteps   = 1200     // records of steps that are kept; even, see thin
	mostDetails = 40       // likewise
	mostBytes   = 32 << 20 // of a file that is read
)

// History is what a file holds. Its size is bounded however long the training: when there are too many records of steps, each
// two become one, and of the looks at the network every second is kept.
type History struct {
	Start   *Start
	Steps   []Step
	Details []Detail
	End     *End

	stride  int   // records of the Recorder in one that is kept, at least 1
	waiting *Step // fewer than stride, not kept yet
	waits   int   // how many those are
}

// addStep says whether it did more than add a record to those that there were.
func (h *History) addStep(s Step) (rewritten bool) {
	s.Event = "step"
	rewritten = h.forget(s.Step)
	if h.waiting != nil {
		s = join(*h.waiting, s)
	}
	h.waiting = &s
	if h.waits++; h.waits < h.stride {
		return rewritten
	}
	return h.flush() || rewritten
}

// flush keeps what waits for more, and says whether that changed what was kept before.
func (h *History) flush() (rewritten bool) {
	if h.waiting == nil {
		return false
	}
	h.Steps = append(h.Steps, *h.waiting)
	h.waiting, h.waits = nil, 0
	return h.thinSteps()
}

func (h *History) thinSteps() bool {
	if len(h.Steps) < mostSteps {
		return false
	}
	half := make([]Step, 0, mostSteps)
	for pair := range slices.Chunk(h.Steps, 2) {
		half = append(half, pair[0])
		if len(pair) == 2 {
			half[len(half)-1] = join(pair[0], pair[1])
		}
	}
	h.Steps = half
	h.stride = max(1, h.stride) * 2
	return true
}

// join makes one record of two in a row.
func join(a, b Step) Step {
	n := float64(a.Samples + b.Samples)
	mean := func(x, y float64) float64 { return (x*float64(a.Samples) + y*float64(b.Samples)) / max(n, 1) }
	if a.Accuracy != nil && b.Accuracy != nil {
		m := mean(*a.Accuracy, *b.Accuracy)
		b.Accuracy = &m
	}
	// Of a speed the time is what adds up.
	if a.ImagesPerS > 0 && b.ImagesPerS > 0 {
		b.ImagesPerS = n / (float64(a.Samples)/a.ImagesPerS + float64(b.Samples)/b.ImagesPerS)
	}
	b.Loss = mean(a.Loss, b.Loss)
	b.Samples += a.Samples
	b.DeviceBytes, b.Resident = max(a.DeviceBytes, b.DeviceBytes), max(a.Resident, b.Resident)
	return b
}

// addDetail says whether it forgot something.
func (h *History) addDetail(d Detail) (rewritten bool) {
	d.Event = "detail"
	rewritten = h.forget(d.Step + 1)
	for len(h.Details) > 0 && h.Details[len(h.Details)-1].Epoch >= d.Epoch { // one that was cut before
		h.Details = h.Details[:len(h.Details)-1]
	}
	h.Details = append(h.Details, d)
	if len(h.Details) < mostDetails {
		return rewritten
	}
	last := len(h.Details) - 1
	few := make([]Detail, 0, mostDetails)
	for i := 0; i < last; i += 2 {
		few = append(few, h.Details[i])
	}
	h.Details = append(few, h.Details[last])
	return rewritten
}

// forget drops what a training that was resumed makes again: all from an update on.
func (h *History) forget(step int) (dropped bool) {
	if h.waiting != nil && h.waiting.Step >= step {
		h.waiting, h.waits = nil, 0
	}
	for len(h.Steps) > 0 && h.Steps[len(h.Steps)-1].Step >= step {
		h.Steps, dropped = h.Steps[:len(h.Steps)-1], true
	}
	for len(h.Details) > 0 && h.Details[len(h.Details)-1].Step >= step {
		h.Details, dropped = h.Details[:len(h.Details)-1], true
	}
	if h.End != nil {
		h.End, dropped = nil, true
	}
	return dropped
}

// write makes JSON lines.
func (h *History) write(w io.Writer) error {
	buffer := bufio.NewWriter(w)
	lines := json.NewEncoder(buffer)
	if h.Start != nil {
		if err := lines.Encode(h.Start); err != nil {
			return err
		}
	}
	for i := range h.Steps {
		if err := lines.Encode(&h.Steps[i]); err != nil {
			return err
		}
	}
	for i := range h.Details {
		if err := lines.Encode(&h.Details[i]); err != nil {
			return err
		}
	}
	if h.End != nil {
		if err := lines.Encode(h.End); err != nil {
			return err
		}
	}
	return buffer.Flush()
}

// readHistory reads JSON lines, which may come from anywhere. Lines of events that it does not know are passed over.
func readHistory(r io.Reader) (*History, error) {
	h := &History{}
	err := eachLine(r, func(event string, line []byte) error {
		switch event {
		case "start":
			h.Start = &Start{}
			if err := json.Unmarshal(line, h.Start); err != nil {
				return err
			}
			if h.Start.Format != format {
				return fmt.Errorf("format %d, expected %d", h.Start.Format, format)
			}
			return nil
		case "step":
			return appendLine(&h.Steps, mostSteps, line)
		case "detail":
			return appendLine(&h.Details, mostDetails, line)
		case "end":
			h.End = &End{}
			return json.Unmarshal(line, h.End)
		}
		return nil
	})
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// check refuses what Details say about more than Start names.
func (h *History) check() error {
	if h.Start == nil {
		return errors.New("no line of event start")
	}
	for _, d := range h.Details {
		if len(d.Weights) != len(h.Start.Parameters) || len(d.Gradients) != len(h.Start.Parameters) || len(d.Predictions) != len(h.Start.Samples) {
			return fmt.Errorf("detail of epoch %d: %d and %d histograms and %d predictions, expected those of %d parameters and %d samples",
				d.Epoch, len(d.Weights), len(d.Gradients), len(d.Predictions), len(h.Start.Parameters), len(h.Start.Samples))
		}
		if err := d.check(); err != nil {
			return fmt.Errorf("detail of epoch %d: %w", d.Epoch, err)
		}
	}
	return nil
}

func (d *Detail) check() error {
	for _, h := range slices.Concat(d.Weights, d.Gradients) {
		if h != nil && (len(h.Counts) == 0 || len(h.Counts) > bins) {
			return fmt.Errorf("a histogram of %d bins, expected 1 to %d", len(h.Counts), bins)
		}
	}
	if d.Filters == nil {
		return nil
	}
	return d.Filters.check()
}

// appendLine refuses more than a Recorder keeps.
func appendLine[T any](list *[]T, most int, line []byte) error {
	if len(*list) == most {
		return fmt.Errorf("more than %d lines of this event", most)
	}
	var one T
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	*list = append(*list, one)
	return nil
}

// eachLine hands on JSON lines with what their field event says.
func eachLine(r io.Reader, each func(event string, line []byte) error) error {
	content, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err != nil {
		return err
	}
	if len(content) > mostBytes {
		return fmt.Errorf("more than %d bytes", mostBytes)
	}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		var kind struct{ Event string }
		err := json.Unmarshal(line, &kind)
		if err == nil {
			err = each(kind.Event, line)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

package runs

import (
	"fmt"
	"math"
)

// State says in words how far the training is.
func (r *Run) State() string {
	switch {
	case r.Done != nil && r.Done.Early:
		return fmt.Sprintf("stopped early after %d epochs", r.Done.Epochs)
	case r.Done != nil:
		return fmt.Sprintf("done after %d epochs", r.Done.Epochs)
	case len(r.Epochs) == 0:
		return "before the end of its first epoch"
	}
	return fmt.Sprintf("not done: it is at work or was stopped, after %d epochs", r.Epochs[len(r.Epochs)-1].Epoch)
}

// Best is the first epoch of the least validation loss, nil without validation.
func Best(epochs []Epoch) *Epoch {
	var best *Epoch
	for i, e := range epochs {
		if e.ValLoss != nil && (best == nil || *e.ValLoss < *best.ValLoss) {
			best = &epochs[i]
		}
	}
	return best
}

// Speed is the images per second of all epochs together; 0: unknown.
func (r *Run) Speed() float64 {
	images, seconds := 0.0, 0.0
	for _, e := range r.Epochs {
		images, seconds = images+e.ImagesPerS*e.Seconds, seconds+e.Seconds
	}
	if speed := images / seconds; speed > 0 && !math.IsInf(speed, 0) {
		return speed
	}
	return 0
}

// Seconds is how long the training took, with validation and test if it is done.
func (r *Run) Seconds() float64 {
	if r.Done != nil {
		return r.Done.Seconds
	}
	seconds := 0.0
	for _, e := range r.Epochs {
		seconds += e.Seconds
	}
	return min(seconds, math.MaxFloat64) // a file may say anything
}

// figures are what was measured.
func (r *Run) figures() [][2]string {
	var all [][2]string
	percent := func(name string, v *float64) {
		if v != nil {
			all = append(all, [2]string{name, fmt.Sprintf("%.2f%%", 100**v)})
		}
	}
	loss := func(name string, v *float64) {
		if v != nil {
			all = append(all, [2]string{name, fmt.Sprintf("%.4g", *v)})
		}
	}
	if d := r.Done; d != nil {
		percent("Test accuracy", d.TestAcc)
		percent("Test top-5 accuracy", d.TestTop5)
		loss("Test loss", d.TestLoss)
	}
	if best := Best(r.Epochs); best != nil {
		at := fmt.Sprintf(", epoch %d", best.Epoch)
		percent("Validation accuracy"+at, best.ValAcc)
		loss("Least validation loss"+at, best.ValLoss)
	}
	if n := len(r.Epochs); n > 0 {
		last := r.Epochs[n-1]
		percent("Last training accuracy", last.TrainAcc)
		loss("Last training loss", &last.TrainLoss)
		all = append(all, [2]string{"Images per second", fmt.Sprintf("%.0f", r.Speed())}, [2]string{"Time", Duration(r.Seconds())})
	}
	return all
}

// Duration writes seconds for people.
func Duration(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	s := int(min(seconds, 1e12) + 0.5)
	if s < 3600 {
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
}

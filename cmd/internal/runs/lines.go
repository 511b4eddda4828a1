package runs

import (
	"math"
	"strconv"
	"time"

	"fovea/nn/fit"
)

// Epoch is one line of metrics.jsonl and of train --log json. What was not measured is left out.
type Epoch struct {
	Event      string   `json:"event"` // "epoch"
	Epoch      int      `json:"epoch"`
	Step       int      `json:"step"` // updates since the start
	Rate       float64  `json:"lr"`   // of the last update
	TrainLoss  float64  `json:"train_loss"`
	TrainAcc   *float64 `json:"train_accuracy,omitempty"`
	ValLoss    *float64 `json:"val_loss,omitempty"`
	ValAcc     *float64 `json:"val_accuracy,omitempty"`
	ImagesPerS float64  `json:"images_per_second"`
	Seconds    float64  `json:"seconds"`              // of this epoch's training
	BadImages  int      `json:"bad_images,omitempty"` // damaged pictures passed over since the line before
	Partial    bool     `json:"partial,omitempty"`    // stopped before the last batch, by --max-steps or an interrupt
}

// NewEpoch is the line of an epoch.
func NewEpoch(e fit.Epoch) Epoch {
	line := Epoch{Event: "epoch", Epoch: e.Epoch, Step: e.Step, Rate: e.Rate, TrainLoss: e.Train.Loss, TrainAcc: Known(e.Train.Accuracy),
		Seconds: e.Elapsed.Seconds(), ImagesPerS: PerSecond(e.Train.Samples, e.Elapsed), Partial: !e.Complete}
	if e.Validation != nil {
		line.ValLoss, line.ValAcc = &e.Validation.Loss, Known(e.Validation.Accuracy)
	}
	return line
}

// Done is the last line of metrics.jsonl. The set measured is test where the data has one.
type Done struct {
	Event       string   `json:"event"` // "done"
	TestAcc     *float64 `json:"test_accuracy,omitempty"`
	TestTop5    *float64 `json:"test_top5_accuracy,omitempty"` // of more than 5 classes
	TestLoss    *float64 `json:"test_loss,omitempty"`
	TestSamples int      `json:"test_samples,omitempty"`
	BadImages   int      `json:"bad_images,omitempty"` // of the test set
	BestEpoch   int      `json:"best_epoch,omitempty"` // with --patience: the one whose weights are kept
	BestValLoss *float64 `json:"best_val_loss,omitempty"`
	Early       bool     `json:"stopped_early,omitempty"`
	Epochs      int      `json:"epochs"`
	Steps       int      `json:"steps"`
	Seconds     float64  `json:"seconds"`
	Run         string   `json:"run"`
}

// Number writes a measurement for a table; nothing for what was not measured.
func Number(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', 8, 64)
}

// PerSecond is finite however coarse the clock.
func PerSecond(samples int, elapsed time.Duration) float64 {
	return float64(samples) / max(elapsed, time.Microsecond).Seconds()
}

// Known is nil for what was not measured, NaN.
func Known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

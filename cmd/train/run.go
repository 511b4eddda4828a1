package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/weights"
)

// Files of a run folder.
const (
	weightsFile = cli.WeightsFile
	configFile  = "config.yaml"
	linesFile   = "metrics.jsonl"
	tableFile   = "metrics.csv"
	curvesFile  = "curves.png"
	matrixFile  = "confusion.csv"
)

// run is the folder that a training leaves behind. Every file is replaced whole, so that a reader at any moment finds
// complete ones.
type run struct {
	dir    string
	lines  bytes.Buffer
	epochs []epochLine
}

// newRun makes the folder, or says why it cannot be used.
func newRun(dir, model string) (*run, error) {
	if dir == "" {
		return newDatedRun(filepath.Join("runs", model+"-"+time.Now().Format("20060102-150405")))
	}
	for _, name := range []string{weightsFile, configFile, linesFile, tableFile, curvesFile, matrixFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil, fmt.Errorf("--out %s: it holds a run already (%s is there), expected a new folder or one without", dir, name)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, cli.Cause(err))
	}
	return &run{dir: dir}, nil
}

// newDatedRun makes a folder that nobody else has, though two trainings may start in the same second.
func newDatedRun(name string) (*run, error) {
	err := os.MkdirAll(filepath.Dir(name), 0o777)
	dir := name
	for n := 2; err == nil; n++ {
		if err = os.Mkdir(dir, 0o777); err == nil {
			return &run{dir: dir}, nil
		}
		if errors.Is(err, fs.ErrExist) {
			dir, err = fmt.Sprintf("%s-%d", name, n), nil
		}
	}
	return nil, fmt.Errorf("run folder %s: %w (--out names another)", dir, cli.Cause(err))
}

func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

// epochLine is one line of metrics.jsonl and of --log json. What was not measured is left out.
type epochLine struct {
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

func newEpochLine(e fit.Epoch) epochLine {
	line := epochLine{Event: "epoch", Epoch: e.Epoch, Step: e.Step, Rate: e.Rate, TrainLoss: e.Train.Loss, TrainAcc: known(e.Train.Accuracy),
		Seconds: e.Elapsed.Seconds(), ImagesPerS: perSecond(e.Train.Samples, e.Elapsed), Partial: !e.Complete}
	if e.Validation != nil {
		line.ValLoss, line.ValAcc = &e.Validation.Loss, known(e.Validation.Accuracy)
	}
	return line
}

// perSecond is finite however coarse the clock.
func perSecond(samples int, elapsed time.Duration) float64 {
	return float64(samples) / max(elapsed, time.Microsecond).Seconds()
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// doneLine is the last line. The set measured is test where the data has one.
type doneLine struct {
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

	classes *testResult
}

// epoch keeps what an epoch brought: weights, measurements and curves.
func (r *run) epoch(line epochLine, net *nn.Network, card *weights.Card) error {
	r.epochs = append(r.epochs, line)
	if err := r.save(net, card); err != nil {
		return err
	}
	if err := r.line(line); err != nil {
		return err
	}
	if err := atomic.WriteFile(r.path(tableFile), r.table); err != nil {
		return fmt.Errorf("%s: %w", r.path(tableFile), cli.Cause(err))
	}
	return drawCurves(r.path(curvesFile), r.epochs)
}

func (r *run) save(net *nn.Network, card *weights.Card) error {
	return weights.Save(r.path(weightsFile), net.State(), card)
}

// line adds to metrics.jsonl.
func (r *run) line(value any) error {
	if err := json.NewEncoder(&r.lines).Encode(value); err != nil {
		return err
	}
	err := atomic.WriteFile(r.path(linesFile), func(w io.Writer) error {
		_, err := w.Write(r.lines.Bytes())
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.path(linesFile), cli.Cause(err))
	}
	return nil
}

func (r *run) table(w io.Writer) error {
	table := csv.NewWriter(w)
	table.Write([]string{"epoch", "step", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "images_per_second", "seconds"})
	text := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', 8, 64)
	}
	for _, e := range r.epochs {
		table.Write([]string{strconv.Itoa(e.Epoch), strconv.Itoa(e.Step), text(&e.Rate), text(&e.TrainLoss), text(e.TrainAcc),
			text(e.ValLoss), text(e.ValAcc), text(&e.ImagesPerS), text(&e.Seconds)})
	}
	table.Flush()
	return table.Error()
}

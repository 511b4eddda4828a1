package runs

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
	"fovea/nn"
	"fovea/nn/weights"
)

// Files of a run folder.
const (
	WeightsFile  = cli.WeightsFile
	ConfigFile   = "config.yaml"
	LinesFile    = "metrics.jsonl"
	TableFile    = "metrics.csv"
	CurvesFile   = "curves.png"
	VectorFile   = "curves.svg"
	MatrixFile   = "confusion.csv"
	MatrixPlot   = "confusion.png"
	MistakesFile = "mistakes.png" // of the test set, those that the network is surest of
	SummaryFile  = "summary.txt"  // the network and other facts, as train prints them
	ReportFile   = "report.html"
	BestFile     = "best.safetensors" // the weights of the least validation loss
	// Checkpoints is a folder: see nn/checkpoint.
	Checkpoints = "checkpoints"
)

// Folder is the run folder of a training at work. Every file is replaced whole, so that a reader at any moment finds
// complete ones.
type Folder struct {
	Dir string

	lines  bytes.Buffer
	epochs []Epoch
	events events
	held   *atomic.Held
}

// New makes the folder, or says why it cannot be used. A dir of "" is one under runs with the network's name and the time.
func New(dir, model string) (*Folder, error) {
	if dir == "" {
		return newDated(filepath.Join("runs", model+"-"+time.Now().Format("20060102-150405")))
	}
	for _, name := range []string{WeightsFile, ConfigFile, LinesFile, TableFile, CurvesFile, MatrixFile, BestFile, Checkpoints} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil, fmt.Errorf("--out %s: it holds a run already (%s is there), expected a new folder or one without", dir, name)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, cli.Cause(err))
	}
	r := &Folder{Dir: dir}
	if err := r.lock(); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, cli.Cause(err))
	}
	return r, nil
}

// Close lets others have the folder.
func (r *Folder) Close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.events.close(), r.held.Release())
}

// lock makes the folder this training's own, until Close or the end of the process.
func (r *Folder) lock() (err error) {
	if r.held, err = atomic.Lock(r.Dir); errors.Is(err, atomic.ErrLocked) {
		return errors.New("another training is at work there")
	}
	return err
}

// newDated makes a folder that nobody else has, though two trainings may start in the same second.
func newDated(name string) (*Folder, error) {
	err := os.MkdirAll(filepath.Dir(name), 0o777)
	dir := name
	for n := 2; err == nil; n++ {
		if err = os.Mkdir(dir, 0o777); err == nil {
			r := &Folder{Dir: dir}
			return r, r.lock()
		}
		if errors.Is(err, fs.ErrExist) {
			dir, err = fmt.Sprintf("%s-%d", name, n), nil
		}
	}
	return nil, fmt.Errorf("run folder %s: %w (--out names another)", dir, cli.Cause(err))
}

// Path is that of a file of the folder.
func (r *Folder) Path(name string) string { return filepath.Join(r.Dir, name) }

// Epoch keeps what an epoch brought: weights, measurements and curves.
func (r *Folder) Epoch(line Epoch, net *nn.Network, card *weights.Card) error {
	best := better(line, r.epochs)
	r.epochs = append(r.epochs, line)
	if err := r.Save(net, card); err != nil {
		return err
	}
	if err := r.Line(line); err != nil {
		return err
	}
	if err := cli.WriteFile(r.Path(TableFile), r.table); err != nil {
		return err
	}
	if best { // behind the line that says so, see Rewind
		if err := weights.Save(r.Path(BestFile), net.State(), card); err != nil {
			return err
		}
	}
	return errors.Join(r.draw(), r.events.epoch(line))
}

// Save keeps a network's weights.
func (r *Folder) Save(net *nn.Network, card *weights.Card) error {
	return weights.Save(r.Path(WeightsFile), net.State(), card)
}

// Line adds an Epoch or a Done to metrics.jsonl.
func (r *Folder) Line(value any) error {
	if err := json.NewEncoder(&r.lines).Encode(value); err != nil {
		return err
	}
	return cli.WriteBytes(r.Path(LinesFile), r.lines.Bytes())
}

func (r *Folder) table(w io.Writer) error {
	table := csv.NewWriter(w)
	table.Write([]string{"epoch", "step", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "images_per_second", "seconds"})
	for _, e := range r.epochs {
		table.Write([]string{strconv.Itoa(e.Epoch), strconv.Itoa(e.Step), Number(&e.Rate), Number(&e.TrainLoss), Number(e.TrainAcc),
			Number(e.ValLoss), Number(e.ValAcc), Number(&e.ImagesPerS), Number(&e.Seconds)})
	}
	table.Flush()
	return table.Error()
}

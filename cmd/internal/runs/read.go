package runs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"fovea/cmd/internal/cli"
)

const (
	maxMetrics = 64 << 20 // bytes of a metrics.jsonl; an epoch takes about 250
	maxLine    = 64 << 10
	maxEpochs  = 1 << 18
)

// Run is what a run folder says of a training, which may still be at work.
type Run struct {
	Dir    string
	Config map[string]any // the settings by the names of train's flags
	Epochs []Epoch
	Done   *Done // nil: the training is still at work, or was stopped
}

// Read reads the settings and measurements of a run folder. One whose first epoch is not over has no Epochs.
func Read(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	path := filepath.Join(dir, ConfigFile)
	var err error
	r.Config, err = ReadSettings(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, notARun(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %v", path, err) // not %w: a damaged file is no mistake in how a program was called
	}
	path = filepath.Join(dir, LinesFile)
	file, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		defer file.Close()
		err = r.readLines(file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Name is what a run folder is called, also where it is named by a path such as "." that does not say.
func Name(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	return filepath.Base(dir)
}

// open opens a regular file: others may have no end, or wait for one who writes. The path is not in the error.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.Cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, cli.Cause(err)
	}
	return file, nil
}

func notARun(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s: %w, expected a run folder of train", dir, cli.Cause(err))
	}
	return fmt.Errorf("%s: no %s in it, expected a run folder of train", dir, ConfigFile)
}

// readLines reads metrics.jsonl.
func (r *Run) readLines(content io.Reader) error {
	limited := &io.LimitedReader{R: content, N: maxMetrics + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() && limited.N > 0 { // else the last line may be cut by the limit
		number++
		if err := r.line(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if limited.N <= 0 {
		return fmt.Errorf("longer than %d bytes, expected the measurements of a training", maxMetrics)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: longer than %d bytes", number+1, maxLine)
	}
	return cli.Cause(lines.Err())
}

// line takes a line of metrics.jsonl. Events of other names are passed over: later versions may have more.
func (r *Run) line(text []byte) error {
	var kind struct {
		Event string `json:"event"`
	}
	if err := decode(text, &kind); err != nil {
		return err
	}
	switch kind.Event {
	case "":
		return errors.New(`no "event", expected "epoch" or "done"`)
	case "epoch":
		var e Epoch
		if err := decode(text, &e); err != nil {
			return err
		}
		return r.add(e)
	case "done":
		r.Done = &Done{}
		return decode(text, r.Done)
	}
	return nil
}

// decode never quotes more than a little of a damaged line.
func decode(text []byte, value any) error {
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("damaged: %.200v", err)
	}
	return nil
}

// add takes an epoch. One after the end is of a training that was resumed.
func (r *Run) add(e Epoch) error {
	last := Epoch{}
	if n := len(r.Epochs); n > 0 {
		last = r.Epochs[n-1]
	}
	if e.Epoch <= last.Epoch || e.Step < last.Step {
		return fmt.Errorf("epoch %d with step %d after epoch %d with step %d, expected later ones", e.Epoch, e.Step, last.Epoch, last.Step)
	}
	if len(r.Epochs) == maxEpochs {
		return fmt.Errorf("more than %d epochs", maxEpochs)
	}
	r.Epochs, r.Done = append(r.Epochs, e), nil
	return nil
}

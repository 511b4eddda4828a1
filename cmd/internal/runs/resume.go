package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
)

// Resume takes the folder of a training that was stopped. What a killed one was writing goes.
func Resume(dir string) (*Folder, *Run, error) {
	r := &Folder{Dir: dir}
	if err := r.lock(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, cli.Cause(err))
	}
	run, err := Read(dir)
	if err == nil {
		err = atomic.ClearAll(dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	r.epochs = run.Epochs
	return r, run, nil
}

// Rewind forgets all but the first epochs, which is how many were over when training was stopped.
func (r *Folder) Rewind(epochs int) error {
	if len(r.epochs) < epochs {
		return fmt.Errorf("%s: %d epochs, expected at least the %d of the checkpoint", r.Path(LinesFile), len(r.epochs), epochs)
	}
	kept, dropped := r.epochs[:epochs:epochs], r.epochs[epochs:]
	r.epochs = kept
	r.lines.Reset()
	encoder := json.NewEncoder(&r.lines)
	for _, line := range kept {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	for _, line := range dropped {
		if better(line, kept) { // and best.safetensors is of it
			if err := os.Remove(r.Path(BestFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: %w", r.Path(BestFile), cli.Cause(err))
			}
			break
		}
	}
	return nil
}

// better says that an epoch has a validation loss less than all before it.
func better(line Epoch, before []Epoch) bool {
	best := Best(before)
	return line.ValLoss != nil && (best == nil || *line.ValLoss < *best.ValLoss)
}

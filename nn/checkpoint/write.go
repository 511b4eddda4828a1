package checkpoint

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fovea/data/atomic"
	"fovea/nn/fit"
	"fovea/nn/weights"
)

// Files of a checkpoint.
const (
	WeightsFile   = "weights.safetensors"   // the network's, as any file of weights
	optimizerFile = "optimizer.safetensors" // what the optimiser remembers; not there if that is nothing
	averageFile   = "average.safetensors"   // of the weights; not there without
	bestFile      = "best.safetensors"      // weights of the best epoch; not there without
	stateFile     = "state.json"
	SettingsFile  = "config.yaml" // Folder.Settings
	sumsFile      = "SHA256SUMS"  // of all others, as the program sha256sum writes and checks it
)

// Folder is where a training's checkpoints are. One program at a time may write there.
type Folder struct {
	Dir      string
	Card     *weights.Card // what the weights are of; nil: nothing is said
	Settings []byte        // a text that is kept with each, for the program's own use
}

// Write makes a checkpoint. The one before is kept, in case that this one is damaged later, and none else.
func (f *Folder) Write(s *fit.State) error {
	path := filepath.Join(f.Dir, placeOf(s).name())
	err := os.MkdirAll(f.Dir, 0o777)
	if err == nil {
		err = f.clear(placeOf(s))
	}
	if err == nil {
		err = atomic.WriteFolder(path, func(dir string) error { return f.fill(dir, s) })
	}
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, cause(err))
	}
	return nil
}

// cause is a file error without its paths: they may be temporary, or are in the message already.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// clear leaves the latest checkpoint before p. Others of p or later are damaged, or Latest would have found them.
func (f *Folder) clear(p place) error {
	if err := atomic.ClearAll(f.Dir); err != nil {
		return err
	}
	all, err := list(f.Dir)
	if err != nil {
		return err
	}
	kept := false
	for _, other := range all {
		if other.compare(p) < 0 && !kept {
			kept = true
			continue
		}
		if err := atomic.RemoveFolder(filepath.Join(f.Dir, other.name())); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) fill(dir string, s *fit.State) error {
	var sums sums
	write := func(name string, content func(w io.Writer) error) error {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		defer file.Close()
		hash := sha256.New()
		if err := content(io.MultiWriter(file, hash)); err != nil {
			return err
		}
		sums = append(sums, sum{name, [sha256.Size]byte(hash.Sum(nil))})
		return file.Close()
	}
	for _, group := range groups(s) {
		if len(*group.tensors) == 0 {
			continue
		}
		card := f.Card
		if group.name == optimizerFile {
			card = nil
		}
		if err := write(group.name, func(w io.Writer) error { return weights.Write(w, *group.tensors, card) }); err != nil {
			return err
		}
	}
	if err := write(stateFile, func(w io.Writer) error { return encodeState(w, s) }); err != nil {
		return err
	}
	if err := write(SettingsFile, func(w io.Writer) error { _, err := w.Write(f.Settings); return err }); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), sums.text(), 0o666)
}

// group is a file of tensors.
type group struct {
	name    string
	tensors *[]weights.Stored
}

func groups(s *fit.State) []group {
	return []group{{WeightsFile, &s.Weights}, {optimizerFile, &s.Optimizer}, {averageFile, &s.Average}, {bestFile, &s.BestWeights}}
}

package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"

	"fovea/nn/fit"
	"fovea/nn/weights"
)

// Checkpoint is one that was read. Its tensors are in its files, which are open until Close.
type Checkpoint struct {
	Path     string
	State    *fit.State
	Settings []byte  // Folder.Settings
	Damaged  []error // why later ones were passed over

	files []*weights.File
}

// ErrNone says that a folder has no checkpoint.
var ErrNone = errors.New("there is no checkpoint")

// maxSettings bounds the settings that are read.
const maxSettings = 1 << 20

// Latest reads the latest checkpoint of a folder that is whole. Damaged ones are passed over; one that cannot be read at all, or
// is of a newer format, is an error.
func Latest(dir string) (*Checkpoint, error) {
	all, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var passed []error
	for _, p := range all {
		c := &Checkpoint{Path: filepath.Join(dir, p.name()), Damaged: passed}
		err := c.read(p)
		if err == nil {
			return c, nil
		}
		c.Close()
		err = fmt.Errorf("checkpoint %w", err)
		if !errors.As(err, &damaged{}) {
			return nil, err
		}
		passed = append(passed, err)
	}
	if len(passed) > 0 {
		return nil, fmt.Errorf("no whole checkpoint in %s: %w", dir, errors.Join(passed...))
	}
	return nil, fmt.Errorf("%s: %w", dir, ErrNone)
}

// damaged is an error that is the fault of a checkpoint's content.
type damaged struct{ error }

func (d damaged) Unwrap() error { return d.error }

// read reads all but the tensors, of which it makes sure that they are what was written.
func (c *Checkpoint) read(p place) error {
	wrap := func(name string, err error) error {
		return fmt.Errorf("%s: %w", filepath.Join(c.Path, name), cause(err))
	}
	text, err := read(filepath.Join(c.Path, sumsFile), maxSums)
	if err != nil {
		return wrap(sumsFile, err)
	}
	sums, err := parseSums(text)
	if err != nil {
		return wrap(sumsFile, damaged{err})
	}
	for _, s := range sums {
		if err := s.check(c.Path); err != nil {
			return wrap(s.name, err)
		}
	}
	if text, err = read(filepath.Join(c.Path, stateFile), maxState); err == nil {
		c.State, err = decodeState(text)
	}
	if err == nil && placeOf(c.State) != p {
		err = damaged{fmt.Errorf("it is of %s", placeOf(c.State).name())}
	}
	if err != nil {
		return wrap(stateFile, err)
	}
	if c.Settings, err = read(filepath.Join(c.Path, SettingsFile), maxSettings); err != nil {
		return wrap(SettingsFile, err)
	}
	for _, group := range groups(c.State) {
		if !sums.has(group.name) {
			continue
		}
		file, err := weights.Open(filepath.Join(c.Path, group.name))
		if err != nil {
			return damaged{err}
		}
		c.files = append(c.files, file)
		*group.tensors = file.Stored()
	}
	return nil
}

// Close closes the checkpoint's files.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, file := range c.files {
		errs = append(errs, file.Close())
	}
	c.files = nil
	return errors.Join(errs...)
}

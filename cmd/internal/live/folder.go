package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
)

// followEvery is how often folders are looked at.
const followEvery = time.Second

// Open reads a run folder and puts it on the board.
func (b *Board) Open(dir string) error {
	s, err := readFolder(dir)
	if err != nil {
		return err
	}
	r := b.add(b.unused(runs.Name(dir), dir))
	r.dir = dir
	r.replace(s)
	return nil
}

// unused is the name, or the whole path where another run has the name.
func (b *Board) unused(name, path string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.runs {
		if r.name == name {
			return path
		}
	}
	return name
}

// Follow reads folders again when a training has written to them, until ctx is done.
func (b *Board) Follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	b.mu.Lock()
	all := b.runs
	b.mu.Unlock()
	states := make([]state, len(all))
	for i, r := range all {
		states[i] = stateOf(r.dir)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, r := range all {
			if now := stateOf(r.dir); r.dir != "" && now != states[i] {
				states[i] = now
				r.reread()
			}
		}
	}
}

// reread keeps what is shown where the folder cannot be read any more, and says why.
func (r *Run) reread() {
	s, err := readFolder(r.dir)
	if err != nil {
		r.change(func() {
			r.problem = err.Error()
			r.told.Now++
		})
		return
	}
	r.replace(s)
}

func (r *Run) replace(s *saved) {
	r.change(func() {
		r.history, r.epochs, r.done, r.written, r.problem = *s.history, s.run.Epochs, s.run.Done, s.written.Unix(), ""
		r.told.Rewritten++
		r.told.Details++
	})
}

// saved is what a run folder holds.
type saved struct {
	run     *runs.Run
	history *History
	written time.Time
}

// readFolder reads a run folder. Links that lead out of it are refused. One of before there was a live.jsonl has no
// History but an empty one.
func readFolder(dir string) (*saved, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w, expected a run folder of train", dir, cli.Cause(err))
	}
	defer root.Close()
	s := &saved{history: &History{}}
	for _, name := range []string{runs.ConfigFile, runs.LinesFile, File} {
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), cli.Cause(err))
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: not a regular file", filepath.Join(dir, name))
		case info.ModTime().After(s.written):
			s.written = info.ModTime()
		}
	}
	if s.run, err = runs.Read(dir); err != nil {
		return nil, err
	}
	file, err := root.Open(File)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		defer file.Close()
		s.history, err = readHistory(file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, File), cli.Cause(err))
	}
	return s, nil
}

// state tells whether files have changed.
type state [2]struct {
	size    int64
	written time.Time
}

func stateOf(dir string) (s state) {
	for i, name := range []string{runs.LinesFile, File} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s[i].size, s[i].written = info.Size(), info.ModTime()
		}
	}
	return s
}

package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"

	"fovea/nn/fit"
)

// place is when in a training a checkpoint was made. Later ones are larger.
type place struct {
	epochs, steps int // epochs that were over, updates made
}

func placeOf(s *fit.State) place {
	if s.Told {
		return place{s.Epoch, s.Step}
	}
	return place{s.Epoch - 1, s.Step}
}

func (p place) name() string { return fmt.Sprintf("epoch-%04d-step-%08d", p.epochs, p.steps) }

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.steps, other.steps), cmp.Compare(p.epochs, other.epochs))
}

var nameForm = regexp.MustCompile(`^epoch-(\d{4,9})-step-(\d{8,18})$`)

func parseName(name string) (p place, ok bool) {
	found := nameForm.FindStringSubmatch(name)
	if found == nil {
		return p, false
	}
	p.epochs, _ = strconv.Atoi(found[1]) // the form bounds both
	p.steps, _ = strconv.Atoi(found[2])
	return p, p.name() == name
}

// list finds the checkpoints of a folder, the latest first. One that is not there has none.
func list(dir string) ([]place, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []place
	for _, e := range entries {
		if p, ok := parseName(e.Name()); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return b.compare(a) })
	return all, err
}

package data

import (
	"errors"
	"fmt"

	"fovea/device/philox"
)

// Folds are the parts of a set for cross-validation: each is held out once, and trained on otherwise.
type Folds struct {
	set  Set
	part []int32 // of each sample
}

// NewFolds deals the samples of set to count parts whose sizes differ by one at most: with shuffle, in the random order of
// stream; without, in file order, neighbours together. It is an error if a part would be empty.
func NewFolds(set Set, count int, stream philox.Stream, shuffle bool) (*Folds, error) {
	return newFolds(set, count, func() ([]class, error) { return together("folds", set, stream, shuffle) })
}

// NewFoldsStratified is NewFolds where the samples of each class are dealt alike: in any two parts, their numbers differ by one
// at most. It is an error if the set has no labels, or if a class has fewer samples than there are parts.
func NewFoldsStratified(set Set, count int, stream philox.Stream, shuffle bool) (*Folds, error) {
	return newFolds(set, count, func() ([]class, error) { return byClass("folds", set, stream, shuffle) })
}

func newFolds(set Set, count int, classes func() ([]class, error)) (*Folds, error) {
	if set == nil {
		return nil, errors.New("folds: no data set")
	}
	if count < 2 {
		return nil, fmt.Errorf("folds of %q: %d, expected at least 2", set.Info().Name, count)
	}
	if set.Len() < count {
		return nil, fmt.Errorf("folds of %q: %d of %d samples, expected at least one for each", set.Info().Name, count, set.Len())
	}
	groups, err := classes()
	if err != nil {
		return nil, err
	}
	f := &Folds{set: set, part: make([]int32, set.Len())}
	first := 0 // the part whose turn it is
	for _, c := range groups {
		if len(c.samples) < count {
			return nil, fmt.Errorf("folds of %q: %s has %d samples, expected at least %d, one for each fold", set.Info().Name, c, len(c.samples), count)
		}
		at := 0
		for part := range count {
			// As many as it would get if the samples of all classes, one after another, were dealt one at a time.
			share := len(c.samples) / count
			if (part-first+count)%count < len(c.samples)%count {
				share++
			}
			for _, sample := range c.samples[at : at+share] {
				f.part[sample] = int32(part)
			}
			at += share
		}
		first = (first + len(c.samples)) % count
	}
	return f, nil
}

// Fold returns what to train on and what to validate with in fold i, from 0, both in file order.
func (f *Folds) Fold(i int) (train, held Set) {
	in := func(wanted bool) Set {
		return where(f.set, func(sample int) bool { return (int(f.part[sample]) == i) == wanted })
	}
	return in(false), in(true)
}

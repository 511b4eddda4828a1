package data

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"fovea/device/philox"
)

// Subset is some of the samples of another set, in an order of its own.
type Subset struct {
	of      Set
	indices []int
}

// NewSubset returns the samples of set at indices, which may repeat. It is an error if set lacks one of them.
func NewSubset(set Set, indices []int) (*Subset, error) {
	for _, i := range indices {
		if i < 0 || i >= set.Len() {
			return nil, fmt.Errorf("subset of %q: no sample %d, expected 0 to %d", set.Info().Name, i, set.Len()-1)
		}
	}
	return &Subset{of: set, indices: slices.Clone(indices)}, nil
}

// Index returns the number in the whole set of sample i of s, or -1 if s has no sample i.
func (s *Subset) Index(i int) int {
	if i < 0 || i >= len(s.indices) {
		return -1
	}
	return s.indices[i]
}

// Info describes the whole set.
func (s *Subset) Info() Info { return s.of.Info() }

// Len returns the number of samples.
func (s *Subset) Len() int { return len(s.indices) }

// Read writes sample i into x; see [Set].
func (s *Subset) Read(i int, x []float32) error {
	if i < 0 || i >= len(s.indices) {
		return fmt.Errorf("subset of %q: no sample %d, expected 0 to %d", s.Info().Name, i, len(s.indices)-1)
	}
	return s.of.Read(s.indices[i], x)
}

// ReadCrop is for subsets of a [Cropper].
func (s *Subset) ReadCrop(i int, x []float32, crop Crop, random *philox.Source) error {
	if i < 0 || i >= len(s.indices) {
		return fmt.Errorf("subset of %q: no sample %d, expected 0 to %d", s.Info().Name, i, len(s.indices)-1)
	}
	of, can := s.of.(Cropper)
	if !can {
		return fmt.Errorf("subset of %q: its samples have one size and are not cropped", s.Info().Name)
	}
	return of.ReadCrop(s.indices[i], x, crop, random)
}

// Label returns the class of sample i; see [Set].
func (s *Subset) Label(i int) int { return s.of.Label(s.Index(i)) }

// Target writes the targets of sample i into y; see [Set].
func (s *Subset) Target(i int, y []float32) { s.of.Target(s.Index(i), y) }

// original is the number that sample i has in the data's own files, whatever subsets lie between.
func original(set Set, i int) int {
	for {
		switch s := set.(type) {
		case *Subset:
			set, i = s.of, s.Index(i)
		case *Tolerant:
			set = s.Set
		default:
			return i
		}
	}
}

// Split holds round(fraction*n) of the n samples of set out of training: with shuffle, those that the random order of
// stream puts first; without, the last ones in file order. Both parts are in file order. Fraction 0 gives set itself and
// a nil held. It is an error if fraction is outside [0, 1), or so small or large that one part would be empty.
func Split(set Set, fraction float64, stream philox.Stream, shuffle bool) (train, held Set, err error) {
	return split(set, fraction, func() ([]class, error) { return together("split", set, stream, shuffle) }, shuffle)
}

// SplitStratified is Split that holds the same share of each class out. As many are held out in all as by Split: of a class,
// its share rounded down, or up where more is lost than of other classes (the method of largest remainders). It is an error
// if the set has no labels, or if a class is so small that one part would have none of it.
func SplitStratified(set Set, fraction float64, stream philox.Stream, shuffle bool) (train, held Set, err error) {
	return split(set, fraction, func() ([]class, error) { return byClass("split", set, stream, shuffle) }, shuffle)
}

func split(set Set, fraction float64, classes func() ([]class, error), shuffle bool) (train, held Set, err error) {
	if set == nil {
		return nil, nil, errors.New("split: no data set")
	}
	if !(fraction >= 0 && fraction < 1) { // written so that NaN is refused too
		return nil, nil, fmt.Errorf("split of %q: fraction %v held out, expected at least 0 and below 1", set.Info().Name, fraction)
	}
	if fraction == 0 {
		return set, nil, nil
	}
	n := set.Len()
	count := int(math.Round(fraction * float64(n)))
	if count >= n {
		return nil, nil, fmt.Errorf("split of %q: fraction %v of %d samples leaves none to train on", set.Info().Name, fraction, n)
	}
	if count == 0 {
		return nil, nil, fmt.Errorf("split of %q: fraction %v of %d samples holds none out, expected 0 or at least %v",
			set.Info().Name, fraction, n, 0.5/float64(n))
	}
	groups, err := classes()
	if err != nil {
		return nil, nil, err
	}
	out := make([]bool, n)
	for i, share := range shares(groups, count, n) {
		c := groups[i]
		switch share {
		case 0:
			return nil, nil, fmt.Errorf("split of %q: fraction %v holds none of the %d samples of %s out, expected more of them or a larger fraction",
				set.Info().Name, fraction, len(c.samples), c)
		case len(c.samples):
			return nil, nil, fmt.Errorf("split of %q: fraction %v leaves none of the %d samples of %s to train on, expected more of them or a smaller fraction",
				set.Info().Name, fraction, len(c.samples), c)
		}
		chosen := c.samples[:share]
		if !shuffle {
			chosen = c.samples[len(c.samples)-share:]
		}
		for _, sample := range chosen {
			out[sample] = true
		}
	}
	in := func(held bool) Set { return where(set, func(i int) bool { return out[i] == held }) }
	return in(false), in(true), nil
}

// where is the subset of the samples for which wanted holds, in file order.
func where(set Set, wanted func(i int) bool) *Subset {
	s := &Subset{of: set}
	for i := range set.Len() {
		if wanted(i) {
			s.indices = append(s.indices, i)
		}
	}
	return s
}

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
	if shuffle && n > math.MaxUint32 {
		return nil, nil, fmt.Errorf("split of %q: %d samples, expected at most %d to shuffle", set.Info().Name, n, uint32(math.MaxUint32))
	}
	var order []int
	if shuffle {
		order = philox.NewSource(stream).Perm(n)
	} else {
		for i := range n {
			order = append(order, (i+n-count)%n)
		}
	}
	out, in := order[:count], order[count:]
	slices.Sort(out)
	slices.Sort(in)
	return &Subset{of: set, indices: in}, &Subset{of: set, indices: out}, nil
}

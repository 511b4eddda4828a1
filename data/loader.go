package data

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// Batch is one batch. Its buffers are reused: they are valid until the next iteration.
type Batch struct {
	X       *tensor.Dense // [N,C,H,W] float32
	Labels  []int32       // classification: N classes; nil for regression
	Targets *tensor.Dense // regression: [N,Targets] float32; nil for classification
	Indices []int         // the samples' numbers in the set
	Mix     *Mix          // what the samples were mixed with; nil: nothing
}

// Clone copies a batch into memory of its own.
func (b *Batch) Clone() *Batch {
	c := &Batch{X: b.X.Clone().(*tensor.Dense), Labels: slices.Clone(b.Labels), Indices: slices.Clone(b.Indices)}
	if b.Targets != nil {
		c.Targets = b.Targets.Clone().(*tensor.Dense)
	}
	if b.Mix != nil {
		c.Mix = &Mix{Share: b.Mix.Share, Labels: slices.Clone(b.Mix.Labels)}
	}
	return c
}

// Loader cuts a set into batches. It holds no state of its own: any number of epochs may be iterated at once.
//
// A sample is read (of a picture of another size, the part that Crop takes), changed by Transforms in turn, and brought to
// the set's mean and deviation, in this order. What is random about it depends on seed, epoch and sample, not on Workers.
type Loader struct {
	Set        Set
	Batch      int         // samples per batch, at least 1
	Shuffle    bool        // false: every epoch is in file order
	Seed       uint64      // of all that is random here
	Crop       Crop        // for training on pictures of any size; nil: the one for evaluation, see Info.Resize
	Transforms []Transform // for training
	Mixer      Mixer       // mixes the samples of each batch; nil: nothing does
	Workers    int         // how many samples are read at once; 0: as many as Go uses processors, if they are pictures to decode or transform, else one
}

// ahead is how many batches are read before their use; one more is in the consumer's hands.
const ahead = 2

// Uses tell the streams of this package from others derived from the same seed (ASCII).
const (
	shuffleUse = 0x73687566666c65 // "shuffle"
	sampleUse  = 0x73616d706c65   // "sample"
	mixUse     = 0x6d6978         // "mix"
)

// Steps returns the number of batches per epoch; the last may be smaller. It is 0 if the loader has no set or no batch size.
func (l *Loader) Steps() int {
	if l.Set == nil || l.Batch < 1 {
		return 0
	}
	steps := l.Set.Len() / l.Batch
	if l.Set.Len()%l.Batch > 0 {
		steps++
	}
	return steps
}

// Epoch iterates over the batches of one epoch, whose order depends on seed and epoch and nothing else. The next batches
// are read while one is in use. An error (of reading, of the loader's fields, or of ctx) is yielded once, with a nil
// batch, and ends the iteration. When the iteration ends, however it does, nothing of it keeps running.
func (l *Loader) Epoch(ctx context.Context, epoch int) iter.Seq2[*Batch, error] {
	return l.EpochFrom(ctx, epoch, 0)
}

// EpochFrom is Epoch without the first skip batches, which are not read: it resumes an epoch that was interrupted after
// them. Skip may be at most Steps.
func (l *Loader) EpochFrom(ctx context.Context, epoch, skip int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		order, err := l.order(epoch, skip)
		if err != nil {
			yield(nil, err)
			return
		}
		l.run(ctx, epoch, skip, order, yield)
	}
}

// order returns the samples of an epoch that are still to be read.
func (l *Loader) order(epoch, skip int) ([]int, error) {
	if l.Set == nil {
		return nil, errors.New("loader: no data set")
	}
	name, n := l.Set.Info().Name, l.Set.Len()
	if l.Batch < 1 {
		return nil, fmt.Errorf("loader of %q: batch size %d, expected at least 1", name, l.Batch)
	}
	if epoch < 0 {
		return nil, fmt.Errorf("loader of %q: epoch %d, expected at least 0", name, epoch)
	}
	if skip < 0 || skip > l.Steps() {
		return nil, fmt.Errorf("loader of %q: %d batches to skip, expected 0 to %d", name, skip, l.Steps())
	}
	var order []int
	if l.Shuffle {
		if n > math.MaxUint32 {
			return nil, fmt.Errorf("loader of %q: %d samples, expected at most %d to shuffle", name, n, uint32(math.MaxUint32))
		}
		order = philox.NewSource(philox.Stream{Seed: l.Seed}.Sub(shuffleUse, uint64(epoch))).Perm(n)
	} else {
		order = make([]int, n)
		for i := range order {
			order[i] = i
		}
	}
	if skip >= l.Steps() {
		return nil, nil
	}
	return order[skip*l.Batch:], nil
}

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
}

// Clone copies a batch into memory of its own.
func (b *Batch) Clone() *Batch {
	c := &Batch{X: b.X.Clone().(*tensor.Dense), Labels: slices.Clone(b.Labels), Indices: slices.Clone(b.Indices)}
	if b.Targets != nil {
		c.Targets = b.Targets.Clone().(*tensor.Dense)
	}
	return c
}

// Loader cuts a set into batches. It holds no state of its own: any number of epochs may be iterated at once.
type Loader struct {
	Set     Set
	Batch   int    // samples per batch, at least 1
	Shuffle bool   // false: every epoch is in file order
	Seed    uint64 // of the shuffle
}

// ahead is how many batches are read before their use; one more is in the consumer's hands.
const ahead = 2

// shuffleUse tells the streams of this package from others derived from the same seed ("shuffle" in ASCII).
const shuffleUse = 0x73687566666c65

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
		l.run(ctx, order, yield)
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

// loaded is what the reader hands to the consumer; with a nil batch, err is why it stopped.
type loaded struct {
	buffer *buffer
	batch  *Batch
	err    error
}

// run has a goroutine fill buffers in turn and yields them. A buffer goes round: free, filled, ready, held by the
// consumer, and free again only once yield has returned.
func (l *Loader) run(ctx context.Context, order []int, yield func(*Batch, error) bool) {
	if len(order) == 0 {
		return
	}
	free, err := l.buffers(len(order))
	if err != nil {
		yield(nil, err)
		return
	}
	reading, stop := context.WithCancel(ctx)
	ready := make(chan loaded, cap(free)) // never full: there are no more buffers than that
	go func() {
		defer close(ready)
		for at := 0; at < len(order); at += l.Batch {
			var b *buffer
			select {
			case b = <-free:
			case <-reading.Done():
				return
			}
			batch, err := b.fill(reading, order[at:min(at+l.Batch, len(order))])
			ready <- loaded{b, batch, err}
			if err != nil {
				return
			}
		}
	}()
	defer func() { // also when yield panics
		stop()
		for range ready { // until the goroutine has closed it
		}
	}()
	for {
		select {
		case <-ctx.Done():
		case next, more := <-ready:
			if ctx.Err() != nil {
				break // of the select
			}
			if !more || !yield(next.batch, next.err) || next.err != nil {
				return
			}
			free <- next.buffer
			continue
		}
		yield(nil, fmt.Errorf("loader of %q: %w", l.Set.Info().Name, context.Cause(ctx)))
		return
	}
}

// buffers returns empty buffers for an epoch of n samples, not larger or more than it needs.
func (l *Loader) buffers(n int) (chan *buffer, error) {
	info := l.Set.Info()
	size, err := sampleSize(info)
	if err != nil {
		return nil, err
	}
	each := min(l.Batch, n)
	if _, err := product([]int{each, max(size, info.Targets)}); err != nil || info.Targets < 0 {
		return nil, fmt.Errorf("loader of %q: batch of %d samples %s with %d targets does not fit in memory", info.Name, each, shapeText(info.Sample), info.Targets)
	}
	count := min(ahead+1, (n+each-1)/each)
	free := make(chan *buffer, count)
	for range count {
		b := &buffer{set: l.Set, info: info, size: size, x: make([]float32, each*size)}
		if info.Targets > 0 {
			b.targets = make([]float32, each*info.Targets)
		} else {
			b.labels = make([]int32, each)
		}
		free <- b
	}
	return free, nil
}

// buffer is the memory of one batch.
type buffer struct {
	set        Set
	info       Info
	size       int
	x, targets []float32
	labels     []int32
	batch      *Batch
}

// fill reads the samples at indices.
func (b *buffer) fill(ctx context.Context, indices []int) (*Batch, error) {
	n := len(indices)
	for k, i := range indices {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := b.set.Read(i, b.x[k*b.size:(k+1)*b.size]); err != nil {
			return nil, fmt.Errorf("loader of %q: sample %d: %w", b.info.Name, i, err)
		}
		if t := b.info.Targets; t > 0 {
			b.set.Target(i, b.targets[k*t:(k+1)*t])
			continue
		}
		label := b.set.Label(i)
		if label < 0 || label > math.MaxInt32 {
			return nil, fmt.Errorf("loader of %q: sample %d has label %d, expected 0 to %d", b.info.Name, i, label, math.MaxInt32)
		}
		b.labels[k] = int32(label)
	}
	// The tensors lie over the buffer and are made anew only for an epoch's smaller last batch.
	if b.batch == nil || b.batch.X.Shape()[0] != n {
		c, h, w := b.info.Sample[0], b.info.Sample[1], b.info.Sample[2]
		b.batch = &Batch{X: tensor.New(tensor.WithShape(n, c, h, w), tensor.WithBacking(b.x[:n*b.size]))}
		if t := b.info.Targets; t > 0 {
			b.batch.Targets = tensor.New(tensor.WithShape(n, t), tensor.WithBacking(b.targets[:n*t]))
		} else {
			b.batch.Labels = b.labels[:n]
		}
	}
	b.batch.Indices = indices
	return b.batch, nil
}

package data

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// reading is one epoch that is being read. Its buffers go round: free, handed to the workers piece by piece, ready, held by
// the consumer, and free again only once that wants the next. There are no more of them, so workers that are fast wait.
type reading struct {
	loader *Loader
	set    Set                 // of which samples are read: Loader.Set, or what it tolerates the damage of
	onBad  func(*PictureError) // nil: damage ends the epoch
	info   Info
	size   int // values of a sample
	random philox.Stream
	mix    philox.Stream
	free   chan *buffer
	ready  chan *buffer // in the order of the epoch, though perhaps not filled yet; never full
	jobs   chan job
}

// job is samples from to to-1 of a batch.
type job struct {
	buffer   *buffer
	from, to int
}

// buffer is the memory of one batch.
type buffer struct {
	x, targets []float32
	labels     []int32
	indices    []int
	number     int // of the batch in its epoch
	batch      Batch
	unread     atomic.Int64  // samples
	filled     chan struct{} // gets one when there are none
	mu         sync.Mutex
	failed     int   // the first sample that could not be read
	err        error // and why
}

// pieceOf is how many samples a worker takes at once where each is made fast.
const pieceOf = 32

// run has workers fill buffers and yields them.
func (l *Loader) run(ctx context.Context, epoch, skip int, order []int, yield func(*Batch, error) bool) {
	if len(order) == 0 {
		return
	}
	r, err := l.reading(epoch, len(order))
	if err != nil {
		yield(nil, err)
		return
	}
	working, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() { // also when yield panics
		stop()
		running.Wait()
	}()
	running.Go(func() { r.deal(working, skip, order) })
	for range l.workers() {
		running.Go(func() { r.work(working) })
	}
	for {
		next, err := r.next(ctx)
		if err != nil {
			yield(nil, fmt.Errorf("loader of %q: %w", r.info.Name, err))
			return
		}
		if next == nil || !yield(&next.batch, nil) {
			return
		}
		r.free <- next
	}
}

// workers is how many samples are read at once.
func (l *Loader) workers() int {
	if l.Workers > 0 {
		return l.Workers
	}
	if l.heavy() {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// heavy says that making a sample takes long.
func (l *Loader) heavy() bool {
	set := l.Set
	if t, tolerates := set.(*Tolerant); tolerates {
		set = t.Set
	}
	_, crops := cropper(set)
	return crops || len(l.Transforms) > 0
}

// next waits for the next batch; it is nil at the end.
func (r *reading) next(ctx context.Context) (*buffer, error) {
	var b *buffer
	select {
	case b = <-r.ready:
	case <-ctx.Done():
	}
	if b != nil && ctx.Err() == nil {
		select {
		case <-b.filled:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if b != nil && b.err != nil {
		return nil, b.err
	}
	return b, nil
}

// reading makes buffers for an epoch of n samples, not larger or more than it needs.
func (l *Loader) reading(epoch, n int) (*reading, error) {
	info := l.Set.Info()
	size, err := sampleSize(info)
	if err != nil {
		return nil, err
	}
	if err := info.checkNormal(); err != nil {
		return nil, err
	}
	if l.Workers < 0 {
		return nil, fmt.Errorf("loader of %q: %d workers, expected at least 0", info.Name, l.Workers)
	}
	each := min(l.Batch, n)
	if _, err := product([]int{each, max(size, info.Targets)}); err != nil || info.Targets < 0 {
		return nil, fmt.Errorf("loader of %q: batch of %d samples %s with %d targets does not fit in memory", info.Name, each, shapeText(info.Sample), info.Targets)
	}
	count := min(ahead+1, (n+each-1)/each)
	random := philox.Stream{Seed: l.Seed}
	r := &reading{loader: l, set: l.Set, info: info, size: size, random: random.Sub(sampleUse, uint64(epoch)), mix: random.Sub(mixUse, uint64(epoch)),
		free: make(chan *buffer, count), ready: make(chan *buffer, count), jobs: make(chan job)}
	if t, tolerates := l.Set.(*Tolerant); tolerates {
		r.set, r.onBad = t.Set, t.OnBad
	}
	for range count {
		b := &buffer{x: make([]float32, each*size), indices: make([]int, each), filled: make(chan struct{}, 1)}
		if info.Targets > 0 {
			b.targets = make([]float32, each*info.Targets)
		} else {
			b.labels = make([]int32, each)
		}
		r.free <- b
	}
	return r, nil
}

// deal hands the samples to the workers, in order.
func (r *reading) deal(ctx context.Context, skip int, order []int) {
	defer close(r.jobs)
	defer close(r.ready)
	piece := pieceOf
	if r.loader.heavy() {
		piece = 1
	}
	for at := 0; at < len(order); at += r.loader.Batch {
		var b *buffer
		select {
		case b = <-r.free:
		case <-ctx.Done():
			return
		}
		n := min(r.loader.Batch, len(order)-at)
		r.begin(b, skip+at/r.loader.Batch, order[at:at+n])
		r.ready <- b
		for from := 0; from < n; from += piece {
			select {
			case r.jobs <- job{b, from, min(from+piece, n)}:
			case <-ctx.Done():
				return
			}
		}
		if n < r.loader.Batch {
			return // at+Batch may not fit an int
		}
	}
}

// begin makes a buffer ready for a batch. The tensors lie over the buffer and are made anew only for an epoch's smaller
// last batch.
func (r *reading) begin(b *buffer, number int, indices []int) {
	n := len(indices)
	copy(b.indices, indices)
	b.number, b.err = number, nil
	b.unread.Store(int64(n))
	if b.batch.X == nil || b.batch.X.Shape()[0] != n {
		c, h, w := r.info.Sample[0], r.info.Sample[1], r.info.Sample[2]
		b.batch = Batch{X: tensor.New(tensor.WithShape(n, c, h, w), tensor.WithBacking(b.x[:n*r.size])), Indices: b.indices[:n]}
		if t := r.info.Targets; t > 0 {
			b.batch.Targets = tensor.New(tensor.WithShape(n, t), tensor.WithBacking(b.targets[:n*t]))
		} else {
			b.batch.Labels = b.labels[:n]
		}
	}
	b.batch.Mix = nil
}

// work reads samples until there are no more.
func (r *reading) work(ctx context.Context) {
	var random philox.Source
	for j := range r.jobs {
		b := j.buffer
		for k := j.from; k < j.to; k++ {
			err := context.Cause(ctx)
			if err == nil {
				err = r.sample(b, k, &random)
			}
			if err != nil {
				b.fail(k, err)
			}
		}
		if b.unread.Add(int64(j.from-j.to)) > 0 {
			continue
		}
		if m := r.loader.Mixer; m != nil && b.err == nil {
			m.Mix(&b.batch, philox.NewSource(r.mix.Sub(uint64(b.number), 0)))
		}
		b.filled <- struct{}{}
	}
}

// fail keeps the error of the first sample, whichever worker had it.
func (b *buffer) fail(k int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil || k < b.failed {
		b.failed, b.err = k, err
	}
}

// maxBad is how many damaged pictures in a row are passed over.
const maxBad = 100

// sample makes sample k of a batch.
func (r *reading) sample(b *buffer, k int, random *philox.Source) error {
	i := b.indices[k]
	x := b.x[k*r.size : (k+1)*r.size]
	err := r.read(i, x, random)
	for tries := 1; err != nil; tries++ {
		var bad *PictureError
		if r.onBad == nil || !errors.As(err, &bad) {
			return fmt.Errorf("sample %d: %w", i, err)
		}
		r.onBad(bad)
		if tries == min(maxBad, r.set.Len()) {
			return fmt.Errorf("sample %d and the %d after it are damaged: %w", b.indices[k], tries-1, err)
		}
		i = (i + 1) % r.set.Len()
		err = r.read(i, x, random)
	}
	b.indices[k] = i
	if t := r.info.Targets; t > 0 {
		r.set.Target(i, b.targets[k*t:(k+1)*t])
		return nil
	}
	label := r.set.Label(i)
	if label < 0 || label > math.MaxInt32 {
		return fmt.Errorf("sample %d has label %d, expected 0 to %d", i, label, math.MaxInt32)
	}
	b.labels[k] = int32(label)
	return nil
}

// read makes the values of a sample.
func (r *reading) read(i int, x []float32, random *philox.Source) error {
	l := r.loader
	*random = *philox.NewSource(r.random.Sub(uint64(original(r.set, i)), 0))
	if crops, can := cropper(r.set); can && l.Crop != nil {
		if err := crops.ReadCrop(i, x, l.Crop, random); err != nil {
			return err
		}
	} else if err := r.set.Read(i, x); err != nil {
		return err
	}
	if len(l.Transforms) > 0 {
		p := Picture{C: r.info.Sample[0], H: r.info.Sample[1], W: r.info.Sample[2], Values: x}
		for _, t := range l.Transforms {
			t.Apply(p, random)
		}
	}
	r.info.Normalise(x)
	return nil
}

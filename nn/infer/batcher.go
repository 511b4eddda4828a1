package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fovea/device"
	"fovea/nn"
)

// Errors of Batcher.Reserve.
var (
	ErrFull   = errors.New("too many samples are waiting")
	ErrClosed = errors.New("no more samples are taken")
)

// Config is how a Batcher works.
type Config struct {
	Batch    int           // samples computed at once, at most
	Delay    time.Duration // how long a sample waits for others to share its batch
	Capacity int           // samples between Reserve and Release, at most; at least Batch
	Observe  func(Report)  // if set, is told of each batch before its callers are; of one at a time
}

// Report tells of one batch.
type Report struct {
	Samples int           // in it; Size-Samples were padding
	Size    int           // that was computed
	Waited  time.Duration // of the sample that did so longest
	Took    time.Duration
	Err     error
}

// Batcher computes a network for many callers at once. Their samples share batches: a batch is computed as soon as it is
// full, or its oldest sample has waited for Config.Delay, and one of the network's replicas has nothing else to compute. One
// goroutine drives the device of each; nobody else may meanwhile.
//
// What the network says of a sample does not depend on what else is in its batch, but for rounding: for another size of batch
// a device may choose another algorithm, and sum in another order.
type Batcher struct {
	config  Config
	in, out int // values of a sample and of its outputs
	sizes   []int

	changed   chan struct{} // gets one when there is something new to consider; has room for one for each replica
	running   sync.WaitGroup
	observing sync.Mutex

	mu       sync.Mutex
	replicas []*replica
	queue    []*request // by age
	waiting  int        // samples in it
	reserved int
	closed   bool
}

// replica is one network, on a device of its own.
type replica struct {
	evaluator *Evaluator
	x         []float32    // the batch
	memory    device.Stats // after the last one
}

// request is the samples of one call, which may be computed in several batches.
type request struct {
	x        []float32
	n        int // samples
	taken    int // that are computed, or being so
	done     int
	since    time.Time
	outputs  []float64
	err      error
	finished chan struct{}
}

// part is the samples of a request that are in a batch.
type part struct {
	of      *request
	from, n int
}

// Start makes the replicas ready, on the calling goroutine, and then takes samples until Close. They are the same network, each
// on a device of its own; one is enough, and several compute as many batches at once.
func Start(c Config, replicas ...*nn.Network) (*Batcher, error) {
	if len(replicas) == 0 {
		return nil, errors.New("no network, expected one or more")
	}
	if c.Batch < 1 || c.Delay < 0 || c.Capacity < c.Batch {
		return nil, fmt.Errorf("batches of %d samples that wait %v, %d at most: expected 1 or more, 0 or more, and room for a batch", c.Batch, c.Delay, c.Capacity)
	}
	first := replicas[0]
	b := &Batcher{config: c, in: first.Input.TotalSize(), out: first.Output.TotalSize(), sizes: sizes(c.Batch), changed: make(chan struct{}, len(replicas))}
	for _, net := range replicas {
		r := &replica{evaluator: NewEvaluator(net), x: make([]float32, c.Batch*b.in)}
		b.replicas = append(b.replicas, r)
		if err := b.warm(r); err != nil {
			for _, r := range b.replicas {
				r.evaluator.Close()
			}
			return nil, err
		}
	}
	for _, r := range b.replicas {
		b.running.Go(func() { b.run(r) })
	}
	return b, nil
}

// warm computes a batch of each size, so that no caller waits for a device to choose its algorithms and find its memory.
// The largest comes first, in whose memory the others find room, and once more: what a device keeps of weights that are used again
// takes memory too.
func (b *Batcher) warm(r *replica) error {
	largest := b.sizes[len(b.sizes)-1]
	for _, size := range append([]int{largest}, b.sizes...) { // which ends with it
		outputs, err := r.evaluator.Evaluate(r.x[:size*b.in])
		if err == nil {
			err = CheckFinite(outputs)
		}
		if err != nil {
			return fmt.Errorf("a batch of %d samples of zeros: %w", size, err)
		}
	}
	r.memory = r.evaluator.net.Device.Stats()
	return nil
}

// Reservation is room for samples on their way. Release it when they are of no interest any more.
type Reservation struct {
	b    *Batcher
	n    int
	once sync.Once
}

// Reserve takes room for n samples, or fails with ErrFull or ErrClosed: so what would be refused is not prepared.
func (b *Batcher) Reserve(n int) (*Reservation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case n < 1 || n > b.config.Capacity:
		return nil, fmt.Errorf("%d samples, expected 1 to %d", n, b.config.Capacity)
	case b.closed:
		return nil, ErrClosed
	case n > b.config.Capacity-b.reserved:
		return nil, ErrFull
	}
	b.reserved += n
	return &Reservation{b: b, n: n}, nil
}

// Release gives the room back. Calling it again does nothing.
func (r *Reservation) Release() {
	r.once.Do(func() {
		r.b.mu.Lock()
		defer r.b.mu.Unlock()
		r.b.reserved -= r.n
	})
}

// Compute returns the network's outputs for the samples in x, one after another; x is the batcher's from then on. If ctx
// ends before, they are not computed unless that has begun, and the error is its cause.
func (r *Reservation) Compute(ctx context.Context, x []float32) ([]float64, error) {
	b := r.b
	if len(x) != r.n*b.in {
		return nil, fmt.Errorf("%d values, expected %d samples of %d", len(x), r.n, b.in)
	}
	q := &request{x: x, n: r.n, since: time.Now(), outputs: make([]float64, r.n*b.out), finished: make(chan struct{})}
	if err := b.enter(q); err != nil {
		return nil, err
	}
	select {
	case <-q.finished:
		return q.outputs, q.err
	case <-ctx.Done():
		b.withdraw(q)
		return nil, context.Cause(ctx)
	}
}

func (b *Batcher) enter(q *request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.queue = append(b.queue, q)
	b.waiting += q.n
	b.wake()
	return nil
}

func (b *Batcher) withdraw(q *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, q); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		b.waiting -= q.n - q.taken
	}
}

func (b *Batcher) wake() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Waiting is how many samples wait to be computed, and Reserved how many there is room taken for, those among them.
func (b *Batcher) Waiting() (waiting, reserved int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting, b.reserved
}

// Memory is that of each replica's device after its last batch.
func (b *Batcher) Memory() []device.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []device.Stats
	for _, r := range b.replicas {
		all = append(all, r.memory)
	}
	return all
}

// Close takes no more samples, computes those that wait, and returns when no device is used any more.
func (b *Batcher) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	for range b.replicas {
		b.wake()
	}
	b.running.Wait()
}

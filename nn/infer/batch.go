package infer

import (
	"fmt"
	"runtime/debug"
	"time"
)

// sizes are those that batches have: powers of two, and the largest. A device chooses its algorithms, and finds its memory,
// for each size anew, so there are few.
func sizes(largest int) []int {
	var all []int
	for n := 1; n < largest; n *= 2 {
		all = append(all, n)
	}
	return append(all, largest)
}

// portion is how many of the samples that wait are computed next, in a batch of which size. It is filled up with padding if
// that is at most a quarter of it; else what is beyond the next smaller size is left for the batch after.
func (b *Batcher) portion(waiting int) (samples, size int) {
	smaller := 0
	for _, size := range b.sizes {
		if waiting <= size {
			if size-waiting <= size/4 {
				return waiting, size
			}
			break
		}
		smaller = size
	}
	return smaller, smaller
}

// run has a replica compute batches until the batcher is closed and nothing waits.
func (b *Batcher) run(r *replica) {
	defer r.evaluator.Close()
	for {
		parts, size := b.next()
		if parts == nil {
			return
		}
		b.compute(r, parts, size)
	}
}

// next waits for a batch; it is nil at the end.
func (b *Batcher) next() ([]part, int) {
	for {
		parts, size, wait, over := b.consider()
		if parts != nil || over {
			return parts, size
		}
		var late <-chan time.Time
		if wait > 0 {
			late = time.After(wait)
		}
		select {
		case <-b.changed:
		case <-late:
		}
	}
}

// consider takes a batch from the queue if it is time to; else it says for how long there may be more time, if anything
// waits at all.
func (b *Batcher) consider() (parts []part, size int, wait time.Duration, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == 0 {
		return nil, 0, 0, b.closed
	}
	if b.waiting < b.config.Batch && !b.closed {
		if wait = b.config.Delay - time.Since(b.queue[0].since); wait > 0 {
			return nil, 0, wait, false
		}
	}
	n, size := b.portion(b.waiting)
	b.waiting -= n
	for n > 0 {
		first := b.queue[0]
		p := part{first, first.taken, min(n, first.n-first.taken)}
		parts = append(parts, p)
		first.taken += p.n
		n -= p.n
		if first.taken == first.n {
			b.queue[0] = nil
			b.queue = b.queue[1:]
		}
	}
	if b.waiting > 0 {
		b.wake() // another replica
	}
	return parts, size, 0, false
}

// compute computes one batch and hands out what came of it.
func (b *Batcher) compute(r *replica, parts []part, size int) {
	begin, n := time.Now(), 0
	for _, p := range parts {
		n += copy(r.x[n:], p.of.x[p.from*b.in:(p.from+p.n)*b.in])
	}
	clear(r.x[n:])
	outputs, err := r.evaluate(r.x[:size*b.in])
	if b.config.Observe != nil {
		b.observing.Lock()
		b.config.Observe(Report{Samples: n / b.in, Size: size, Waited: begin.Sub(parts[0].of.since), Took: time.Since(begin), Err: err})
		b.observing.Unlock()
	}
	memory := r.evaluator.net.Device.Stats()
	b.mu.Lock()
	defer b.mu.Unlock()
	r.memory = memory
	for _, p := range parts {
		if err != nil {
			p.of.err = err
		} else {
			copy(p.of.outputs[p.from*b.out:], outputs[:p.n*b.out])
			outputs = outputs[p.n*b.out:]
		}
		if p.of.done += p.n; p.of.done == p.of.n {
			close(p.of.finished)
		}
	}
}

// evaluate makes a panic, which would end every caller's program, the error of one batch.
func (r *replica) evaluate(x []float32) (outputs []float64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("computing a batch: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.evaluator.Evaluate(x)
}

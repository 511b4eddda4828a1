package cpu

import "sync"

// team is a fixed set of workers that divide a range among them. The caller is worker 0; the others are goroutines that
// wait for the next range until dismissed.
type team struct {
	size int
	work []chan share // of workers 1 to size-1
	done sync.WaitGroup
}

// share is one worker's part of a range.
type share struct {
	from, to int
	do       func(worker, from, to int)
}

func newTeam(size int) *team {
	t := &team{size: size, work: make([]chan share, size)}
	for worker := 1; worker < size; worker++ {
		t.work[worker] = make(chan share, 1)
		go func() {
			for s := range t.work[worker] {
				s.do(worker, s.from, s.to)
				t.done.Done()
			}
		}()
	}
	return t
}

// split calls do for parts of [0, n), one per worker, and waits for them.
func (t *team) split(n int, do func(worker, from, to int)) {
	workers := min(t.size, n)
	for worker := 1; worker < workers; worker++ {
		t.done.Add(1)
		t.work[worker] <- share{n * worker / workers, n * (worker + 1) / workers, do}
	}
	if n > 0 {
		do(0, 0, n/max(workers, 1))
	}
	t.done.Wait()
}

func (t *team) dismiss() {
	for _, c := range t.work[1:] {
		close(c)
	}
}

// grain is about how many simple element operations pay for waking a worker.
const grain = 1 << 14

// divide splits n units of about cost element operations each; too little work stays with the caller.
func (d *Device) divide(n, cost int, do func(worker, from, to int)) {
	if n > 0 && n*max(cost, 1) < grain {
		do(0, 0, n)
		return
	}
	d.team.split(n, do)
}

// elements splits a loop over n elements.
func (d *Device) elements(n int, do func(from, to int)) {
	d.divide(n, 1, func(_, from, to int) { do(from, to) })
}

package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// team is a fixed set of workers that divide a range among them. The caller is worker 0; the others are goroutines that
// wait for the next range until dismissed.
//
// Whoever waits, a worker for work or the caller for the last worker, looks again and again for a short while before it
// sleeps: a step is hundreds of operations one after another, and to wake a goroutine takes longer than many of them. What a
// worker has not begun when the caller has done his own share, because it slept or the system runs another program in its
// place, the caller does too. The shares are the same whoever does them.
type team struct {
	size    int
	spin    time.Duration
	workers []*worker    // number 0, the caller, waits in done
	pending atomic.Int64 // shares handed out that are not done
	done    sleeper

	// What is shared now.
	units, cuts int // units are cut into so many pieces
	do          func(worker, from, to int)
	left        []stretch                  // of each worker
	takeAll     func(worker, from, to int) // take, which would be allocated each time
}

// worker is one goroutine and its share of a range.
type worker struct {
	from, to int
	do       func(worker, from, to int) // nil: the team is dismissed
	handed   atomic.Int64               // shares so far
	begun    atomic.Int64               // of those
	sleeper
	_ [cacheLine]byte // the next worker's fields are in another line of the cache
}

// begin says whether there is a share to do, which is then nobody else's.
func (w *worker) begin() bool {
	begun := w.begun.Load()
	return w.handed.Load() > begun && w.begun.CompareAndSwap(begun, begun+1)
}

// sleeper is somebody who waits for a condition, and how to wake him when it has come true.
type sleeper struct {
	asleep atomic.Bool
	call   chan struct{}
}

func newSleeper() sleeper { return sleeper{call: make(chan struct{}, 1)} }

// wait returns when the condition is true, which is the last time it asks; others make it so and call wake.
func (s *sleeper) wait(spin time.Duration, condition func() bool) {
	for start := time.Now(); spin > 0 && time.Since(start) < spin; {
		for range 64 {
			if condition() {
				return
			}
			pause()
		}
	}
	for {
		s.asleep.Store(true)
		if condition() { // since before the others could see that they must call
			if !s.asleep.CompareAndSwap(true, false) {
				<-s.call
			}
			return
		}
		<-s.call
		if condition() {
			return
		}
	}
}

// wake is called after each change of what the sleeper waits for.
func (s *sleeper) wake() {
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		s.call <- struct{}{}
	}
}

// spinTime is how long to look before sleeping: longer than most of the gaps between two operations of a step, and than most
// differences between two workers' shares.
const spinTime = 200 * time.Microsecond

func newTeam(size int) *team {
	t := &team{size: size, spin: spinTime, workers: make([]*worker, size), done: newSleeper(), left: make([]stretch, size)}
	t.takeAll = t.take
	if size > min(runtime.GOMAXPROCS(0), runtime.NumCPU()) {
		t.spin = 0 // whoever looks keeps another from working
	}
	for number := 1; number < size; number++ {
		w := &worker{sleeper: newSleeper()}
		t.workers[number] = w
		go func() {
			for {
				w.wait(t.spin, w.begin)
				if w.do == nil {
					return
				}
				w.do(number, w.from, w.to)
				if t.pending.Add(-1) == 0 {
					t.done.wake()
				}
			}
		}()
	}
	return t
}

// split calls do for parts of [0, n), one per worker, and waits for them.
func (t *team) split(n int, do func(worker, from, to int)) {
	workers := min(t.size, n)
	if workers > 1 {
		t.pending.Store(int64(workers - 1))
		for number := 1; number < workers; number++ {
			t.workers[number].hand(n*number/workers, n*(number+1)/workers, do)
		}
	}
	if n > 0 {
		do(0, 0, n/max(workers, 1))
	}
	for number := 1; number < workers; number++ {
		if w := t.workers[number]; w.begin() {
			do(number, w.from, w.to)
			t.pending.Add(-1)
		}
	}
	if workers > 1 {
		t.done.wait(t.spin, func() bool { return t.pending.Load() == 0 })
	}
}

// share is split for work in whose way others on the machine may stand: who has done his own share takes from what another has
// not begun. Each takes half of what is left of his share, again and again, down to one of the pieces; who has nothing left,
// half of what is left of another's, from its end. So most of a share is done in few stretches, by the worker in whose caches
// its data are, and all end together. What a stretch computes depends neither on who does it nor on where it begins.
func (t *team) share(n, pieces int, do func(worker, from, to int)) {
	pieces = min(n, pieces)
	workers := min(t.size, pieces)
	if workers < 2 {
		if n > 0 {
			do(0, 0, n)
		}
		return
	}
	for number := range workers {
		t.left[number].set(pieces*number/workers, pieces*(number+1)/workers)
	}
	t.units, t.cuts, t.do = n, pieces, do
	t.split(workers, t.takeAll)
	t.do = nil
}

// take does stretches of what is shared until none is left.
func (t *team) take(worker, _, _ int) {
	for i := range t.left {
		left := &t.left[(worker+i)%t.size]
		for from, to := left.half(i == 0); from < to; from, to = left.half(i == 0) {
			t.do(worker, t.units*from/t.cuts, t.units*to/t.cuts)
		}
	}
}

// stretch is the pieces of a worker's share that nobody has begun: from and to, which several workers move.
type stretch struct {
	ends atomic.Uint64
	_    [cacheLine - 8]byte
}

func both(from, to int) uint64 { return uint64(from)<<32 | uint64(to) }

func (s *stretch) set(from, to int) { s.ends.Store(both(from, to)) }

// half takes half of what is left, or the last piece, from the front or from the end; nothing where nothing is left.
func (s *stretch) half(front bool) (from, to int) {
	for {
		ends := s.ends.Load()
		from, to := int(ends>>32), int(uint32(ends))
		n := (to - from + 1) / 2
		if front && s.ends.CompareAndSwap(ends, both(from+n, to)) {
			return from, from + n
		}
		if !front && s.ends.CompareAndSwap(ends, both(from, to-n)) {
			return to - n, to
		}
	}
}

// pieces are as many as keep the workers' last stretches short.
func (t *team) pieces() int { return 16 * t.size }

// unitPieces are fewer, for Winograd's units: each is long.
func (t *team) unitPieces() int { return 4 * t.size }

func (w *worker) hand(from, to int, do func(worker, from, to int)) {
	w.from, w.to, w.do = from, to, do
	w.handed.Add(1)
	w.wake()
}

func (t *team) dismiss() {
	for _, w := range t.workers[1:] {
		w.hand(0, 0, nil)
	}
}

// grain is about how many simple element operations pay for waking a worker.
const grain = 1 << 14

// divide shares n units of about cost element operations each; too little work stays with the caller.
func (d *Device) divide(n, cost int, do func(worker, from, to int)) {
	d.divideInto(n, cost, n*max(cost, 1)/(4*grain), do)
}

// divideInto is divide in so many pieces, at least one for each worker and at most what share needs.
func (d *Device) divideInto(n, cost, pieces int, do func(worker, from, to int)) {
	if n > 0 && n*max(cost, 1) < grain {
		do(0, 0, n)
		return
	}
	d.team.share(n, max(d.team.size, min(pieces, d.team.pieces())), do)
}

// elements splits a loop over n elements.
func (d *Device) elements(n int, do func(from, to int)) {
	d.divide(n, 1, func(_, from, to int) { do(from, to) })
}

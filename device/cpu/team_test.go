package cpu

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each unit is done once, by whoever, in the share that its number of units and of workers alone decides.
func TestSplit(t *testing.T) {
	for _, processors := range []int{1, runtime.NumCPU()} { // with one, the caller does what the others cannot begin
		for _, size := range []int{1, 2, 3, 8} {
			t.Run(fmt.Sprintf("%d processors, %d workers", processors, size), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
				team := newTeam(size)
				defer team.dismiss()
				for round := range 600 {
					n := round % 12
					done := make([]int, n) // no two shares meet in an element: the race detector watches
					var busy [8]atomic.Bool
					var shares atomic.Int64
					team.split(n, func(worker, from, to int) {
						require.True(t, busy[worker].CompareAndSwap(false, true), "worker %d has two shares at once", worker)
						require.Equal(t, []int{n * worker / min(size, n), n * (worker + 1) / min(size, n)}, []int{from, to}, "share of worker %d of %d units", worker, n)
						if round%50 == 0 {
							time.Sleep(time.Duration(worker+round/50%2) * 50 * time.Microsecond) // now one is late, then another
						}
						for i := from; i < to; i++ {
							done[i]++
						}
						shares.Add(1)
						busy[worker].Store(false)
					})
					require.EqualValues(t, min(size, n), shares.Load(), "shares of %d units done when split returns", n)
					for i, times := range done {
						require.Equal(t, 1, times, "unit %d of %d, round %d", i, n, round)
					}
					if round%100 == 0 {
						time.Sleep(200 * time.Microsecond) // the workers go to sleep
					}
				}
			})
		}
	}
}

// The caller and a worker come for one share at the same moment, again and again; one of them gets it.
func TestNoShareIsDoneTwice(t *testing.T) {
	w := &worker{}
	var round, met, got atomic.Int64
	const rounds = 3000
	come := func(number int64) { // both are here, and neither sleeps
		met.Add(1)
		for tries := 1; met.Load() < 2*number; tries++ {
			if pause(); tries%1000 == 0 {
				runtime.Gosched() // the other has no processor
			}
		}
		if w.begin() {
			got.Add(1)
		}
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for number := int64(1); number <= rounds; number++ {
			for round.Load() < number {
				runtime.Gosched()
			}
			come(number)
			met.Add(1)
		}
	}()
	for number := int64(1); number <= rounds; number++ {
		w.handed.Add(1)
		met.Store(2*number - 2)
		round.Store(number)
		come(number)
		for met.Load() < 2*number+1 { // until the other is done, too
			runtime.Gosched()
		}
		require.Equal(t, number, got.Load(), "shares begun after %d were handed out", number)
	}
	<-finished
}

// Shares are done at the same time.
func TestSplitIsParallel(t *testing.T) {
	team := newTeam(2)
	defer team.dismiss()
	for range 20 {
		var there [2]chan struct{}
		for i := range there {
			there[i] = make(chan struct{}, 1)
		}
		team.split(2, func(worker, _, _ int) {
			there[worker] <- struct{}{}
			select {
			case <-there[1-worker]:
			case <-time.After(10 * time.Second):
				t.Errorf("worker %d waits for the other in vain", worker)
			}
		})
	}
}

// Each unit that is shared is done once, by whoever, and no worker does two stretches at once.
func TestShare(t *testing.T) {
	for _, size := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprintf("%d workers", size), func(t *testing.T) {
			team := newTeam(size)
			defer team.dismiss()
			for round := range 400 {
				n, pieces := round%70, 1+round%37
				done := make([]int, n) // no two stretches meet in an element: the race detector watches
				var busy [8]atomic.Bool
				team.share(n, pieces, func(worker, from, to int) {
					require.True(t, busy[worker].CompareAndSwap(false, true), "worker %d has two stretches at once", worker)
					require.Less(t, from, to, "worker %d of %d units in %d pieces", worker, n, pieces)
					if round%50 == 0 {
						time.Sleep(time.Duration((worker+round/50)%2) * 50 * time.Microsecond) // now one is late, then another
					}
					for i := from; i < to; i++ {
						done[i]++
					}
					busy[worker].Store(false)
				})
				for i, times := range done {
					require.Equal(t, 1, times, "unit %d of %d in %d pieces", i, n, pieces)
				}
			}
		})
	}
}

// A worker who is held up in his first stretch, half of his share, comes back to find everything else done.
func TestShareHelpsWhoIsLate(t *testing.T) {
	team := newTeam(2)
	defer team.dismiss()
	for round := range 20 {
		begun, rest := make(chan struct{}), make(chan struct{})
		var others atomic.Int64
		late := 1 + 31*round
		team.share(4*late, 8, func(worker, from, to int) {
			switch {
			case worker == 1 && from == 2*late: // his first
				require.Equal(t, 3*late, to)
				close(begun)
				select {
				case <-rest:
				case <-time.After(10 * time.Second):
					t.Errorf("%d units of %d were done by the other", others.Load(), 3*late)
				}
				return
			case from == 0:
				<-begun
			}
			if others.Add(int64(to-from)) == int64(3*late) {
				close(rest)
			}
		})
	}
}

// What is left of a share is taken by halves, from either end.
func TestHalvesOfAStretch(t *testing.T) {
	var s stretch
	s.set(10, 26)
	for _, want := range []struct {
		front    bool
		from, to int
	}{{true, 10, 18}, {false, 22, 26}, {true, 18, 20}, {false, 21, 22}, {true, 20, 21}, {true, 21, 21}, {false, 21, 21}} {
		from, to := s.half(want.front)
		require.Equal(t, []int{want.from, want.to}, []int{from, to})
	}
}

// BenchmarkSplit is what dividing costs when there is nothing to do.
func BenchmarkSplit(b *testing.B) {
	t := newTeam(2)
	defer t.dismiss()
	nothing := func(int, int, int) {}
	for b.Loop() {
		t.split(2, nothing)
	}
}

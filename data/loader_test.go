package data

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// numbered is a set whose sample i has the values i, i+0.25, label i mod 7 and targets -i, i*i (if it has targets).
type numbered struct {
	n       int
	targets int
	broken  map[int]error // samples that cannot be read
	label   func(i int) int
	reads   *atomic.Int64
}

func (s numbered) Info() Info {
	return Info{Name: "numbered", Sample: tensor.Shape{2, 1, 1}, Targets: s.targets}
}
func (s numbered) Len() int { return s.n }
func (s numbered) Read(i int, x []float32) error {
	if s.reads != nil {
		s.reads.Add(1)
	}
	x[0], x[1] = float32(i), float32(i)+.25
	return s.broken[i]
}
func (s numbered) Label(i int) int {
	if s.label != nil {
		return s.label(i)
	}
	return i % 7
}
func (s numbered) Target(i int, y []float32) { copy(y, []float32{float32(-i), float32(i * i)}) }

// epoch collects the indices of the batches from skip on, having checked what is in each.
func epoch(t *testing.T, l *Loader, number, skip int) (batches [][]int) {
	t.Helper()
	for b, err := range l.EpochFrom(t.Context(), number, skip) {
		require.NoError(t, err)
		n := len(b.Indices)
		require.True(t, b.X.Shape().Eq(tensor.Shape{n, 2, 1, 1}), "%v for %d samples", b.X.Shape(), n)
		x := b.X.Data().([]float32)
		require.Len(t, x, 2*n)
		targets := l.Set.Info().Targets
		for k, i := range b.Indices {
			require.Equal(t, []float32{float32(i), float32(i) + .25}, x[2*k:2*k+2])
			if targets == 0 {
				require.Equal(t, int32(l.Set.Label(i)), b.Labels[k])
				continue
			}
			want := make([]float32, targets)
			l.Set.Target(i, want)
			require.Equal(t, want, b.Targets.Data().([]float32)[k*targets:(k+1)*targets])
		}
		if targets == 0 {
			require.Len(t, b.Labels, n)
			require.Nil(t, b.Targets)
		} else {
			require.Nil(t, b.Labels)
			require.True(t, b.Targets.Shape().Eq(tensor.Shape{n, targets}))
		}
		batches = append(batches, slices.Clone(b.Indices))
	}
	return batches
}

func TestEpochHoldsEverySampleOnce(t *testing.T) {
	for _, c := range []struct{ n, batch, targets, steps, last int }{
		{10, 3, 0, 4, 1}, {12, 3, 0, 4, 3}, {1, 1, 0, 1, 1}, {5, 8, 0, 1, 5}, {5, 5, 0, 1, 5}, {7, 1, 0, 7, 1}, {100, 32, 2, 4, 4}, {9, 4, 1, 3, 1},
		{5, math.MaxInt, 0, 1, 5},
	} {
		for _, shuffle := range []bool{false, true} {
			l := &Loader{Set: numbered{n: c.n, targets: c.targets}, Batch: c.batch, Shuffle: shuffle, Seed: 3}
			require.Equal(t, c.steps, l.Steps(), "%+v", c)
			batches := epoch(t, l, 0, 0)
			require.Len(t, batches, c.steps, "%+v", c)
			for i, b := range batches {
				want := min(c.batch, c.n)
				if i == c.steps-1 {
					want = c.last
				}
				require.Len(t, b, want, "%+v batch %d", c, i)
			}
			all := slices.Concat(batches...)
			inOrder := slices.IsSorted(all)
			require.True(t, inOrder || shuffle, "%+v", c)
			require.False(t, inOrder && shuffle && c.n > 6, "%+v: not shuffled", c)
			slices.Sort(all)
			for i, sample := range all {
				require.Equal(t, i, sample, "%+v shuffle %v", c, shuffle)
			}
			require.Len(t, all, c.n)
		}
	}
	require.Empty(t, epoch(t, &Loader{Set: numbered{}, Batch: 2, Shuffle: true}, 0, 0), "a set without samples")
}

func TestOrderDependsOnSeedAndEpochOnly(t *testing.T) {
	order := func(batch int, seed uint64, number int) []int {
		return slices.Concat(epoch(t, &Loader{Set: numbered{n: 50}, Batch: batch, Shuffle: true, Seed: seed}, number, 0)...)
	}
	first := order(7, 1, 0)
	// Recorded: a change of this order would change every training run.
	require.Equal(t, []int{25, 38, 6, 23, 48, 17, 16, 11, 22, 18}, first[:10])
	require.Equal(t, first, order(7, 1, 0), "again")
	require.Equal(t, first, order(11, 1, 0), "another batch size")
	require.NotEqual(t, first, order(7, 1, 1), "another epoch")
	require.NotEqual(t, first, order(7, 2, 0), "another seed")
	require.NotEqual(t, order(7, 1, 1), order(7, 2, 0))

	l := &Loader{Set: numbered{n: 50}, Batch: 7, Shuffle: true, Seed: 1}
	epoch(t, l, 5, 0)
	require.Equal(t, first, slices.Concat(epoch(t, l, 0, 0)...), "after another epoch")
	for range l.Epoch(t.Context(), 3) { // left half-way, and another begun within
		require.Equal(t, first, slices.Concat(epoch(t, l, 0, 0)...))
		break
	}
}

func TestEpochFromGoesOn(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		var reads atomic.Int64
		l := &Loader{Set: numbered{n: 23, reads: &reads}, Batch: 4, Shuffle: shuffle, Seed: 9}
		whole := epoch(t, l, 2, 0)
		require.Len(t, whole, 6)
		for skip := range 7 {
			reads.Store(0)
			rest := epoch(t, l, 2, skip)
			require.Equal(t, slices.Clone(whole[skip:]), append([][]int{}, rest...), "after %d batches", skip)
			require.Equal(t, int64(max(0, 23-4*skip)), reads.Load(), "samples read after %d batches", skip)
		}
	}
}

func TestLoaderErrors(t *testing.T) {
	broken := errors.New("broken")
	wide := func(targets int) Set { return shaped{Info{Name: "s", Sample: tensor.Shape{2, 1, 1}, Targets: targets}} }
	for _, c := range []struct {
		name    string
		l       Loader
		epoch   int
		skip    int
		batches int // before the error
		want    string
	}{
		{"no set", Loader{Batch: 1}, 0, 0, 0, "loader: no data set"},
		{"batch 0", Loader{Set: numbered{n: 5}}, 0, 0, 0, `loader of "numbered": batch size 0, expected at least 1`},
		{"batch -1", Loader{Set: numbered{n: 5}, Batch: -1}, 0, 0, 0, `loader of "numbered": batch size -1, expected at least 1`},
		{"epoch -1", Loader{Set: numbered{n: 5}, Batch: 1}, -1, 0, 0, `loader of "numbered": epoch -1, expected at least 0`},
		{"skip -1", Loader{Set: numbered{n: 5}, Batch: 2}, 0, -1, 0, `loader of "numbered": -1 batches to skip, expected 0 to 3`},
		{"skip 4", Loader{Set: numbered{n: 5}, Batch: 2}, 0, 4, 0, `loader of "numbered": 4 batches to skip, expected 0 to 3`},
		{"sample", Loader{Set: numbered{n: 9, broken: map[int]error{5: broken}}, Batch: 2}, 0, 0, 2, `loader of "numbered": sample 5: broken`},
		{"last sample", Loader{Set: numbered{n: 9, broken: map[int]error{8: broken}}, Batch: 2}, 0, 0, 4, `loader of "numbered": sample 8: broken`},
		{"first sample", Loader{Set: numbered{n: 9, broken: map[int]error{0: broken, 1: broken}}, Batch: 2}, 0, 0, 0, `loader of "numbered": sample 0: broken`},
		{"skipped sample", Loader{Set: numbered{n: 9, broken: map[int]error{0: broken, 3: broken}}, Batch: 2}, 0, 1, 0, `sample 3: broken`},
		{"negative label", Loader{Set: numbered{n: 9, label: func(i int) int { return 3 - i }}, Batch: 2}, 0, 0, 2,
			`loader of "numbered": sample 4 has label -1, expected 0 to 2147483647`},
		{"large label", Loader{Set: numbered{n: 9, label: func(i int) int { return math.MaxInt32 + i }}, Batch: 2}, 0, 0, 0,
			`loader of "numbered": sample 1 has label 2147483648, expected 0 to 2147483647`},
		{"sample shape", Loader{Set: shaped{Info{Name: "s", Sample: tensor.Shape{2, 1}}}, Batch: 1}, 0, 0, 0, `data set "s": sample shape [2,1], expected (C, H, W)`},
		{"empty sample", Loader{Set: shaped{Info{Name: "s", Sample: tensor.Shape{2, 0, 1}}}, Batch: 1}, 0, 0, 0, `a sample without values`},
		{"huge sample", Loader{Set: shaped{Info{Name: "s", Sample: tensor.Shape{1 << 31, 1 << 31, 4}}}, Batch: 1}, 0, 0, 0, `does not fit an int`},
		{"huge batch", Loader{Set: shaped{Info{Name: "s", Sample: tensor.Shape{1 << 31, 1 << 30, 1}}}, Batch: 4}, 0, 0, 0, `loader of "s": batch of 4 samples`},
		{"huge targets", Loader{Set: wide(math.MaxInt), Batch: 4}, 0, 0, 0, "does not fit in memory"},
		{"negative targets", Loader{Set: wide(-1), Batch: 4}, 0, 0, 0, "does not fit in memory"},
	} {
		errs, batches := 0, 0
		for b, err := range c.l.EpochFrom(t.Context(), c.epoch, c.skip) {
			if err == nil {
				batches++
				require.Zero(t, errs, "%s: a batch after the error", c.name)
				continue
			}
			errs++
			require.Nil(t, b, c.name)
			require.ErrorContains(t, err, c.want, c.name)
		}
		require.Equal(t, 1, errs, "%s: errors", c.name)
		require.Equal(t, c.batches, batches, "%s: batches before the error", c.name)
		for range c.l.EpochFrom(t.Context(), c.epoch, c.skip) { // leaving at once is no trouble either
			break
		}
	}
	for _, l := range []Loader{{}, {Batch: 1}, {Set: numbered{n: 3}}} {
		require.Zero(t, l.Steps())
	}
}

// shaped is a set of which only the description is there.
type shaped struct{ info Info }

func (s shaped) Info() Info                { return s.info }
func (s shaped) Len() int                  { return 100 }
func (s shaped) Read(int, []float32) error { return errors.New("nothing to read") }
func (s shaped) Label(int) int             { return 0 }
func (s shaped) Target(int, []float32)     {}

// goroutines counts them, having given those that are about to end the time to.
func goroutines(most int) int {
	for range 1000 {
		if runtime.NumGoroutine() <= most {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return runtime.NumGoroutine()
}

func TestNothingKeepsRunning(t *testing.T) {
	broken := errors.New("broken")
	before := runtime.NumGoroutine()
	l := &Loader{Set: numbered{n: 1000}, Batch: 3}
	for name, leave := range map[string]func(){
		"to the end": func() {
			for range l.Epoch(context.Background(), 0) {
			}
		},
		"break": func() {
			for range l.Epoch(context.Background(), 0) {
				break
			}
		},
		"panic": func() {
			defer func() { require.Equal(t, broken, recover()) }()
			for range l.Epoch(context.Background(), 0) {
				panic(broken)
			}
		},
		"error": func() {
			for range (&Loader{Set: numbered{n: 1000, broken: map[int]error{4: broken}}, Batch: 3}).Epoch(context.Background(), 0) {
			}
		},
		"cancelled": func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range l.Epoch(ctx, 0) {
				cancel()
			}
		},
		"never begun": func() { l.Epoch(context.Background(), 0) },
	} {
		for range 20 {
			leave()
			require.LessOrEqual(t, goroutines(before), before, "%s: goroutines are left behind", name)
		}
	}
}

func TestCancelledEpoch(t *testing.T) {
	interrupted := errors.New("interrupted")
	for _, after := range []int{0, 1, 5} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if after == 0 {
			cancel(interrupted)
		}
		l := &Loader{Set: numbered{n: 1000}, Batch: 2}
		batches, errs := 0, 0
		for b, err := range l.Epoch(ctx, 0) {
			if err == nil {
				batches++
				if batches == after {
					cancel(interrupted)
				}
				continue
			}
			errs++
			require.Nil(t, b)
			require.ErrorIs(t, err, interrupted)
			require.EqualError(t, err, `loader of "numbered": interrupted`)
		}
		require.Equal(t, 1, errs)
		require.Equal(t, after, batches, "batches after the context was cancelled")
		cancel(nil)
	}
}

// A set that is slow, and that the consumer must not have to wait for to its end.
func TestCancelWhileReading(t *testing.T) {
	reading, goOn := make(chan bool), make(chan bool)
	var reads atomic.Int64
	set := blocking{numbered{n: 1000, reads: &reads}, reading, goOn}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reading
		cancel()
		goOn <- true
	}()
	for b, err := range (&Loader{Set: set, Batch: 500}).Epoch(ctx, 0) {
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, b)
	}
	require.Equal(t, int64(1), reads.Load(), "samples read though nobody wants them")
}

type blocking struct {
	numbered
	reading, goOn chan bool
}

func (s blocking) Read(i int, x []float32) error {
	if i == 0 {
		s.reading <- true
		<-s.goOn
	}
	return s.numbered.Read(i, x)
}

// Reading ahead must neither touch the batch in use nor stop short of what it may read.
func TestBatchIsValidUntilTheNext(t *testing.T) {
	var reads atomic.Int64
	l := &Loader{Set: numbered{n: 40, targets: 1, reads: &reads}, Batch: 2, Shuffle: true}
	seen := map[*float32]bool{}
	step := 0
	for b, err := range l.Epoch(t.Context(), 0) {
		require.NoError(t, err)
		step++
		ready := int64(min(2*(step+ahead), 40))
		require.Eventually(t, func() bool { return reads.Load() == ready }, 5*time.Second, 100*time.Microsecond,
			"%d samples read at step %d, expected %d", reads.Load(), step, ready)
		if step < 5 {
			time.Sleep(2 * time.Millisecond) // to show itself if it reads on
			require.Equal(t, ready, reads.Load(), "step %d: reads on", step)
		}
		x, y := b.X.Data().([]float32), b.Targets.Data().([]float32)
		for k, i := range b.Indices {
			require.Equal(t, []float32{float32(i), float32(i) + .25, float32(-i)}, []float32{x[2*k], x[2*k+1], y[k]})
		}
		seen[&x[0]] = true
	}
	require.Equal(t, 20, step)
	require.Len(t, seen, ahead+1, "buffers go round")
}

func TestStepsDoNotAllocate(t *testing.T) {
	measure := func(steps, batch int) uint64 {
		l := &Loader{Set: numbered{n: steps * batch}, Batch: batch}
		var before, after runtime.MemStats
		step := 0
		for _, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				return math.MaxUint64
			}
			if step++; step == 10 {
				runtime.ReadMemStats(&before)
			}
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	for _, batch := range []int{1, 64} {
		few := measure(2010, batch)
		require.Less(t, few, uint64(200), "allocations in 2000 steps of %d samples", batch)
	}
}

func TestConcurrentEpochs(t *testing.T) {
	l := &Loader{Set: numbered{n: 200}, Batch: 7, Shuffle: true, Seed: 4}
	want := make([][]int, 4)
	for e := range want {
		want[e] = slices.Concat(epoch(t, l, e, 0)...)
	}
	done := make(chan error)
	for e := range want {
		go func() {
			var got []int
			for b, err := range l.Epoch(context.Background(), e) {
				if err != nil {
					done <- err
					return
				}
				got = append(got, b.Indices...)
			}
			if !slices.Equal(got, want[e]) {
				done <- fmt.Errorf("epoch %d has another order beside others", e)
				return
			}
			done <- nil
		}()
	}
	for range want {
		require.NoError(t, <-done)
	}
}

// laggard is a set whose sample 0 fails some time after sample 1 has.
type laggard struct {
	numbered
	second chan bool
}

func (s laggard) Read(i int, _ []float32) error {
	if i == 0 {
		<-s.second
		time.Sleep(20 * time.Millisecond)
	} else {
		close(s.second)
	}
	return errors.New("broken")
}

// Of several errors in a batch the first in its order is told, not the first in time.
func TestFirstErrorOfABatch(t *testing.T) {
	l := &Loader{Set: laggard{numbered{n: 2}, make(chan bool)}, Batch: 2, Workers: 2, Transforms: []Transform{noisy{}}}
	for _, err := range l.Epoch(t.Context(), 0) {
		require.EqualError(t, err, `loader of "numbered": sample 0: broken`)
	}
}

package infer

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/zoo"
)

// network makes one on a device of its own, whose Close reports what is left of it.
func network(t testing.TB, spec string, o device.Options, layer nn.Layer, sample ...int) *nn.Network {
	t.Helper()
	d, err := device.Open(spec, o)
	require.NoError(t, err)
	net, err := nn.Build(d, layer, sample, 1)
	require.NoError(t, err)
	t.Cleanup(func() {
		net.Release()
		require.NoError(t, d.Close())
	})
	return net
}

// start makes a batcher that is closed when the test ends.
func start(t testing.TB, c Config, replicas ...*nn.Network) *Batcher {
	t.Helper()
	b, err := Start(c, replicas...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// ask computes n samples.
func (b *Batcher) ask(ctx context.Context, x []float32) ([]float64, error) {
	room, err := b.Reserve(len(x) / b.in)
	if err != nil {
		return nil, err
	}
	defer room.Release()
	return room.Compute(ctx, x)
}

func noise(n int) []float32 {
	source := philox.NewSource(philox.Stream{Seed: 5})
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(source.Normal(0, 1))
	}
	return x
}

var deterministic = device.Options{Deterministic: true}

// pictured has a convolution that a device might compute by Winograd for some sizes of batches alone.
func pictured() nn.Layer {
	return nn.Sequential(nn.Conv(32, 3, nn.Same()), nn.BatchNorm(), nn.ReLU(), nn.Conv(64, 3, nn.Same()), nn.ReLU(), nn.MaxPool(4, nn.Stride(4)),
		nn.Flatten(), nn.Linear(100), nn.ReLU(), nn.Linear(10))
}

// distance is ||got - want|| / ||want||.
func distance(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	apart, norm := 0.0, 0.0
	for i, v := range want {
		apart += (got[i] - v) * (got[i] - v)
		norm += v * v
	}
	return math.Sqrt(apart / norm)
}

// What is said of a sample depends neither on how many others are in its batch nor on its place there, but for rounding: the
// cpu's products of matrices sum in an order that suits their rows, of which each sample is one, and which of the two ways to
// convolve is the faster is measured for each size of batch.
func TestSampleAlone(t *testing.T) {
	const n, one = 7, 3 * 32 * 32
	for _, row := range []struct {
		options device.Options
		bound   float64
	}{{deterministic, 1e-6}, {device.Options{}, 1e-5}} { // by rule, ResNet-18 had 1.4e-7 on the cpu; Winograd may have ten times that
		e := NewEvaluator(network(t, "cpu", row.options, pictured(), 3, 32, 32))
		t.Cleanup(e.Close)
		x := noise(n * one)
		var want []float64
		for i := range n {
			own, err := e.Evaluate(x[i*one : (i+1)*one])
			require.NoError(t, err)
			want = append(want, own...)
		}
		for _, size := range []int{2, 3, 5, 8, 16} {
			batch := make([]float32, size*one)
			for i := range size {
				copy(batch[i*one:], x[(i+size)%n*one:][:one])
			}
			got, err := e.Evaluate(batch)
			require.NoError(t, err)
			for i := range size {
				require.Less(t, distance(got[i*10:(i+1)*10], want[(i+size)%n*10:][:10]), row.bound, "sample %d of %d, %+v", i, size, row.options)
			}
		}
	}
}

// Many callers at once each get what their samples give alone, whatever batches were made of them, by however many replicas;
// after the first batch of each size, no device asks for memory.
func TestCallersAtOnce(t *testing.T) {
	for _, n := range []int{1, 3} {
		var replicas []*nn.Network
		for range n {
			replicas = append(replicas, network(t, devicetest.Fast(), deterministic, zoo.CNNSmall(4), 1, 12, 12))
		}
		callersAtOnce(t, replicas)
	}
}

func callersAtOnce(t *testing.T, replicas []*nn.Network) {
	const callers, most = 12, 11
	x := noise((callers + most) * 144)
	e := NewEvaluator(replicas[0])
	var want []float64
	for i := range callers + most {
		own, err := e.Evaluate(x[i*144 : (i+1)*144])
		require.NoError(t, err)
		want = append(want, own...)
	}
	e.Close()
	var reports []Report
	b := start(t, Config{Batch: 8, Delay: time.Millisecond, Capacity: callers * most, Observe: func(r Report) { reports = append(reports, r) }}, replicas...)
	memory := b.Memory()
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for n := 1; n <= most; n++ {
				got, err := b.ask(t.Context(), slices.Clone(x[c*144:(c+n)*144]))
				if err != nil || distance(got, want[c*4:(c+n)*4]) > 1e-6 {
					t.Errorf("caller %d, %d samples: %v, expected %v; %v", c, n, got, want[c*4:(c+n)*4], err)
				}
			}
		})
	}
	all.Wait()
	b.Close() // and so the last report is there
	samples := 0
	for _, r := range reports {
		require.NoError(t, r.Err)
		require.Contains(t, []int{1, 2, 4, 8}, r.Size)
		require.LessOrEqual(t, r.Size-r.Samples, r.Size/4, "padding")
		samples += r.Samples
	}
	require.Equal(t, callers*most*(most+1)/2, samples)
	for i, m := range b.Memory() {
		require.Equal(t, memory[i].SystemAllocations, m.SystemAllocations)
		require.NotZero(t, m.SystemBytes)
	}
	waiting, reserved := b.Waiting()
	require.Zero(t, waiting+reserved)
}

func TestPortion(t *testing.T) {
	for _, row := range []struct {
		largest                 int
		waiting, samples, batch int
	}{
		{1, 1, 1, 1}, {1, 5, 1, 1},
		{16, 1, 1, 1}, {16, 2, 2, 2}, {16, 3, 3, 4}, {16, 4, 4, 4}, {16, 5, 4, 4}, {16, 6, 6, 8}, {16, 9, 8, 8}, {16, 11, 8, 8},
		{16, 12, 12, 16}, {16, 16, 16, 16}, {16, 17, 16, 16}, {16, 99, 16, 16},
		{10, 7, 7, 8}, {10, 8, 8, 8}, {10, 9, 9, 10}, {10, 11, 10, 10},
		{200, 128, 128, 128}, {200, 149, 128, 128}, {200, 150, 150, 200}, {200, 201, 200, 200},
	} {
		b := &Batcher{sizes: sizes(row.largest)}
		samples, batch := b.portion(row.waiting)
		require.Equal(t, []int{row.samples, batch}, []int{samples, row.batch}, "%d waiting, %d at most", row.waiting, row.largest)
	}
}

// gate is a layer that lets batches through one at a time once it is shut, and can be told to panic.
type gate struct {
	*nn.Function
	shut  bool
	enter chan int // gets the samples of a batch when it comes
	leave chan error
}

func newGate() *gate {
	return &gate{Function: nn.Flatten(), enter: make(chan int), leave: make(chan error)}
}

func (g *gate) Forward(x *autograd.Value) *autograd.Value {
	if g.shut {
		g.enter <- x.Shape()[0]
		if err := <-g.leave; err != nil {
			panic(err)
		}
	}
	return g.Function.Forward(x)
}

// behind is a batcher whose networks are gates, which give back their samples of two values.
func behind(t *testing.T, c Config, gates ...*gate) *Batcher {
	var replicas []*nn.Network
	for _, g := range gates {
		replicas = append(replicas, network(t, "cpu", device.Options{Threads: 1}, g, 2, 1, 1))
	}
	b, err := Start(c, replicas...)
	require.NoError(t, err)
	for _, g := range gates {
		g.shut = true
	}
	return b
}

type answer struct {
	outputs []float64
	err     error
}

// later asks in the background.
func (b *Batcher) later(ctx context.Context, x ...float32) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		outputs, err := b.ask(ctx, x)
		got <- answer{outputs, err}
	}()
	return got
}

// When a batch is computed: when it is full, or when its oldest sample has waited long enough; in bubbles of their own, where
// time passes only while nothing else can happen.
func TestWhenBatchesClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []Report
		g := newGate()
		b := behind(t, Config{Batch: 4, Delay: 10 * time.Second, Capacity: 16, Observe: func(r Report) { reports = append(reports, r) }}, g)
		begin := time.Now()
		pass := func(want int, after time.Duration) {
			t.Helper()
			require.Equal(t, want, <-g.enter)
			require.Equal(t, after, time.Since(begin))
			g.leave <- nil
		}
		first := b.later(t.Context(), 1, 2)
		time.Sleep(4 * time.Second)
		second := b.later(t.Context(), 3, 4, 5, 6)
		pass(4, 10*time.Second) // three in a batch of four, late
		require.Equal(t, answer{[]float64{1, 2}, nil}, <-first)
		require.Equal(t, answer{[]float64{3, 4, 5, 6}, nil}, <-second)
		synctest.Wait()
		require.Equal(t, 3, reports[0].Samples)
		require.Equal(t, 10*time.Second, reports[0].Waited)

		nine := b.later(t.Context(), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
		pass(4, 10*time.Second) // full: at once
		pass(4, 10*time.Second)
		pass(1, 20*time.Second) // what is left waits for others
		require.Equal(t, answer{[]float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, nil}, <-nine)

		last := b.later(t.Context(), 7, 8)
		synctest.Wait()
		go b.Close()
		pass(1, 20*time.Second) // what waits is computed at once when no more can come
		require.Equal(t, answer{[]float64{7, 8}, nil}, <-last)
		b.Close()
		require.Equal(t, answer{nil, ErrClosed}, <-b.later(t.Context(), 7, 8))
	})
}

// A caller who goes away is not computed, if that has not begun; nobody else suffers, and its room is free.
func TestCallersWhoGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := behind(t, Config{Batch: 2, Delay: time.Second, Capacity: 6}, g)
		defer b.Close()
		gone := errors.New("gone")
		ctx, leave := context.WithCancelCause(t.Context())
		computed := b.later(ctx, 1, 1, 2, 2, 3, 3) // half of it will be in the first batch
		require.Equal(t, 2, <-g.enter)
		waits := b.later(t.Context(), 4, 4)
		also := b.later(ctx, 5, 5)
		stays := b.later(t.Context(), 6, 6)
		synctest.Wait()
		require.Equal(t, answer{nil, ErrFull}, <-b.later(t.Context(), 7, 7))
		leave(gone)
		require.Equal(t, answer{nil, gone}, <-computed)
		require.Equal(t, answer{nil, gone}, <-also)
		waiting, reserved := b.Waiting()
		require.Equal(t, []int{2, 2}, []int{waiting, reserved})
		g.leave <- nil
		require.Equal(t, 2, <-g.enter)
		g.leave <- nil
		require.Equal(t, answer{[]float64{4, 4}, nil}, <-waits)
		require.Equal(t, answer{[]float64{6, 6}, nil}, <-stays)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, answer{nil, context.Canceled}, <-b.later(cancelled, 7, 7))
		synctest.Wait()
		waiting, reserved = b.Waiting()
		require.Zero(t, waiting+reserved)
	})
}

// A panic is the error of its batch; the next is computed.
func TestPanics(t *testing.T) {
	var seen error
	g := newGate()
	b := behind(t, Config{Batch: 1, Capacity: 3, Observe: func(r Report) { seen = r.Err }}, g)
	defer b.Close()
	two := b.later(t.Context(), 1, 2, 3, 4)
	<-g.enter
	g.leave <- errors.New("broken")
	<-g.enter
	g.leave <- nil
	require.ErrorContains(t, (<-two).err, "computing a batch: panic: broken")
	next := b.later(t.Context(), 3, 4)
	<-g.enter
	g.leave <- nil
	require.Equal(t, answer{[]float64{3, 4}, nil}, <-next)
	require.NoError(t, seen)
}

// What one replica cannot take, because it computes, another does; a request may be computed by several at once, and fails if
// one of them does.
func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newGate(), newGate()
		two.enter, two.leave = one.enter, one.leave // whichever it is
		b := behind(t, Config{Batch: 2, Delay: time.Second, Capacity: 16}, one, two)
		begin := time.Now()
		five := b.later(t.Context(), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		require.Equal(t, []int{2, 2}, []int{<-one.enter, <-one.enter}) // at once, before either is through
		require.Zero(t, time.Since(begin))
		synctest.Wait()
		waiting, _ := b.Waiting()
		require.Equal(t, 1, waiting)
		one.leave <- nil
		require.Equal(t, 1, <-one.enter) // by the one that is free, late
		require.Equal(t, time.Second, time.Since(begin))
		one.leave <- nil
		one.leave <- nil
		require.Equal(t, answer{[]float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil}, <-five)

		four := b.later(t.Context(), 0, 1, 2, 3, 4, 5, 6, 7)
		<-one.enter
		<-one.enter
		one.leave <- errors.New("broken")
		one.leave <- nil
		require.ErrorContains(t, (<-four).err, "panic: broken")

		last := b.later(t.Context(), 0, 1, 2, 3, 4, 5)
		require.Equal(t, 2, <-one.enter)
		synctest.Wait()
		closed := make(chan struct{})
		go func() { b.Close(); close(closed) }()
		require.Equal(t, 1, <-one.enter) // what waits is computed at once when no more can come
		one.leave <- nil
		one.leave <- nil
		require.Equal(t, answer{[]float64{0, 1, 2, 3, 4, 5}, nil}, <-last)
		<-closed
	})
}

func TestRefusals(t *testing.T) {
	net := network(t, "cpu", device.Options{Threads: 1}, nn.Flatten(), 2, 1, 1)
	broken := network(t, "cpu", device.Options{Threads: 1}, nn.Linear(3), 2)
	before := runtime.NumGoroutine()
	_, err := Start(Config{Batch: 1, Capacity: 1})
	require.EqualError(t, err, "no network, expected one or more")
	for _, c := range []Config{{Batch: 0, Capacity: 1}, {Batch: 2, Capacity: 1}, {Batch: 1, Capacity: 1, Delay: -1}} {
		_, err := Start(c, net)
		require.ErrorContains(t, err, "expected 1 or more, 0 or more, and room for a batch", "%+v", c)
	}
	b, err := Start(Config{Batch: 1, Capacity: 4}, net)
	require.NoError(t, err)
	for _, n := range []int{-1, 0, 5} {
		_, err := b.Reserve(n)
		require.ErrorContains(t, err, "samples, expected 1 to 4")
	}
	room, err := b.Reserve(2)
	require.NoError(t, err)
	_, err = room.Compute(t.Context(), make([]float32, 5))
	require.EqualError(t, err, "5 values, expected 2 samples of 2")
	room.Release()
	room.Release()
	_, err = b.Reserve(4)
	require.NoError(t, err)
	b.Close()
	b.Close()
	_, err = b.Reserve(1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = room.Compute(t.Context(), make([]float32, 4))
	require.ErrorIs(t, err, ErrClosed)

	for _, x := range [][]float32{nil, make([]float32, 1), make([]float32, 3)} {
		_, err := NewEvaluator(net).Evaluate(x)
		require.ErrorContains(t, err, "values, expected samples (2, 1, 1) of 2")
	}
	p := broken.Parameters[0].Tensor()
	require.NoError(t, broken.Device.Upload(p, []float32{1, 2, float32(math.NaN()), 4, 5, 6}))
	_, err = Start(Config{Batch: 4, Capacity: 4}, net, broken)
	require.EqualError(t, err, "a batch of 4 samples of zeros: output 1 of the network is NaN, expected finite numbers")
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before, "goroutines are left behind")
}

package cpu_test

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/philox"
)

// stops are how long the collector has waited for running goroutines so far, as a histogram.
func stops() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// median is that of the stops between two readings, rounded up, and how many there were.
func median(before, after *metrics.Float64Histogram) (seconds float64, count uint64) {
	for i := range after.Counts {
		count += after.Counts[i] - before.Counts[i]
	}
	seen := uint64(0)
	for i := range after.Counts {
		if seen += after.Counts[i] - before.Counts[i]; 2*seen >= count {
			return after.Buckets[i+1], count
		}
	}
	return math.Inf(1), count
}

// stopsDuring is the median stop of at least ten while an operation is done again and again.
func stopsDuring(t *testing.T, do func() error) (seconds float64, count uint64) {
	before := stops()
	var enough atomic.Bool
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for range 10 {
			runtime.GC()
		}
		enough.Store(true)
	}()
	for !enough.Load() {
		require.NoError(t, do())
	}
	<-collected
	return median(before, stops())
}

// Assembly is not preempted: a call that took long would keep the collector waiting, and with it every other goroutine. The
// machine may be busy with other things, so it is the median of some stops that must be short.
func TestCollectorDoesNotWait(t *testing.T) {
	if testing.Short() {
		t.Skip("measures times")
	}
	const longest = 1e-3 // seconds
	d, err := cpu.New(min(2, runtime.NumCPU()))
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	var all []*device.Tensor
	defer func() {
		for _, x := range all {
			x.Release()
		}
	}()
	keep := func(x *device.Tensor, err error) *device.Tensor {
		require.NoError(t, err)
		require.NoError(t, d.Fill(x, 0.5))
		all = append(all, x)
		return x
	}
	room := func(shape ...int) *device.Tensor { return keep(d.New(shape, tensor.Float32)) }
	maps := func(shape ...int) *device.Tensor { return keep(d.NewActivation(shape)) }
	labels, err := device.FromSlice(d, tensor.Shape{4096}, make([]int32, 4096))
	require.NoError(t, err)
	all = append(all, labels)

	wide, deep, narrow := maps(1, 512, 56, 56), maps(1, 512, 56, 56), maps(1, 512, 56, 56)
	three, one, stem, picture, first := room(512, 512, 3, 3), room(512, 512, 1, 1), room(64, 3, 7, 7), maps(1, 3, 448, 448), maps(1, 64, 224, 224)
	half := maps(1, 512, 28, 28)
	scale, shift, mean, variance := room(512), room(512), room(512), room(512)
	x, w, y := room(8, 1<<16), room(256, 1<<16), room(8, 256)
	a, b, c := room(1024, 1024), room(1024, 1024), room(1024, 1024)
	big, slope, moment, square := room(1<<23), room(1<<23), room(1<<23), room(1<<23)
	host := make([]float32, 1<<23)
	logits, dlogits, loss := room(4096, 1000), room(4096, 1000), room()
	total := room(1)
	same := device.ConvSpec{Padding: device.Pad(1)}.Normal()
	plain, strided := device.ConvSpec{}.Normal(), device.ConvSpec{Stride: [2]int{2, 2}, Padding: device.Pad(3)}.Normal()
	pool := device.PoolSpec{Window: [2]int{2, 2}}.Normal()
	update := []device.Update{{Value: big, Grad: slope, State: [2]*device.Tensor{moment, square}}}
	adam := device.AdamSpec{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Step: 1}
	for _, row := range []struct {
		name string
		do   func() error
	}{
		{"3x3", func() error { return d.Conv(deep, wide, three, nil, same) }},
		{"3x3, data", func() error { return d.ConvBackwardData(deep, wide, three, same) }},
		{"3x3, weights", func() error { return d.ConvBackwardWeights(three, wide, deep, same) }},
		{"1x1", func() error { return d.Conv(deep, wide, one, nil, plain) }},
		{"1x1, weights", func() error { return d.ConvBackwardWeights(one, wide, deep, plain) }},
		{"7x7 of a picture", func() error { return d.Conv(first, picture, stem, nil, strided) }},
		{"7x7 of a picture, weights", func() error { return d.ConvBackwardWeights(stem, picture, first, strided) }},
		{"pool", func() error { return d.Pool(half, wide, pool) }},
		{"pool, backward", func() error { return d.PoolBackward(deep, half, wide, half, pool) }},
		{"batch norm", func() error {
			return d.BatchNorm(narrow, scale, shift, mean, variance, wide, scale, shift, device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1})
		}},
		{"few samples, many weights", func() error { return d.Linear(y, x, w, nil) }},
		{"their gradient", func() error { return d.MatMul(w, y, x, true, false) }},
		{"product", func() error { return d.MatMul(c, a, b, false, false) }},
		{"softmax", func() error { return d.Softmax(dlogits, logits, false) }},
		{"cross-entropy", func() error { return d.CrossEntropy(loss, logits, labels) }},
		{"Adam", func() error { return d.Adam(update, adam) }},
		{"sum", func() error { return d.ReduceSum(total, big, 1) }},
		{"exponential", func() error { return d.Activate(slope, big, device.ActivationSpec{Kind: device.Sigmoid}) }},
		{"copy", func() error { return d.Scale(slope, big, 1, 0) }},
		{"a part", func() error { return d.CopyRegion(slope, []int{0}, big, []int{8}, []int{1<<23 - 8}) }},
		{"upload", func() error { return d.Upload(big, host) }},
		{"download", func() error { return d.Download(host, big) }},
		{"dropout", func() error { return d.Dropout(slope, big, 0.5, philox.Stream{Seed: 1}) }},
	} {
		require.NoError(t, row.do(), row.name)
		waited, count := math.Inf(1), uint64(0)
		for tries := range 40 { // the machine may be busy, with tests of other packages for seconds
			if waited, count = stopsDuring(t, row.do); waited <= longest {
				break
			}
			time.Sleep(min(time.Duration(tries)*50*time.Millisecond, 500*time.Millisecond))
		}
		require.LessOrEqual(t, waited, longest, "%s: median of %d stops, seconds", row.name, count)
	}
}

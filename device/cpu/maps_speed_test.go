package cpu

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// bench has tensors of activations to work on.
type bench struct {
	*testing.B
	d *Device
}

func (b bench) room(shape tensor.Shape) *device.Tensor {
	t, err := b.d.NewActivation(shape)
	require.NoError(b, err)
	values := make([]float32, device.Size(shape))
	for i := range values {
		values[i] = float32(i*7919%1000)/500 - 1
	}
	require.NoError(b, b.d.Upload(t, values))
	return t
}

// measure reports how many GB/s of the tensors work goes through, those it must read or write twice counted twice, in the
// best of its runs: others disturb it, nothing helps it.
func (b bench) measure(name string, work func() error, touched ...*device.Tensor) {
	bytes := 0
	for _, t := range touched {
		bytes += 4 * len(floats(t))
	}
	b.Run(name, func(b *testing.B) {
		best := time.Duration(math.MaxInt64)
		for b.Loop() {
			start := time.Now()
			if err := work(); err != nil {
				b.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		b.ReportMetric(float64(bytes)/float64(best.Nanoseconds()), "GB/s")
	})
}

func eachTeam(b *testing.B, do func(b bench)) {
	for _, threads := range []int{1, 2} {
		d, err := New(threads)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("%d", threads), func(b *testing.B) { do(bench{b, d}) })
	}
}

func BenchmarkPooling(b *testing.B) {
	rows := []struct {
		kind                device.PoolKind
		x                   tensor.Shape
		window, stride, pad int
	}{
		{device.MaxPool, tensor.Shape{4, 64, 112, 112}, 3, 2, 1}, {device.MaxPool, tensor.Shape{1, 64, 224, 224}, 2, 2, 0},
		{device.MaxPool, tensor.Shape{4, 256, 13, 13}, 3, 2, 0}, {device.MaxPool, tensor.Shape{4, 256, 28, 28}, 3, 1, 1},
		{device.MaxPool, tensor.Shape{1, 64, 112, 112}, 4, 4, 0},
		{device.AveragePool, tensor.Shape{4, 64, 112, 112}, 2, 2, 0}, {device.AveragePool, tensor.Shape{8, 2048, 7, 7}, 7, 7, 0},
	}
	eachTeam(b, func(b bench) {
		for _, r := range rows {
			s := device.PoolSpec{Kind: r.kind, Window: [2]int{r.window, r.window}, Stride: [2]int{r.stride, r.stride}, Padding: device.Pad(r.pad)}
			shape, err := s.Output(r.x)
			require.NoError(b, err)
			x, y, dx, dy := b.room(r.x), b.room(shape), b.room(r.x), b.room(shape)
			name := fmt.Sprintf("%v/%v/%dx%d_%d", r.kind, r.x, r.window, r.window, r.stride)
			b.measure(name+"/forward", func() error { return b.d.Pool(y, x, s) }, x, y)
			used := []*device.Tensor{dx, dy, x, y}
			if r.kind == device.AveragePool {
				used = used[:2]
			}
			b.measure(name+"/backward", func() error { return b.d.PoolBackward(dx, dy, x, y, s) }, used...)
		}
	})
}

func BenchmarkBatchNorm(b *testing.B) {
	eachTeam(b, func(b bench) {
		for _, shape := range []tensor.Shape{{4, 256, 56, 56}, {16, 64, 112, 112}, {16, 256, 14, 14}, {8, 2048, 7, 7}} {
			x, y, residual, dx, dy, dresidual := b.room(shape), b.room(shape), b.room(shape), b.room(shape), b.room(shape), b.room(shape)
			var v [7]*device.Tensor
			for i := range v {
				var err error
				v[i], err = b.d.New(tensor.Shape{shape[1]}, tensor.Float32)
				require.NoError(b, err)
				require.NoError(b, b.d.Fill(v[i], 1))
			}
			s := device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}
			name := fmt.Sprintf("%v", shape)
			b.measure(name+"/forward", func() error { return b.d.BatchNorm(y, v[0], v[1], v[2], v[3], x, v[4], v[5], s) }, x, x, y)
			b.measure(name+"/backward", func() error { return b.d.BatchNormBackward(dx, v[5], v[6], dy, x, v[4], v[0], v[1]) }, dx, dy, dy, x, x)
			b.measure(name+"/relu", func() error { return b.d.BatchNormReLU(y, v[0], v[1], v[2], v[3], x, residual, v[4], v[5], s) }, x, x, residual, y)
			b.measure(name+"/relu backward", func() error {
				return b.d.BatchNormReLUBackward(dx, dresidual, v[5], v[6], dy, x, y, v[4], v[0], v[1])
			}, dx, dresidual, dy, dy, x, x, y, y)
			b.measure(name+"/infer", func() error { return b.d.BatchNormReLUInfer(y, x, residual, v[4], v[5], v[2], v[3], s) }, x, residual, y)
			for _, t := range []*device.Tensor{x, y, residual, dx, dy, dresidual} {
				t.Release()
			}
		}
	})
}

package cpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// BenchmarkWinograd reports the arithmetic of the sliding window per second, which is four times that of the products here.
func BenchmarkWinograd(b *testing.B) {
	for _, l := range []struct{ n, c, m, size int }{{4, 64, 64, 56}, {8, 128, 128, 28}, {8, 256, 256, 14}, {4, 512, 512, 14}, {8, 512, 512, 7},
		{4, 64, 64, 224}, {4, 512, 512, 28}, {16, 192, 384, 13}, {1, 64, 64, 56}, {1, 512, 512, 7}} {
		d, err := New(0)
		require.NoError(b, err)
		s := device.ConvSpec{Padding: device.Pad(1)}.Normal()
		room := func(shape tensor.Shape, activation bool) *device.Tensor {
			t, err := d.New(shape, tensor.Float32)
			if activation {
				t.Release()
				t, err = d.NewActivation(shape)
			}
			require.NoError(b, err)
			require.NoError(b, d.Fill(t, 0.5))
			return t
		}
		x, y := room(tensor.Shape{l.n, l.c, l.size, l.size}, true), room(tensor.Shape{l.n, l.m, l.size, l.size}, true)
		w := room(tensor.Shape{l.m, l.c, 3, 3}, false)
		for _, work := range []struct {
			name string
			do   func()
		}{
			{"forward", func() { d.convolveTiles(y, x, floats(w), epilogue{}, s) }},
			{"data", func() { d.winogradBackwardData(x, y, w, s) }},
			{"weights", func() { d.winogradBackwardWeights(w, x, y, s) }},
		} {
			b.Run(fmt.Sprintf("%dx%dx%dx%d-%d/%s", l.n, l.c, l.size, l.size, l.m, work.name), func(b *testing.B) {
				for b.Loop() {
					work.do()
				}
				flops := 2 * float64(y.Size()) * float64(l.c*9)
				b.ReportMetric(flops*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
			require.NoError(b, d.Fill(x, 0.5))
			require.NoError(b, d.Fill(y, 0.5))
			require.NoError(b, d.Fill(w, 0.5))
		}
		for _, t := range []*device.Tensor{x, w, y} {
			t.Release()
		}
		require.NoError(b, d.Close())
	}
}

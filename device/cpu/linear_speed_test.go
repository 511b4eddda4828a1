package cpu_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
)

// BenchmarkProduct measures the products of networks: one of large matrices, and the three of fully connected layers.
func BenchmarkProduct(b *testing.B) {
	for _, size := range [][3]int{{2048, 2048, 2048}, {200, 784, 784}, {1, 9216, 4096}, {1, 25088, 4096}, {2, 25088, 4096}, {4, 9216, 4096}, {16, 9216, 4096}, {4, 25088, 4096}, {64, 9216, 4096}} {
		n, k, m := size[0], size[1], size[2]
		for _, threads := range []int{1, 2} {
			d, err := cpu.New(threads)
			require.NoError(b, err)
			room := func(shape ...int) *device.Tensor {
				t, err := d.New(shape, tensor.Float32)
				require.NoError(b, err)
				require.NoError(b, d.Fill(t, 0.01))
				return t
			}
			x, w, y := room(n, k), room(m, k), room(n, m)
			for _, call := range []struct {
				name string
				do   func() error
			}{
				{"forward", func() error { return d.Linear(y, x, w, nil) }},
				{"data", func() error { return d.MatMul(x, y, w, false, false) }},
				{"weights", func() error { return d.MatMul(w, y, x, true, false) }},
			} {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/%d threads", n, k, m, call.name, threads), func(b *testing.B) {
					for b.Loop() {
						require.NoError(b, call.do())
					}
					seconds := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(2*float64(n)*float64(k)*float64(m)/seconds/1e9, "GFLOP/s")
					b.ReportMetric(4*float64(k)*float64(m)/seconds/1e9, "GB/s")
				})
			}
			for _, t := range []*device.Tensor{x, w, y} {
				t.Release()
			}
			require.NoError(b, d.Close())
		}
	}
}

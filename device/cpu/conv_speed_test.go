package cpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// The layers of ResNet, VGG16 and AlexNet that differ in kind: images, C, M, map, window, stride, padding.
var layers = []struct{ n, c, m, size, window, stride, pad int }{
	{4, 3, 64, 224, 7, 2, 3}, {4, 3, 64, 224, 11, 4, 2}, {1, 3, 64, 224, 3, 1, 1},
	{4, 64, 64, 56, 3, 1, 1}, {4, 64, 128, 56, 3, 2, 1}, {8, 128, 128, 28, 3, 1, 1}, {8, 256, 256, 14, 3, 1, 1}, {8, 512, 512, 7, 3, 1, 1},
	{8, 64, 192, 27, 5, 1, 2}, {8, 192, 384, 13, 3, 1, 1},
	{4, 64, 64, 56, 1, 1, 0}, {4, 64, 256, 56, 1, 1, 0}, {4, 256, 64, 56, 1, 1, 0}, {8, 256, 512, 56, 1, 2, 0}, {8, 1024, 256, 14, 1, 1, 0}, {8, 512, 2048, 7, 1, 1, 0},
}

// BenchmarkConvolution reports arithmetic per second; -bench Convolution/.../forward chooses.
func BenchmarkConvolution(b *testing.B) {
	for _, l := range layers {
		d, err := New(0)
		require.NoError(b, err)
		s := device.ConvSpec{Stride: [2]int{l.stride, l.stride}, Padding: device.Pad(l.pad)}.Normal()
		shapes := []tensor.Shape{{l.n, l.c, l.size, l.size}, {l.m, l.c, l.window, l.window}}
		shape, err := s.Output(shapes[0], shapes[1], nil)
		require.NoError(b, err)
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
		x, w, y := room(shapes[0], l.c >= 8), room(shapes[1], false), room(shape, true)
		for name, work := range map[string]func() error{
			"forward": func() error { return d.Conv(y, x, w, nil, s) },
			"data":    func() error { return d.ConvBackwardData(x, y, w, s) },
			"weights": func() error { return d.ConvBackwardWeights(w, x, y, s) },
		} {
			if name == "data" && l.c < 8 {
				continue
			}
			b.Run(fmt.Sprintf("%dx%dx%dx%d-%d-%dx%d_%d/%s", l.n, l.c, l.size, l.size, l.m, l.window, l.window, l.stride, name), func(b *testing.B) {
				for b.Loop() {
					if err := work(); err != nil {
						b.Fatal(err)
					}
				}
				flops := 2 * float64(device.Size(shape)) * float64(l.c*l.window*l.window)
				b.ReportMetric(flops*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
		for _, t := range []*device.Tensor{x, w, y} {
			t.Release()
		}
		require.NoError(b, d.Close())
	}
}

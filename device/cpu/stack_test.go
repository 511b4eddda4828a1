package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

// A stacked picture is what its definition says, however its lines are divided among workers: each is made from the one before.
func TestStackedPictures(t *testing.T) {
	src := philox.NewSource(philox.Stream{Seed: 7})
	between := func(low, high int) int { return low + src.Intn(high-low+1) }
	opened(t, 2, func(t *testing.T, d *Device) {
		for try := range 300 {
			rows, cols, channels := between(1, 5), between(1, 4), between(1, 3)
			s := device.ConvSpec{Stride: [2]int{between(1, 3), between(1, 3)},
				Padding: device.Padding{Top: between(0, 6), Bottom: between(0, 6), Left: between(0, 3), Right: between(0, 3)}}.Normal()
			x, w := device.NewTensor(nil, []int{between(1, 3), channels, between(1, 9), between(1, 9)}, tensor.Float32, nil), device.NewTensor(nil, []int{16, channels, rows, cols}, tensor.Float32, nil)
			shape, err := s.Output(x.Shape, w.Shape, nil)
			if err != nil {
				continue // the picture is smaller than the window
			}
			g := newGeometry(x, w, device.NewTensor(nil, shape, tensor.Float32, nil), s)
			from, layout := make([]float32, x.Size()), g.pictureLayout()
			for i := range from {
				from[i] = float32(i + 1)
			}
			if !layout.stacked {
				continue
			}
			data := make([]float32, g.images*layout.image)
			for i := range data {
				data[i] = float32(math.NaN())
			}
			d.stack(data, g, layout, from)
			for i, v := range data {
				n, p, column := i/layout.image, i%layout.image/layout.row, i%layout.row/layout.step
				row, c := i%layout.step/channels, i%channels
				down, across, want := p*s.Stride[0]-s.Padding.Top+row, column-s.Padding.Left, float32(0)
				if down >= 0 && down < g.height && across >= 0 && across < g.width {
					want = from[((n*channels+c)*g.height+down)*g.width+across]
				}
				require.Equal(t, want, v, "try %d: %+v, window %d x %d, element %d", try, s, rows, cols, i)
			}
		}
	})
}

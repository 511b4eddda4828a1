package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

func TestRowsOfStretchedArrays(t *testing.T) {
	for _, c := range []struct {
		large, a, b tensor.Shape
		axes        int
	}{
		{tensor.Shape{}, tensor.Shape{}, tensor.Shape{}, 1},
		{tensor.Shape{2, 3, 4, 5}, tensor.Shape{2, 3, 4, 5}, tensor.Shape{1, 3, 1, 1}, 3},
		{tensor.Shape{2, 3, 4, 5}, tensor.Shape{2, 3, 4, 5}, tensor.Shape{2, 1, 1, 1}, 2},
		{tensor.Shape{2, 3, 1, 1}, tensor.Shape{2, 3, 1, 1}, tensor.Shape{1, 3, 1, 1}, 2},
		{tensor.Shape{2, 3, 4, 5}, tensor.Shape{1, 1, 4, 5}, tensor.Shape{2, 3, 1, 1}, 2},
		{tensor.Shape{2, 3, 4, 5}, tensor.Shape{2, 1, 4, 1}, tensor.Shape{1, 3, 1, 5}, 4},
		{tensor.Shape{1, 1, 7}, tensor.Shape{1, 1, 1}, tensor.Shape{1, 1, 7}, 1},
	} {
		r := newRows(c.large, c.a, c.b)
		require.Len(t, r.axes, c.axes, "%v", c)
		require.Equal(t, device.Size(c.large), r.count()*r.width, "%v", c)
		for i := range device.Size(c.large) {
			for which, small := range []tensor.Shape{c.a, c.b} {
				want, step, rest := 0, 1, i
				for axis := len(small) - 1; axis >= 0; axis-- {
					if small[axis] > 1 {
						want += rest % c.large[axis] * step
					}
					step *= small[axis]
					rest /= c.large[axis]
				}
				got := r.offset(i/r.width, which)
				if !r.still(which) {
					got += i % r.width
				}
				require.Equal(t, want, got, "%v, element %d, array %d", c, i, which)
			}
		}
	}
}

package cpu

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// TestPackedWeightsAreNotMixedUp: what a device keeps of the weights of one convolution, and how it reads maps, is no other one's: the
// same weights with other strides, paddings, dilations, groups and sizes of the maps, and with so many images that a picture is laid out in
// another way, give what a device gives that has never seen them.
func TestPackedWeightsAreNotMixedUp(t *testing.T) {
	spec := func(stride, padding, dilation, groups int) device.ConvSpec {
		return device.ConvSpec{Stride: [2]int{stride, stride}, Padding: device.Pad(padding), Dilation: [2]int{dilation, dilation}, Groups: groups}
	}
	across := spec(1, 1, 1, 1)
	across.Dilation = [2]int{1, 2}
	for _, family := range []struct {
		w    tensor.Shape
		uses []convolutionOf
	}{
		{tensor.Shape{32, 16, 3, 3}, []convolutionOf{
			{tensor.Shape{2, 16, 9, 8}, spec(1, 1, 1, 1)}, {tensor.Shape{2, 16, 9, 8}, spec(2, 1, 1, 1)}, {tensor.Shape{2, 16, 9, 8}, spec(2, 0, 1, 1)},
			{tensor.Shape{3, 16, 9, 8}, spec(2, 1, 1, 1)}, {tensor.Shape{1, 16, 4, 4}, spec(3, 1, 1, 1)}, {tensor.Shape{2, 16, 9, 8}, spec(1, 2, 2, 1)},
			{tensor.Shape{2, 16, 9, 8}, across}, {tensor.Shape{1, 32, 9, 8}, spec(1, 1, 1, 2)}, {tensor.Shape{1, 32, 9, 8}, spec(2, 0, 1, 2)},
		}},
		{tensor.Shape{17, 3, 3, 3}, []convolutionOf{
			{tensor.Shape{2, 3, 9, 8}, spec(1, 1, 1, 1)}, {tensor.Shape{2, 3, 9, 8}, spec(2, 0, 1, 1)}, {tensor.Shape{2, 3, 9, 8}, spec(1, 2, 2, 1)},
			{tensor.Shape{2, 3, 9, 8}, across},
		}},
		{tensor.Shape{16, 7, 3, 1}, []convolutionOf{{tensor.Shape{1, 7, 400, 400}, spec(1, 1, 1, 1)}, {tensor.Shape{2, 7, 400, 400}, spec(1, 1, 1, 1)}}}, // more than stackable
	} {
		if testing.Short() && family.uses[0].x.TotalSize() > 1<<20 {
			t.Log("left out, it takes long: ", family.uses)
			continue
		}
		t.Run(fmt.Sprint(family.w), func(t *testing.T) {
			opened(t, 2, func(t *testing.T, d *Device) {
				d.exact = true
				want := make([][3][]float32, len(family.uses))
				for i, use := range family.uses {
					fresh := exactly(t)
					w := drawn(t, fresh, 1, family.w...)
					want[i] = use.run(t, fresh, w)
					w.Release()
					require.NoError(t, fresh.Close())
				}
				w := drawn(t, d, 1, family.w...)
				for _, order := range [][2]int{{0, 1}, {0, 1}, {len(want) - 1, -1}} { // forms are kept from the second time on
					for i := range want {
						i = order[0] + i*order[1]
						got := family.uses[i].run(t, d, w)
						for pass, name := range []string{"forward", "data", "weights"} {
							require.True(t, slices.Equal(want[i][pass], got[pass]), "%s of %v", name, family.uses[i])
						}
					}
				}
				w.Release()
			})
		})
	}
}

// exactly is a device that chooses by rule.
func exactly(t *testing.T) *Device {
	t.Helper()
	d, err := New(2)
	require.NoError(t, err)
	d.exact = true
	return d
}

type convolutionOf struct {
	x    tensor.Shape
	spec device.ConvSpec
}

// run is the output, and the gradients of x and w, all made of w and random numbers.
func (c convolutionOf) run(t *testing.T, d *Device, w *device.Tensor) (results [3][]float32) {
	t.Helper()
	shape, err := c.spec.Output(c.x, w.Shape, nil)
	require.NoError(t, err)
	x, dy, dx, dw := drawn(t, d, 2, c.x...), drawn(t, d, 3, shape...), drawn(t, d, 4, c.x...), drawn(t, d, 5, w.Shape...)
	y := drawn(t, d, 6, shape...)
	require.NoError(t, d.Conv(y, x, w, nil, c.spec))
	require.NoError(t, d.ConvBackwardData(dx, dy, w, c.spec))
	require.NoError(t, d.ConvBackwardWeights(dw, x, dy, c.spec))
	for i, of := range []*device.Tensor{y, dx, dw} {
		results[i] = make([]float32, of.Size())
		require.NoError(t, d.Download(results[i], of))
	}
	for _, of := range []*device.Tensor{x, dy, dx, dw, y} {
		of.Release()
	}
	return results
}

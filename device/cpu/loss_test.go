package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// Where the network is nearly certain, 1 - p is small, and must be right all the same.
func TestCertainSamplesKeepTheirGradient(t *testing.T) {
	opened(t, 1, func(t *testing.T, d *Device) {
		x, err := device.FromSlice(d, tensor.Shape{1, 3}, []float32{14, 0, -1})
		require.NoError(t, err)
		label, err := device.FromSlice(d, tensor.Shape{1}, []int32{0})
		require.NoError(t, err)
		one, err := device.FromSlice(d, tensor.Shape{}, []float32{1})
		require.NoError(t, err)
		dx, err := d.New(tensor.Shape{1, 3}, tensor.Float32)
		require.NoError(t, err)
		loss, err := d.New(tensor.Shape{}, tensor.Float32)
		require.NoError(t, err)
		require.NoError(t, d.CrossEntropyBackward(dx, one, x, label))
		require.NoError(t, d.CrossEntropy(loss, x, label))
		others := math.Exp(-14) + math.Exp(-15)
		want := []float64{-others / (1 + others), math.Exp(-14) / (1 + others), math.Exp(-15) / (1 + others)}
		for i, w := range want {
			require.InEpsilon(t, w, floats(dx)[i], 1e-6, "element %d", i)
		}
		require.InEpsilon(t, math.Log1p(others), floats(loss)[0], 1e-6)
		for _, x := range []*device.Tensor{x, label, one, dx, loss} {
			x.Release()
		}
	})
}

package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// Optimisers take the parameters as one; every element must be updated once, wherever the workers' parts meet.
func TestUpdatesAreDividedAcrossParameters(t *testing.T) {
	sizes := []int{1, 0, 40000, 3, 3, 17, 100000, 1, 20000, 5}
	for threads := 1; threads <= 7; threads++ {
		opened(t, threads, func(t *testing.T, d *Device) {
			var list []device.Update
			for i, n := range sizes {
				w, err := d.New(tensor.Shape{n}, tensor.Float32)
				require.NoError(t, err)
				g, err := d.New(tensor.Shape{n}, tensor.Float32)
				require.NoError(t, err)
				require.NoError(t, d.Fill(w, float64(i)))
				require.NoError(t, d.Fill(g, float64(i+1)))
				list = append(list, device.Update{Value: w, Grad: g})
			}
			require.NoError(t, d.SGD(list, device.SGDSpec{Rate: 2}))
			for i, u := range list {
				for at, v := range floats(u.Value) {
					require.Equal(t, float32(i-2*(i+1)), v, "%d threads, parameter %d, element %d", threads, i, at)
				}
				u.Value.Release()
				u.Grad.Release()
			}
		})
	}
}

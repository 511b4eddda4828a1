package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// opened is a device with every instruction set of this machine, and a test with it.
func opened(t *testing.T, threads int, test func(t *testing.T, d *Device)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			t.Setenv(isa.Variable, set.String())
			d, err := New(threads)
			require.NoError(t, err)
			test(t, d)
			require.NoError(t, d.Close())
		})
	}
}

// A map in blocks drops the very elements that a row-major one does, whatever its size is beside the generator's four.
func TestDropoutInBlocks(t *testing.T) {
	const rate = 0.3
	stream := philox.Stream{Seed: 1<<40 | 9, ID: 3}
	opened(t, 3, func(t *testing.T, d *Device) {
		for _, shape := range []tensor.Shape{{2, 16, 1, 2}, {3, 17, 1, 3}, {2, 33, 2, 2}, {2, 48, 7, 7}, {1, 20, 13, 13}, {2, 16, 14, 14}, {5, 31, 3, 5}, {1, 8, 90, 91}} {
			x, err := d.NewActivation(shape)
			require.NoError(t, err)
			require.True(t, blocked(x))
			require.NoError(t, d.Fill(x, 1))
			require.NoError(t, d.Dropout(x, x, rate, stream))
			got := make([]float32, device.Size(shape))
			require.NoError(t, d.Download(got, x))
			x.Release()
			for i, v := range got {
				want := float32(0)
				if stream.Four(uint64(i) / 4)[i%4] >= device.DropThreshold(rate) {
					want = float32(1 / (1 - rate))
				}
				if v != want {
					t.Fatalf("%v: element %d is %v, expected %v", shape, i, v, want)
				}
			}
		}
	})
}

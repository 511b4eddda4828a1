package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// What was measured is on disk when SaveChoices returns, for a process that comes after one that was killed.
func TestSaveChoices(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d, err := New(1)
	require.NoError(t, err)
	x, err := device.FromSlice(d, tensor.Shape{8, 16, 28, 28}, make([]float32, 8*16*28*28))
	require.NoError(t, err)
	w, err := device.FromSlice(d, tensor.Shape{32, 16, 3, 3}, make([]float32, 32*16*9))
	require.NoError(t, err)
	y, err := d.NewActivation(tensor.Shape{8, 32, 26, 26})
	require.NoError(t, err)
	require.NoError(t, d.Conv(y, x, w, nil, device.ConvSpec{}.Normal()))
	require.NotEmpty(t, d.choices.Keys())
	known := func() []string {
		other, err := New(1)
		require.NoError(t, err)
		defer func() { require.NoError(t, other.Close()) }()
		return other.choices.Keys()
	}
	require.Empty(t, known())
	require.NoError(t, d.SaveChoices())
	require.Equal(t, d.choices.Keys(), known())
	for _, each := range []*device.Tensor{x, w, y} {
		each.Release()
	}
	require.NoError(t, d.Close())
}

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

// Weights that are being learnt are others at the next step: what an algorithm makes of them is made, and measured, each time.
func TestMeasuredLearning(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d, err := New(1)
	require.NoError(t, err)
	tensors := map[string]*device.Tensor{}
	for name, shape := range map[string]tensor.Shape{"x": {8, 64, 8, 8}, "w": {64, 64, 3, 3}, "y": {8, 64, 8, 8}} {
		tensors[name], err = device.FromSlice(d, shape, make([]float32, device.Size(shape)))
		require.NoError(t, err)
	}
	x, w, y, s := tensors["x"], tensors["w"], tensors["y"], device.ConvSpec{Padding: device.Pad(1)}.Normal()
	kept := func() (n int) {
		for _, form := range w.Handle.(*buffer[float32]).forms {
			if form.kept != nil {
				n++
			}
		}
		return n
	}
	s.Learning = true
	require.NoError(t, d.Conv(y, x, w, nil, s))
	require.NoError(t, d.ConvBackwardData(x, y, w, s))
	require.Len(t, d.choices.Keys(), 2)
	require.Zero(t, kept())
	s.Learning = false
	for range 2 { // what was made is kept the second time
		require.NoError(t, d.Conv(y, x, w, nil, s))
		require.NoError(t, d.ConvBackwardData(x, y, w, s))
	}
	require.Len(t, d.choices.Keys(), 4)
	require.LessOrEqual(t, kept(), 2, "weights keep what another algorithm made of them")
	for _, each := range tensors {
		each.Release()
	}
	require.NoError(t, d.Close())
}

package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/kernels/isa"
)

// haunted is a device whose feature maps in blocks hold NaN in the lanes beyond their channels, and whose new memory is NaN.
type haunted struct{ *Device }

var ghost = float32(math.NaN())

func (d haunted) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	t, err := d.Device.New(shape, dtype)
	if err == nil && dtype == tensor.Float32 {
		haunt(out(t))
	}
	return t, err
}

func (d haunted) NewActivation(shape tensor.Shape) (*device.Tensor, error) {
	t, err := d.Device.NewActivation(shape)
	if err == nil {
		haunt(out(t))
	}
	return t, err
}

func haunt(x []float32) {
	for i := range x {
		x[i] = ghost
	}
}

func (d haunted) Upload(dst *device.Tensor, src any) error {
	if err := d.Device.Upload(dst, src); err != nil || !blocked(dst) {
		return err
	}
	channels, plane := dst.Shape[1], dst.Shape[2]*dst.Shape[3]
	blocks, memory := blocksOf(channels), out(dst)
	for n := range dst.Shape[0] {
		for p := range plane {
			pixel := memory[((n*blocks+blocks-1)*plane+p)*lanes:][:lanes]
			haunt(pixel[channels-(blocks-1)*lanes:])
		}
	}
	return nil
}

// Nothing may depend on the lanes beyond the channels.
func TestLanesBeyondTheChannels(t *testing.T) {
	if testing.Short() {
		t.Skip("slow under the race detector, and TestConformance shares as much memory")
	}
	var ops []string
	for _, row := range devicetest.Rows() {
		ops = append(ops, row.Op)
	}
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			t.Setenv("FOVEA_CPU", set.String())
			devicetest.RunPrecision(t, func() (device.Device, error) {
				d, err := New(2)
				return haunted{d}, err
			}, devicetest.Precision{Activations: true, Ops: ops})
		})
	}
}

func TestHauntedLanes(t *testing.T) {
	d, err := New(1)
	require.NoError(t, err)
	x, err := haunted{d}.NewActivation(tensor.Shape{2, 17, 1, 2})
	require.NoError(t, err)
	require.NoError(t, haunted{d}.Upload(x, make([]float32, 2*17*2)))
	ghosts := 0
	for _, v := range floats(x) {
		if v != v {
			ghosts++
		}
	}
	require.Equal(t, 2*15*2, ghosts)
	x.Release()
	require.NoError(t, d.Close())
}

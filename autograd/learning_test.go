package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/reference"
)

// specsSeen notes whether convolutions were said to have weights that are being learnt.
type specsSeen struct {
	device.Device
	learning []bool
}

func (d *specsSeen) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := d.Device.New(shape, dtype)
	return adopted(d, x, err)
}

func (d *specsSeen) see(s device.ConvSpec) { d.learning = append(d.learning, s.Learning) }

func (d *specsSeen) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	d.see(s)
	return d.Device.Conv(y, x, w, b, s)
}

func (d *specsSeen) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	d.see(s)
	return d.Device.ConvBackwardData(dx, dy, w, s)
}

func (d *specsSeen) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	d.see(s)
	return d.Device.Conv(y, x, w, b, s)
}

// Weights are being learnt where they are parameters or variables that get a gradient: not frozen ones, and not at inference.
func TestConvolutionsSayWhatIsLearnt(t *testing.T) {
	for _, row := range []struct {
		name           string
		frozen, noGrad bool
		want           bool
	}{{"training", false, false, true}, {"frozen", true, false, false}, {"inference", false, true, false}} {
		d := &specsSeen{Device: reference.New()}
		w, err := autograd.NewParameter(d, "weight", drawn(1, 2, 2, 3, 3))
		require.NoError(t, err)
		w.Frozen = row.frozen
		tape := autograd.NewTape(d)
		tape.NoGrad = row.noGrad
		x := tape.Input(drawn(2, 1, 2, 5, 5))
		autograd.Conv2D(x, w, nil, same)
		autograd.Conv2DReLU(x, w, nil, same)
		autograd.ConvTranspose2D(x, w, nil, same, [2]int{})
		require.NoError(t, tape.Err())
		require.Equal(t, []bool{row.want, row.want, row.want}, d.learning, row.name)
		d.learning = nil
		autograd.Conv2D(x, tape.Variable(drawn(1, 2, 2, 3, 3)), nil, same)
		require.Equal(t, []bool{!row.noGrad}, d.learning, row.name)
		tape.Reset()
		w.Release()
	}
}

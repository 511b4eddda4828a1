package autograd_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Max pooling takes the slope of a ReLU before it, on the smaller maps. Keep, and a second reader, make the ReLU do it: the
// gradients must be the same numbers.
func TestPoolTakesTheSlope(t *testing.T) {
	rows := []struct {
		name    string
		pool    device.PoolSpec
		swapped bool
		relu    func(x, w, b *autograd.Value) *autograd.Value
	}{
		{"conv, ReLU, 2x2", device.PoolSpec{Window: [2]int{2, 2}}, true, func(x, w, b *autograd.Value) *autograd.Value { return autograd.Conv2DReLU(x, w, b, same) }},
		{"ReLU, 2x2", device.PoolSpec{Window: [2]int{2, 2}}, true, func(x, w, b *autograd.Value) *autograd.Value { return autograd.ReLU(x) }},
		{"conv, ReLU, overlapping 3x3", device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1)}, true,
			func(x, w, b *autograd.Value) *autograd.Value { return autograd.Conv2DReLU(x, w, b, same) }},
		{"conv, ReLU, mean", device.PoolSpec{Kind: device.AveragePool, Window: [2]int{2, 2}}, false,
			func(x, w, b *autograd.Value) *autograd.Value { return autograd.Conv2DReLU(x, w, b, same) }},
		{"conv, leaky ReLU", device.PoolSpec{Window: [2]int{2, 2}}, false, func(x, w, b *autograd.Value) *autograd.Value {
			return autograd.Activate(autograd.Conv2D(x, w, b, same), device.ActivationSpec{Kind: device.LeakyReLU, Alpha: 0.1})
		}},
	}
	image := drawn(1, 3, 2, 7, 8)
	pixels := image.Data().([]float64)
	pixels[5] = math.NaN()
	for i := 112; i < 2*112; i++ { // a picture in which nothing is positive
		pixels[i] = -1
	}
	for _, d := range devices(t) {
		for _, row := range rows {
			gradients := func(d device.Device, kept bool) (all []float64) {
				tape := autograd.NewTape(d)
				defer tape.Reset()
				x, w, b := tape.Variable(image), tape.Variable(drawn(2, 2, 2, 3, 3)), tape.Variable(drawn(3, 2))
				y := row.relu(x, w, b)
				if kept {
					y.Keep()
				}
				pooled := autograd.Pool(y, row.pool)
				loss := autograd.SquaredError(pooled, tape.Input(tensor.New(tensor.WithShape(pooled.Shape()...), tensor.Of(tensor.Float64))))
				require.NoError(t, tape.Err(), "%s, %s", d.Name(), row.name)
				require.NoError(t, tape.Backward(loss), "%s, %s", d.Name(), row.name)
				for _, v := range []*autograd.Value{x, w, b} {
					if v.Grad() == nil {
						continue
					}
					g, err := v.Grad().Floats()
					require.NoError(t, err)
					all = append(all, g...)
				}
				return all
			}
			got, want := gradients(d, false), gradients(d, true)
			require.Len(t, got, len(want))
			for i := range got {
				require.True(t, got[i] == want[i] || math.IsNaN(got[i]) && math.IsNaN(want[i]), "%s, %s: gradient element %d is %v, %v where the ReLU takes its slope", d.Name(), row.name, i, got[i], want[i])
			}
			few, many := &slopesSeen{Device: d}, &slopesSeen{Device: d}
			gradients(few, false)
			gradients(many, true)
			require.Equal(t, row.swapped, few.elements < many.elements, "%s, %s: slopes of %d elements, of %d where the ReLU takes its own", d.Name(), row.name, few.elements, many.elements)
		}
	}
}

// slopesSeen counts the elements whose slopes are taken. It hides what the device offers beyond device.Device: a fused
// convolution is a convolution and a ReLU.
type slopesSeen struct {
	device.Device
	elements int
}

func (d *slopesSeen) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return d.adopt(d.Device.New(shape, dtype))
}

func (d *slopesSeen) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return d.adopt(d.Device.Reshape(x, shape))
}

func (d *slopesSeen) adopt(x *device.Tensor, err error) (*device.Tensor, error) {
	if err == nil {
		x.Device = d
	}
	return x, err
}

func (d *slopesSeen) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	d.elements += dx.Size()
	return d.Device.ActivateBackward(dx, dy, x, y, s)
}

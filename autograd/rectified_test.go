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
	x, err := d.Device.New(shape, dtype)
	return adopted(d, x, err)
}

func (d *slopesSeen) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	view, err := d.Device.Reshape(x, shape)
	return adopted(d, view, err)
}

// adopted is a tensor that another device has made, as one of d.
func adopted(d device.Device, x *device.Tensor, err error) (*device.Tensor, error) {
	if err == nil {
		x.Device = d
	}
	return x, err
}

func (d *slopesSeen) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	d.elements += dx.Size()
	return d.Device.ActivateBackward(dx, dy, x, y, s)
}

// A convolution whose result only a pooling sees gets its gradient as the pooling has it: its bias the sums of the small maps, its weights
// what a device makes of them; the gradient of the large maps is made for the input alone. Whoever else sees the result changes that.
func TestConvolutionTakesThePooledGradient(t *testing.T) {
	halves := device.PoolSpec{Window: [2]int{2, 2}}
	for _, row := range []struct {
		name        string
		pool        device.PoolSpec
		relu, input bool // the input wants a gradient too
		see         func(y *autograd.Value)
		fused, made int // calls for weights from small maps, gradients of large ones
	}{
		{"conv, ReLU", halves, true, false, nil, 1, 0},
		{"conv", halves, false, false, nil, 1, 0},
		{"smallest", device.PoolSpec{Kind: device.MinPool, Window: [2]int{2, 2}}, false, false, nil, 1, 0},
		{"smallest after ReLU, which takes its own slope", device.PoolSpec{Kind: device.MinPool, Window: [2]int{2, 2}}, true, false, nil, 0, 1},
		{"overlapping", device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1)}, true, false, nil, 1, 0},
		{"mean", device.PoolSpec{Kind: device.AveragePool, Window: [2]int{2, 2}}, false, false, nil, 0, 1},
		{"the input wants one", halves, true, true, nil, 0, 1},
		{"kept", halves, true, false, func(y *autograd.Value) { y.Keep() }, 0, 1},
		{"pooled twice", halves, true, false, func(y *autograd.Value) { autograd.Pool(y, halves) }, 0, 1},
	} {
		for _, plain := range devices(t) {
			run := func(d device.Device, kept bool) (all []float64) {
				tape := autograd.NewTape(d)
				defer tape.Reset()
				x, w, b := tape.Variable(drawn(1, 3, 2, 7, 8)), tape.Variable(drawn(2, 17, 2, 3, 3)), tape.Variable(drawn(3, 17))
				if !row.input {
					x = tape.Input(drawn(1, 3, 2, 7, 8))
				}
				var y *autograd.Value
				if row.relu {
					y = autograd.Conv2DReLU(x, w, b, same)
				} else {
					y = autograd.Conv2D(x, w, b, same)
				}
				if kept {
					y.Keep()
				} else if row.see != nil {
					row.see(y)
				}
				pooled := autograd.Pool(y, row.pool)
				loss := autograd.SquaredError(pooled, tape.Input(tensor.New(tensor.WithShape(pooled.Shape()...), tensor.Of(tensor.Float64))))
				require.NoError(t, tape.Err(), row.name)
				require.NoError(t, tape.Backward(loss), row.name)
				for _, v := range []*autograd.Value{w, b, x} {
					if v.Grad() != nil {
						g, err := v.Grad().Floats()
						require.NoError(t, err)
						all = append(all, g...)
					}
				}
				return all
			}
			seen := &poolingsSeen{Device: plain}
			got, want := run(seen, false), run(plain, true)
			require.InDeltaSlice(t, want, got, 2e-5, "%s, %s", plain.Name(), row.name)
			require.Equal(t, [2]int{row.fused, row.made}, [2]int{seen.fused, seen.made}, "%s, %s", plain.Name(), row.name)
		}
	}
}

// poolingsSeen counts how the gradient of a pooling is asked for, and offers the fused primitives that this takes.
type poolingsSeen struct {
	device.Device
	fused, made int
}

func (d *poolingsSeen) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := d.Device.New(shape, dtype)
	return adopted(d, x, err)
}

func (d *poolingsSeen) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if err := d.Conv(y, x, w, b, s); err != nil {
		return err
	}
	return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
}

func (d *poolingsSeen) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	d.made++
	return d.Device.PoolBackward(dx, dy, x, y, s)
}

func (d *poolingsSeen) ConvBackwardWeightsPooled(dw, x, dz, y, pooled *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	d.fused++
	dy, err := d.New(y.Shape, d.Float())
	if err != nil {
		return err
	}
	defer dy.Release()
	if err := d.Device.PoolBackward(dy, dz, y, pooled, p); err != nil {
		return err
	}
	return d.ConvBackwardWeights(dw, x, dy, s)
}

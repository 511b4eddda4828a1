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

// A convolution whose result only a pooling sees gives its bias the sums of the pooling's gradient, whose maps are smaller. Whoever else sees
// the result changes that. The gradients are the same.
func TestConvolutionTakesThePooledGradient(t *testing.T) {
	halves := device.PoolSpec{Window: [2]int{2, 2}}
	for _, row := range []struct {
		name  string
		pool  device.PoolSpec
		relu  bool
		see   func(y *autograd.Value)
		small bool // what is summed
	}{
		{"conv, ReLU", halves, true, nil, true},
		{"conv", halves, false, nil, true},
		{"smallest", device.PoolSpec{Kind: device.MinPool, Window: [2]int{2, 2}}, false, nil, true},
		{"smallest after ReLU, which takes its own slope", device.PoolSpec{Kind: device.MinPool, Window: [2]int{2, 2}}, true, nil, false},
		{"overlapping", device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1)}, true, nil, true},
		{"mean", device.PoolSpec{Kind: device.AveragePool, Window: [2]int{2, 2}}, false, nil, false},
		{"kept", halves, true, func(y *autograd.Value) { y.Keep() }, false},
		{"pooled twice", halves, true, func(y *autograd.Value) { autograd.Pool(y, halves) }, false},
	} {
		for _, plain := range devices(t) {
			run := func(d device.Device, kept bool) []float64 {
				return gradients(t, d, row.name, func(tape *autograd.Tape, x, w, b *autograd.Value) *autograd.Value {
					convolve := autograd.Conv2D
					if row.relu {
						convolve = autograd.Conv2DReLU
					}
					y := convolve(x, w, b, same)
					if kept {
						y.Keep()
					} else if row.see != nil {
						row.see(y)
					}
					return autograd.Pool(y, row.pool)
				})
			}
			seen := &summed{Device: plain}
			got, want := run(seen, false), run(plain, true)
			require.InDeltaSlice(t, want, got, 2e-5, "%s, %s", plain.Name(), row.name)
			require.Equal(t, row.small, seen.elements < 3*17*7*8, "%s, %s: sums of %d elements", plain.Name(), row.name, seen.elements)
		}
	}
}

// gradients are those of a convolution's weights, bias and input (if it is a variable) in a loss on what build makes of them.
func gradients(t *testing.T, d device.Device, name string, build func(tape *autograd.Tape, x, w, b *autograd.Value) *autograd.Value) (all []float64) {
	tape := autograd.NewTape(d)
	defer tape.Reset()
	x, w, b := tape.Variable(drawn(1, 3, 2, 7, 8)), tape.Variable(drawn(2, 17, 2, 3, 3)), tape.Variable(drawn(3, 17))
	y := build(tape, x, w, b)
	loss := autograd.SquaredError(y, tape.Input(tensor.New(tensor.WithShape(y.Shape()...), tensor.Of(tensor.Float64))))
	require.NoError(t, tape.Err(), name)
	require.NoError(t, tape.Backward(loss), name)
	for _, v := range []*autograd.Value{w, b, x} {
		if v.Grad() != nil {
			g, err := v.Grad().Floats()
			require.NoError(t, err)
			all = append(all, g...)
		}
	}
	return all
}

// summed counts the elements that the last sum over channels had, and offers the fused convolution.
type summed struct {
	device.Device
	elements int
}

func (d *summed) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := d.Device.New(shape, dtype)
	return adopted(d, x, err)
}

func (d *summed) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if err := d.Conv(y, x, w, b, s); err != nil {
		return err
	}
	return d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU})
}

func (d *summed) SumChannels(db, dy *device.Tensor) error {
	d.elements = dy.Size()
	return d.Device.SumChannels(db, dy)
}

// A convolution, ReLU and pooling of the largest elements are one pass where the device has one, the input gets no gradient and nobody
// observes; value and gradients are those of the three.
func TestConvolutionReLUAndPooling(t *testing.T) {
	halves := device.PoolSpec{Window: [2]int{2, 2}}
	for _, row := range []struct {
		name   string
		pool   device.PoolSpec
		change func(tape *autograd.Tape, x *autograd.Value) *autograd.Value
		fused  [2]int // forward, backward
	}{
		{"picture", halves, nil, [2]int{1, 1}},
		{"overlapping", device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1)}, nil, [2]int{1, 1}},
		{"smallest", device.PoolSpec{Kind: device.MinPool, Window: [2]int{2, 2}}, nil, [2]int{}},
		{"the input wants a gradient", halves, func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return x }, [2]int{}},
		{"observed", halves, func(tape *autograd.Tape, _ *autograd.Value) *autograd.Value {
			tape.Observe = func(string, string, *autograd.Value) error { return nil }
			return nil
		}, [2]int{}},
	} {
		for _, plain := range devices(t) {
			var values [2][]float64
			run := func(d device.Device, i int, layers func(x, w, b *autograd.Value) *autograd.Value) []float64 {
				return gradients(t, d, row.name, func(tape *autograd.Tape, x, w, b *autograd.Value) *autograd.Value {
					picture := tape.Input(drawn(1, 3, 2, 7, 8))
					if row.change != nil {
						if other := row.change(tape, x); other != nil {
							picture = other
						}
					}
					y := layers(picture, w, b)
					require.NoError(t, tape.Err())
					var err error
					values[i], err = y.Tensor().Floats()
					require.NoError(t, err)
					return y
				})
			}
			seen := &poolingsSeen{Device: plain}
			got := run(seen, 0, func(x, w, b *autograd.Value) *autograd.Value { return autograd.Conv2DReLUPool(x, w, b, same, row.pool) })
			want := run(plain, 1, func(x, w, b *autograd.Value) *autograd.Value {
				return autograd.Pool(autograd.ReLU(autograd.Conv2D(x, w, b, same)), row.pool)
			})
			require.InDeltaSlice(t, values[1], values[0], 1e-6, "%s, %s", plain.Name(), row.name)
			require.InDeltaSlice(t, want, got, 2e-5, "%s, %s", plain.Name(), row.name)
			require.Equal(t, row.fused, seen.calls, "%s, %s", plain.Name(), row.name)
		}
	}

	// Where nothing is learned nothing is noted.
	for _, plain := range devices(t) {
		seen := &poolingsSeen{Device: plain}
		tape := autograd.NewTape(seen)
		tape.NoGrad = true
		y := autograd.Conv2DReLUPool(tape.Variable(drawn(1, 3, 2, 7, 8)), tape.Input(drawn(2, 17, 2, 3, 3)), nil, same, halves)
		require.NoError(t, tape.Err())
		require.Equal(t, tensor.Shape{3, 17, 3, 4}, y.Shape())
		require.Equal(t, [2]int{1, 0}, seen.calls)
		require.Empty(t, seen.noted)
		autograd.Conv2DReLUPool(tape.Input(drawn(1, 3, 2, 7, 8)), tape.Input(drawn(2, 17, 2, 3, 3)), nil, same, device.PoolSpec{Window: [2]int{9, 2}})
		require.ErrorIs(t, tape.Err(), device.ErrShape)
		tape.Reset()
	}
}

// poolingsSeen offers device.FusedPooling, and counts its use.
type poolingsSeen struct {
	device.Device
	calls [2]int
	noted map[*device.Tensor][2]*device.Tensor // a convolution's result and what was pooled of it, for the tensor to note that in
}

func (d *poolingsSeen) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	x, err := d.Device.New(shape, dtype)
	return adopted(d, x, err)
}

func (d *poolingsSeen) ConvReLUPool(pooled, chosen, x, w, b *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	d.calls[0]++
	shape, err := s.Output(x.Shape, w.Shape, nil)
	if err != nil {
		return err
	}
	y, err := d.New(shape, d.Float())
	if err != nil {
		return err
	}
	if chosen == nil {
		defer y.Release()
	} else {
		d.noted = map[*device.Tensor][2]*device.Tensor{chosen: {y, pooled}}
	}
	if err := d.Conv(y, x, w, b, s); err != nil {
		return err
	}
	if err := d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU}); err != nil {
		return err
	}
	return d.Pool(pooled, y, p)
}

func (d *poolingsSeen) ConvBackwardWeightsPooled(dw, x, dz, chosen *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	d.calls[1]++
	noted := d.noted[chosen]
	defer noted[0].Release()
	dy, err := d.New(noted[0].Shape, d.Float())
	if err != nil {
		return err
	}
	defer dy.Release()
	if err := d.PoolBackward(dy, dz, noted[0], noted[1], p); err != nil {
		return err
	}
	return d.ConvBackwardWeights(dw, x, dy, s)
}

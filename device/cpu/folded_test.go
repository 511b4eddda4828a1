package cpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// drawn is a tensor of random numbers from 0.5 to 1.5, which may be variances.
func drawn(t *testing.T, d *Device, seed uint64, shape ...int) *device.Tensor {
	t.Helper()
	random, elements := philox.NewSource(philox.Stream{Seed: seed}), make([]float32, device.Size(shape))
	for i := range elements {
		elements[i] = float32(random.Uniform(0.5, 1.5))
	}
	x, err := device.FromSlice(d, shape, elements)
	require.NoError(t, err)
	return x
}

// TestFoldedWeightsAreNotMixedUp: a device may keep what it made of weights and a normalisation, but no two of those are one:
// the same weights with other normalisations in turns, with none, and after any of them was written, give what a device
// gives that has never seen them.
func TestFoldedWeightsAreNotMixedUp(t *testing.T) {
	const pieces = 7 // weights, then scale, shift, mean, variance, bias and another scale
	spec, norm := device.ConvSpec{Padding: device.Pad(1)}.Normal(), device.BatchNormSpec{Epsilon: 1e-5}
	shapes := [pieces]tensor.Shape{{32, 32, 3, 3}, {32}, {32}, {32}, {32}, {32}, {32}}
	uses := []func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error{
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.ConvBatchNorm(y, x, p[0], nil, p[1], p[2], p[3], p[4], nil, spec, norm, false)
		},
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.ConvBatchNorm(y, x, p[0], nil, p[6], p[2], p[3], p[4], nil, spec, norm, false)
		},
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.ConvBatchNorm(y, x, p[0], p[5], p[1], p[2], p[4], p[3], nil, spec, norm, true)
		},
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.ConvBatchNorm(y, x, p[0], nil, p[1], p[2], p[3], p[4], nil, spec, device.BatchNormSpec{Epsilon: 1}, false)
		},
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.Conv(y, x, p[0], p[5], spec)
		},
		func(d *Device, y, x *device.Tensor, p [pieces]*device.Tensor) error {
			return d.ConvBackwardData(y, x, p[0], spec)
		},
	}
	for _, set := range isa.Available() {
		t.Setenv("FOVEA_CPU", set.String())
		d, err := New(2)
		require.NoError(t, err)
		x, y := drawn(t, d, 90, 2, 32, 5, 7), drawn(t, d, 91, 2, 32, 5, 7)
		var p [pieces]*device.Tensor
		for i := range p {
			p[i] = drawn(t, d, uint64(i), shapes[i]...)
		}
		for round := range 3 + pieces {
			if round >= 3 { // one of them is written
				require.NoError(t, d.Scale(p[round-3], p[round-3], 0.9, 0.05))
			}
			for number, use := range uses {
				require.NoError(t, use(d, y, x, p))
				fresh, err := New(2)
				require.NoError(t, err)
				alike := func(of *device.Tensor) *device.Tensor {
					values, err := of.Floats()
					require.NoError(t, err)
					c, err := device.FromSlice(fresh, of.Shape, values)
					require.NoError(t, err)
					return c
				}
				freshX, freshY := alike(x), alike(y)
				var q [pieces]*device.Tensor
				for i := range q {
					q[i] = alike(p[i])
				}
				require.NoError(t, use(fresh, freshY, freshX, q))
				require.Equal(t, floats(freshY), floats(y), "%s, round %d, use %d", set, round, number)
				for _, c := range append(q[:], freshX, freshY) {
					c.Release()
				}
				require.NoError(t, fresh.Close())
			}
		}
		for _, c := range append(p[:], x, y) {
			c.Release()
		}
		require.NoError(t, d.Close())
	}
}

// TestNaNComesThroughFusedReLU: the interface lets devices lose NaN there; this one does not.
func TestNaNComesThroughFusedReLU(t *testing.T) {
	spec, norm := device.ConvSpec{Padding: device.Pad(1)}.Normal(), device.BatchNormSpec{Epsilon: 1e-5}
	for _, set := range isa.Available() {
		t.Setenv("FOVEA_CPU", set.String())
		d, err := New(2)
		require.NoError(t, err)
		for _, size := range [][3]int{{3, 5, 1}, {16, 32, 1}, {17, 15, 3}} { // channels, filters, window
			name := fmt.Sprint(set, size)
			x, w := drawn(t, d, 1, 1, size[0], 5, 7), drawn(t, d, 2, size[1], size[0], size[2], size[2])
			floats(x)[3*7+4] = float32(math.NaN()) // row 3 and column 4 of the first map
			v, s := drawn(t, d, 3, size[1]), spec
			if size[2] == 1 {
				s.Padding = device.Padding{}
			}
			y, err := d.NewActivation(tensor.Shape{1, size[1], 5, 7})
			require.NoError(t, err)
			for call, do := range map[string]func() error{
				"ConvReLU":      func() error { return d.ConvReLU(y, x, w, v, s) },
				"ConvBatchNorm": func() error { return d.ConvBatchNorm(y, x, w, nil, v, v, v, v, nil, s, norm, true) },
			} {
				require.NoError(t, do())
				values, err := y.Floats()
				require.NoError(t, err)
				for m := range size[1] {
					require.True(t, math.IsNaN(values[m*35+3*7+4]), "%s, %s: map %d", call, name, m)
					require.False(t, math.IsNaN(values[m*35]), "%s, %s: map %d", call, name, m)
				}
			}
			for _, c := range []*device.Tensor{x, w, v, y} {
				c.Release()
			}
		}
		require.NoError(t, d.Close())
	}
}

//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/emulator/control"
	"fovea/device/philox"
	"fovea/device/reference"
)

// drawn is a tensor of random numbers from 0.5 to 1.5, which may be variances.
func drawn(t *testing.T, d device.Device, seed uint64, shape ...int) *device.Tensor {
	t.Helper()
	random, elements := philox.NewSource(philox.Stream{Seed: seed}), make([]float64, device.Size(shape))
	for i := range elements {
		elements[i] = float64(float32(random.Uniform(0.5, 1.5)))
	}
	x, err := device.FromSlice(d, shape, elements)
	require.NoError(t, err)
	return x
}

// normalised is a convolution with a batch normalisation, on the reference device and on the GPU.
type normalised struct {
	t         *testing.T
	ref       *reference.Device
	d         *Device
	p, q      [operands]*device.Tensor // on ref, on d
	y         [3]*device.Tensor        // on ref, before the normalisation; on ref; on d
	norm      device.BatchNormSpec
	exchanged bool // mean and variance
}

const (
	theWeights = iota
	theBias
	theScale
	theShift
	theMean
	theVariance
	theResidual
	theImage
	operands
)

var sameSize = device.ConvSpec{Padding: device.Pad(1)}.Normal()

func newNormalised(t *testing.T) *normalised {
	n := &normalised{t: t, ref: reference.New(), d: opened(t, device.FP32), norm: device.BatchNormSpec{Epsilon: 1e-5}}
	for i, s := range [operands]tensor.Shape{{8, 4, 3, 3}, {8}, {8}, {8}, {8}, {8}, {2, 8, 5, 7}, {2, 4, 5, 7}} {
		n.p[i], n.q[i] = drawn(t, n.ref, uint64(i), s...), drawn(t, n.d, uint64(i), s...)
	}
	s := n.p[theResidual].Shape
	n.y = [3]*device.Tensor{drawn(t, n.ref, 0, s...), drawn(t, n.ref, 0, s...), drawn(t, n.d, 0, s...)}
	return n
}

func (n *normalised) release() {
	for _, x := range append(n.q[:], n.y[2]) {
		x.Release()
	}
	n.d.table.release() // the optimiser's
	require.Zero(n.t, n.d.Stats().LiveBytes)
}

// compute is what the GPU does.
func (n *normalised) compute() error {
	q, m, v := &n.q, n.q[theMean], n.q[theVariance]
	if n.exchanged {
		m, v = v, m
	}
	return n.d.ConvBatchNorm(n.y[2], q[theImage], q[theWeights], q[theBias], q[theScale], q[theShift], m, v, q[theResidual], sameSize, n.norm, false)
}

// check compares its result with the parts of the reference device.
func (n *normalised) check(what string) {
	n.t.Helper()
	p, m, v := &n.p, n.p[theMean], n.p[theVariance]
	if n.exchanged {
		m, v = v, m
	}
	require.NoError(n.t, n.ref.Conv(n.y[0], p[theImage], p[theWeights], p[theBias], sameSize))
	require.NoError(n.t, n.ref.BatchNormInfer(n.y[1], n.y[0], p[theScale], p[theShift], m, v, n.norm))
	require.NoError(n.t, n.ref.Binary(n.y[1], n.y[1], p[theResidual], device.Add))
	require.InDeltaSlice(n.t, floats(n.t, n.y[1]), floats(n.t, n.y[2]), 1e-3, what)
}

// both does the same on both devices.
func (n *normalised) both(do func(d device.Device, x *[operands]*device.Tensor) error) error {
	require.NoError(n.t, do(n.ref, &n.p))
	return do(n.d, &n.q)
}

// folds counts how often weights were folded since the last call, where that can be counted.
func folds(t *testing.T, want uint64, what string) {
	t.Helper()
	if control.Present() {
		require.Equal(t, want, control.Counter("kernel:batchnorm_fold_f32:launches"), "folded after %s", what)
		control.Reset()
	}
}

// TestFoldedWeightsAreKept: weights are folded once, and again when anything that they are made of was written, by whatever
// means, or is another tensor.
func TestFoldedWeightsAreKept(t *testing.T) {
	if control.Present() {
		do(t, "count-bytes 1")
		defer do(t, "count-bytes 0")
	}
	n := newNormalised(t)
	require.NoError(t, n.d.Synchronize())
	control.Reset()
	type action struct {
		name  string
		do    func() error // before the convolution, in the same step
		folds uint64
	}
	var actions []action
	add := func(name string, folds uint64, do func() error) { actions = append(actions, action{name, do, folds}) }
	for i, name := range [operands]string{"the weights", "the bias", "the scale", "the shift", "the mean", "the variance", "the residual", "the image"} {
		made := uint64(1)
		if i == theResidual || i == theImage {
			made = 0
		}
		add(name+" were scaled", made, func() error {
			return n.both(func(d device.Device, x *[operands]*device.Tensor) error { return d.Scale(x[i], x[i], 0.9, 0.05) })
		})
		add(name+" were uploaded", made, func() error {
			return n.both(func(d device.Device, x *[operands]*device.Tensor) error {
				return d.Upload(x[i], numbers(x[i].Size(), 1))
			})
		})
		add(name+" were trained", made, func() error {
			return n.both(func(d device.Device, x *[operands]*device.Tensor) error {
				grad, err := device.FromSlice(d, x[i].Shape, numbers(x[i].Size(), 2))
				require.NoError(t, err)
				defer grad.Release()
				return d.(device.Optimiser).SGD([]device.Update{{Value: x[i], Grad: grad}}, device.SGDSpec{Rate: 0.1})
			})
		})
	}
	add("nothing", 0, func() error { return nil })
	add("another epsilon", 1, func() error { n.norm.Epsilon = 0.3; return nil })
	add("mean and variance in each other's place", 1, func() error { n.exchanged = true; return nil })
	add("a convolution without the normalisation", 0, func() error { return n.d.Conv(n.y[2], n.q[theImage], n.q[theWeights], nil, sameSize) })
	for _, run := range []struct {
		how string
		do  func(step func() error) error
	}{{"", func(step func() error) error { return step() }}, {", captured", n.d.Capture}} {
		n.norm.Epsilon, n.exchanged = 1e-5, false
		require.NoError(t, n.compute())
		n.check("the first time" + run.how)
		folds(t, 1, "the first time"+run.how)
		for _, a := range actions {
			require.NoError(t, run.do(func() error {
				if err := a.do(); err != nil {
					return err
				}
				return n.compute()
			}), a.name+run.how)
			n.check(a.name + run.how)
			folds(t, a.folds, a.name+run.how)
		}
	}
	n.release()
}

// numbers are some from 1 to 1.5, others for another seed.
func numbers(n, seed int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = 1 + float64((i+seed)%7)/14
	}
	return x
}

// TestFoldedWeightsThatWereNotMade: what was queued and dropped is not taken for done.
func TestFoldedWeightsThatWereNotMade(t *testing.T) {
	needEmulator(t)
	n := newNormalised(t)
	write := func() error {
		return n.both(func(d device.Device, x *[operands]*device.Tensor) error {
			return d.Scale(x[theWeights], x[theWeights], 1.1, 0)
		})
	}
	failed := errors.New("failed")
	for range 3 {
		require.NoError(t, n.compute())
		n.check("before")
		require.NoError(t, write())
		require.ErrorIs(t, n.d.Capture(func() error { return errors.Join(n.compute(), failed) }), failed)
		require.NoError(t, n.compute())
		n.check("after a step that was captured and failed")
		require.NoError(t, write())
		require.NoError(t, n.d.Synchronize())
		do(t, "fail-launch 1")
		require.ErrorContains(t, errors.Join(n.compute(), n.d.Synchronize()), "LAUNCH_OUT_OF_RESOURCES")
		require.NoError(t, n.compute())
		n.check("after a launch that failed")
	}
	n.release()
}

// TestFoldedWeightsOfOthers: a tensor that lies where one lay that was folded in is another, if it is only made by a reshape.
func TestFoldedWeightsOfOthers(t *testing.T) {
	n := newNormalised(t)
	for i := theWeights; i <= theVariance; i++ {
		require.NoError(t, n.compute())
		n.check("before")
		at, shape := address(n.q[i]), n.q[i].Shape
		other := tensor.Shape{1, 2, 2, 2} // lies differently
		if i == theWeights {
			other = tensor.Shape{8, 36}
		}
		require.NoError(t, n.both(func(d device.Device, x *[operands]*device.Tensor) (err error) {
			from := drawn(t, d, 77, other...)
			defer from.Release()
			x[i].Release()
			x[i], err = d.Reshape(from, shape)
			return err
		}))
		require.NoError(t, n.compute())
		n.check(fmt.Sprintf("operand %d is another", i))
		require.Equal(t, at, address(n.q[i]), "operand %d lies elsewhere", i)
	}
	n.release()
}

// In bfloat16 the weights are rounded once, after the normalisation is folded in, even if the device has a rounded copy of them.
func TestFoldedWeightsAreRoundedOnce(t *testing.T) {
	d := opened(t, device.BF16)
	single := func(v float64, shape ...int) *device.Tensor {
		x, err := device.FromSlice(d, shape, []float64{v})
		require.NoError(t, err)
		return x
	}
	const exact = 1 + 1.0/256 // 1 as bfloat16
	x, w, y := single(1, 1, 1, 1, 1), single(exact, 1, 1, 1, 1), single(0, 1, 1, 1, 1)
	zero, one, three := single(0, 1), single(1, 1), single(3, 1)
	spec := device.ConvSpec{}.Normal()
	require.NoError(t, d.Conv(y, x, w, nil, spec))
	require.Equal(t, []float64{1}, floats(t, y))
	require.NoError(t, d.ConvBatchNorm(y, x, w, nil, three, zero, zero, one, nil, spec, device.BatchNormSpec{}, false))
	require.Equal(t, []float64{3 + 4.0/256}, floats(t, y), "3*%v is nearer to this than to 3", exact)
	for _, x := range []*device.Tensor{x, w, y, zero, one, three} {
		x.Release()
	}
}

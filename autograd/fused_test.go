package autograd_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
)

// block has what the fused functions are given: values that get a gradient, and running statistics.
type block struct {
	x, w, b, matrix, wide, scale, shift, residual *autograd.Value
	mean, variance                                *device.Tensor
}

// fusedRows compute the same twice: by the fused function, and by the parts that define it.
var fusedRows = []struct {
	name         string
	fused, parts func(v block) *autograd.Value
	offered      func(d device.Device) bool
	inference    bool // the device is asked only where nothing is recorded
	op           string
}{
	{"conv, ReLU", func(v block) *autograd.Value { return autograd.Conv2DReLU(v.x, v.w, v.b, same) },
		func(v block) *autograd.Value { return autograd.ReLU(autograd.Conv2D(v.x, v.w, v.b, same)) }, has[device.FusedConvolution], false, "conv2d_relu"},
	{"conv without bias, ReLU", func(v block) *autograd.Value { return autograd.Conv2DReLU(v.x, v.w, nil, same) },
		func(v block) *autograd.Value { return autograd.ReLU(autograd.Conv2D(v.x, v.w, nil, same)) }, has[device.FusedConvolution], false, "conv2d_relu"},
	{"linear, ReLU", func(v block) *autograd.Value { return autograd.LinearReLU(v.matrix, v.wide, v.b) },
		func(v block) *autograd.Value { return autograd.ReLU(autograd.Linear(v.matrix, v.wide, v.b)) }, has[device.FusedLinear], false, "linear_relu"},
	{"batch norm, ReLU", func(v block) *autograd.Value {
		return autograd.BatchNormReLU(v.residual, nil, v.scale, v.shift, v.mean, v.variance, usualNorm)
	}, func(v block) *autograd.Value { return autograd.ReLU(v.norm(v.residual)) }, has[device.FusedNormalisation], false, "batch_norm_relu"},
	{"batch norm, sum, ReLU", func(v block) *autograd.Value {
		return autograd.BatchNormReLU(autograd.Conv2D(v.x, v.w, nil, same), v.residual, v.scale, v.shift, v.mean, v.variance, usualNorm)
	}, func(v block) *autograd.Value {
		return autograd.ReLU(autograd.Add(v.norm(autograd.Conv2D(v.x, v.w, nil, same)), v.residual))
	}, has[device.FusedNormalisation], false, "batch_norm_relu"},
	{"conv, batch norm", func(v block) *autograd.Value { return v.folded(nil, nil, false) },
		func(v block) *autograd.Value { return v.norm(autograd.Conv2D(v.x, v.w, nil, same)) }, has[device.FoldedConvolution], true, "conv2d_batch_norm"},
	{"conv, batch norm, ReLU", func(v block) *autograd.Value { return v.folded(v.b, nil, true) },
		func(v block) *autograd.Value { return autograd.ReLU(v.norm(autograd.Conv2D(v.x, v.w, v.b, same))) }, has[device.FoldedConvolution], true, "conv2d_batch_norm_relu"},
	{"conv, batch norm, sum", func(v block) *autograd.Value { return v.folded(nil, v.residual, false) },
		func(v block) *autograd.Value {
			return autograd.Add(v.norm(autograd.Conv2D(v.x, v.w, nil, same)), v.residual)
		}, has[device.FoldedConvolution], true, "conv2d_batch_norm"},
	{"conv, batch norm, sum, ReLU", func(v block) *autograd.Value { return v.folded(nil, v.residual, true) },
		func(v block) *autograd.Value {
			return autograd.ReLU(autograd.Add(v.norm(autograd.Conv2D(v.x, v.w, nil, same)), v.residual))
		}, has[device.FoldedConvolution], true, "conv2d_batch_norm_relu"},
}

var (
	same      = device.ConvSpec{Padding: device.Pad(1)}
	usualNorm = device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}
)

func has[O any](d device.Device) bool {
	_, offers := d.(O)
	return offers
}

func (v block) norm(x *autograd.Value) *autograd.Value {
	return autograd.BatchNorm(x, v.scale, v.shift, v.mean, v.variance, usualNorm)
}

func (v block) folded(b, residual *autograd.Value, relu bool) *autograd.Value {
	return autograd.ConvBatchNorm(v.x, v.w, b, v.scale, v.shift, residual, v.mean, v.variance, same, usualNorm, relu)
}

// drawn are random numbers that are not near 0.
func drawn(seed uint64, shape ...int) *tensor.Dense {
	random := philox.NewSource(philox.Stream{Seed: seed})
	elements := make([]float64, device.Size(shape))
	for i := range elements {
		elements[i] = float64(float32(random.Uniform(0.2, 1)) * float32(1-2*random.Intn(2)))
	}
	return array(elements, shape...)
}

// newBlock makes a block on a tape's device; the caller releases the statistics.
func newBlock(t *testing.T, tape *autograd.Tape) block {
	t.Helper()
	seed := uint64(0)
	draw := func(shape ...int) *tensor.Dense { seed++; return drawn(seed, shape...) }
	v := block{x: tape.Variable(draw(2, 16, 5, 7)), w: tape.Variable(draw(24, 16, 3, 3)), b: tape.Variable(draw(24)),
		matrix: tape.Variable(draw(5, 13)), wide: tape.Variable(draw(24, 13)), scale: tape.Variable(draw(24)), shift: tape.Variable(draw(24)),
		residual: tape.Variable(draw(2, 24, 5, 7))}
	var err error
	v.mean, err = device.FromDense(tape.Device(), draw(24))
	require.NoError(t, err)
	v.variance, err = tape.Device().New(tensor.Shape{24}, tape.Device().Float())
	require.NoError(t, err)
	require.NoError(t, tape.Device().Fill(v.variance, 1.5))
	return v
}

// TestFusedFunctions holds what each fused function computes, its gradients and the running statistics to the parts on the
// reference device; and the device is asked for one operation where it offers that.
func TestFusedFunctions(t *testing.T) {
	modes := []struct {
		name             string
		training, noGrad bool
	}{{"training", true, false}, {"statistics held", false, false}, {"inference", false, true}, {"the batch's statistics without gradients", true, true}}
	for _, row := range fusedRows {
		for _, mode := range modes {
			name := row.name + ", " + mode.name
			var want map[string][]float64
			for _, d := range devices(t) {
				tape := autograd.NewTape(d)
				tape.Training, tape.NoGrad = mode.training, mode.noGrad
				var last string
				tape.Observe = func(op, _ string, _ *autograd.Value) error { last = op; return nil }
				results := func(compute func(v block) *autograd.Value) map[string][]float64 {
					tape.Reset()
					v := newBlock(t, tape)
					defer v.mean.Release()
					defer v.variance.Release()
					y := compute(v)
					op := last
					got := map[string][]float64{"result": floats(t, y.Tensor()), "running mean": floats(t, v.mean), "running variance": floats(t, v.variance)}
					if !mode.noGrad {
						require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(y, tape.Input(drawn(99, y.Shape()...))), false)), name)
						for what, operand := range map[string]*autograd.Value{"x": v.x, "w": v.w, "b": v.b, "matrix": v.matrix, "wide": v.wide,
							"scale": v.scale, "shift": v.shift, "residual": v.residual} {
							if operand.Grad() != nil {
								got["gradient of "+what] = floats(t, operand.Grad())
							}
						}
					}
					last = op
					return got
				}
				if d.Name() == "reference" {
					want = results(row.parts)
				}
				got := results(row.fused)
				one := row.offered(d) && (!row.inference || mode.noGrad && !mode.training) &&
					(row.op != "batch_norm_relu" || mode.training || mode.noGrad)
				require.Equal(t, one, last == row.op, "%s on %s: the last operation is %s", name, d.Name(), last)
				require.Len(t, got, len(want), name)
				for what, w := range want {
					if what == "gradient of b" && row.inference && mode.training {
						continue // the normalisation takes a bias away: nothing is left but rounding errors
					}
					bound := 1e-5
					if d.Name() == "reference" {
						bound = 0
					}
					require.LessOrEqual(t, distance(got[what], w), bound, "%s on %s: %s", name, d.Name(), what)
				}
				tape.Reset()
				require.Zero(t, d.Stats().LiveTensors, name)
			}
		}
	}
}

// TestFusedFunctionsRefuse has what the fused functions check themselves, where the device has them.
func TestFusedFunctionsRefuse(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		for _, row := range []struct {
			change func(v *block)
			want   string
		}{
			{func(v *block) { v.x = v.matrix }, "conv2d: wrong shape: input is (5, 13), expected 4 dimensions"},
			{func(v *block) { v.residual = v.x }, "(2, 24, 5, 7)"},
			{func(v *block) { v.scale = v.wide }, "batch_norm: wrong shape: scale, shift or running statistic is (24, 13), expected [24]"},
			{func(v *block) { v.b = v.w }, "conv2d: wrong shape: bias is (24, 16, 3, 3), expected [24]"},
			{func(v *block) { v.mean = nil }, "running statistics are nil"},
			{func(v *block) { v.w = nil }, "operand 1 is nil"},
		} {
			tape := tapeOn(t, d)
			tape.NoGrad = true
			v := newBlock(t, tape)
			changed := v
			row.change(&changed)
			changed.folded(changed.b, changed.residual, true)
			require.ErrorContains(t, tape.Err(), row.want, fmt.Sprint(d.Name()))
			v.mean.Release()
			v.variance.Release()
			tape.Reset()
		}
	})
}

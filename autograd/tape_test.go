package autograd_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
)

// array is a dense tensor of given elements; without a shape, a vector.
func array(elements []float64, shape ...int) *tensor.Dense {
	if len(shape) == 0 {
		shape = []int{len(elements)}
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(elements))
}

// ramp is a dense tensor of different elements of both signs.
func ramp(shape ...int) *tensor.Dense {
	elements := make([]float64, device.Size(shape))
	for i := range elements {
		elements[i] = float64((i*7)%11)/4 - 1.25
	}
	return array(elements, shape...)
}

func parameter(t *testing.T, d device.Device, name string, dense *tensor.Dense) *autograd.Value {
	t.Helper()
	p, err := autograd.NewParameter(d, name, dense)
	require.NoError(t, err)
	t.Cleanup(p.Release)
	return p
}

// tapeOn makes a tape that is reset when the test is over.
func tapeOn(t *testing.T, d device.Device) *autograd.Tape {
	tape := autograd.NewTape(d)
	t.Cleanup(tape.Reset)
	return tape
}

func gradient(t *testing.T, v *autograd.Value) []float64 {
	t.Helper()
	require.NotNil(t, v.Grad(), "gradient of %s", v.Name)
	return floats(t, v.Grad())
}

// onEach runs a test on every device and then checks that no tensor is left.
func onEach(t *testing.T, test func(t *testing.T, d device.Device)) {
	for _, d := range devices(t) {
		t.Run(d.Name(), func(t *testing.T) { test(t, d) })
		require.Zero(t, d.Stats().LiveTensors, "tensors left on %s", d.Name())
	}
}

func TestGradientsAccumulateUntilZeroGrad(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		p := parameter(t, d, "p", array([]float64{1, 2, 3}))
		tape := tapeOn(t, d)
		backward := func(factors ...float64) {
			tape.Reset()
			require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(p, tape.Input(array(factors))), false)))
		}
		require.Nil(t, p.Grad())
		backward(1, 10, 100)
		require.Equal(t, []float64{1, 10, 100}, gradient(t, p))
		backward(1, 1, 1)
		require.Equal(t, []float64{2, 11, 101}, gradient(t, p))
		p.ZeroGrad()
		require.Nil(t, p.Grad())
		backward(3, 2, 1)
		require.Equal(t, []float64{3, 2, 1}, gradient(t, p))
	})
}

// TestValuesUsedTwice has graphs in which a gradient comes back on several ways. Each row computes a scalar of the
// variable v and the parameter p, both [2, 2], and gives the gradients by hand.
func TestValuesUsedTwice(t *testing.T) {
	v, p := []float64{1, -2, 3, 4}, []float64{5, 6, -7, 8}
	each := func(f func(v, p float64) float64) (all []float64) {
		for i := range v {
			all = append(all, f(v[i], p[i]))
		}
		return all
	}
	sum := func(x *autograd.Value) *autograd.Value { return autograd.Sum(x, false) }
	for _, row := range []struct {
		name   string
		loss   func(v, p *autograd.Value) *autograd.Value
		dv, dp func(v, p float64) float64
	}{
		{"square", func(v, p *autograd.Value) *autograd.Value { return sum(autograd.Mul(v, autograd.Mul(v, p))) },
			func(v, p float64) float64 { return 2 * v * p }, func(v, p float64) float64 { return v * v }},
		{"add to itself", func(v, p *autograd.Value) *autograd.Value {
			return sum(autograd.Mul(autograd.Add(v, v), p))
		}, func(v, p float64) float64 { return 2 * p }, func(v, p float64) float64 { return 2 * v }},
		{"sub from itself", func(v, p *autograd.Value) *autograd.Value {
			return sum(autograd.Mul(autograd.Sub(v, v), p))
		}, func(v, p float64) float64 { return 0 }, func(v, p float64) float64 { return 0 }},
		{"diamond", func(v, p *autograd.Value) *autograd.Value {
			a := autograd.Mul(v, p)
			return sum(autograd.Add(autograd.Scale(a, 2, 0), autograd.Mul(a, a)))
		}, func(v, p float64) float64 { return 2*p + 2*v*p*p }, func(v, p float64) float64 { return 2*v + 2*v*v*p }},
		{"diamond of views", func(v, p *autograd.Value) *autograd.Value {
			a := autograd.Mul(v, p)
			return sum(autograd.Add(autograd.Add(autograd.Reshape(a, 4), autograd.Reshape(a, -1)), autograd.Reshape(v, 4)))
		}, func(v, p float64) float64 { return 2*p + 1 }, func(v, p float64) float64 { return 2 * v }},
		{"shared gradient", func(v, p *autograd.Value) *autograd.Value { // add hands the same gradient to both
			a := autograd.Add(v, p)
			return sum(autograd.Add(a, v))
		}, func(v, p float64) float64 { return 2 }, func(v, p float64) float64 { return 1 }},
		{"parameter twice in one operation", func(v, p *autograd.Value) *autograd.Value {
			return sum(autograd.Concat(1, autograd.Mul(v, p), v.Tape().Use(p), v.Tape().Use(p)))
		}, func(v, p float64) float64 { return p }, func(v, p float64) float64 { return v + 2 }},
		{"dead end", func(v, p *autograd.Value) *autograd.Value {
			autograd.ReLU(autograd.Mul(v, p)) // leads nowhere
			return sum(autograd.Mul(v, p))
		}, func(v, p float64) float64 { return p }, func(v, p float64) float64 { return v }},
	} {
		t.Run(row.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, d device.Device) {
				tape := tapeOn(t, d)
				variable, param := tape.Variable(array(append([]float64{}, v...), 2, 2)), parameter(t, d, "p", array(append([]float64{}, p...), 2, 2))
				require.NoError(t, tape.Backward(row.loss(variable, param)))
				require.Equal(t, each(row.dv), gradient(t, variable), "of the variable")
				require.Equal(t, each(row.dp), gradient(t, param), "of the parameter")
			})
		})
	}
}

// TestOneParameterInTwoRoles: scale and shift of a batch normalisation are the same parameter, so its gradient is the
// sum of theirs.
func TestOneParameterInTwoRoles(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		run := func(scale, shift *autograd.Value) {
			tape := tapeOn(t, d)
			mean, variance := parameter(t, d, "mean", array([]float64{0, 0})), parameter(t, d, "var", array([]float64{1, 1}))
			y := autograd.BatchNorm(tape.Input(ramp(3, 2)), scale, shift, mean.Tensor(), variance.Tensor(), device.BatchNormSpec{Epsilon: 1e-5})
			require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(y, tape.Input(ramp(3, 2))), false)))
		}
		one, a, b := parameter(t, d, "one", array([]float64{1, 2})), parameter(t, d, "a", array([]float64{1, 2})), parameter(t, d, "b", array([]float64{1, 2}))
		run(one, one)
		run(a, b)
		want := gradient(t, a)
		for i, g := range gradient(t, b) {
			want[i] += g
		}
		require.InDeltaSlice(t, want, gradient(t, one), 1e-6)
	})
}

func TestBroadcastGradientsAreSummed(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		for _, row := range []struct {
			name   string
			f      func(a, b *autograd.Value) *autograd.Value
			da, db []float64
		}{
			{"add", autograd.Add, []float64{2, 2, 2}, []float64{3, 3}},
			{"sub", autograd.Sub, []float64{2, 2, 2}, []float64{-3, -3}},
			{"mul", autograd.Mul, []float64{6, 6, 6}, []float64{7, 7}},
			{"div", autograd.Div, []float64{0.75, 0.75, 0.75}, []float64{-7. / 4, -7. / 16}},
		} {
			tape := tapeOn(t, d)
			a, b := tape.Variable(array([]float64{1, 2, 4}, 3, 1)), parameter(t, d, "b", array([]float64{2, 4}, 1, 2))
			y := row.f(a, b)
			require.Equal(t, []int{3, 2}, []int(y.Shape()), row.name)
			require.NoError(t, tape.Backward(autograd.Sum(y, false)))
			require.Equal(t, row.da, gradient(t, a), "%s: gradient of a", row.name)
			require.Equal(t, row.db, gradient(t, b), "%s: gradient of b", row.name)
			require.Equal(t, []int{1, 2}, []int(b.Grad().Shape), row.name)
		}
	})
}

func TestFrozenParametersGetNoGradient(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		w, b := parameter(t, d, "w", ramp(2, 3)), parameter(t, d, "b", ramp(2))
		w.Frozen = true
		tape := tapeOn(t, d)
		require.NoError(t, tape.Backward(autograd.Sum(autograd.Linear(tape.Input(ramp(4, 3)), w, b), false)))
		require.Nil(t, w.Grad())
		require.Equal(t, []float64{4, 4}, gradient(t, b))

		tape.Reset()
		b.Frozen = true
		err := tape.Backward(autograd.Sum(autograd.Linear(tape.Input(ramp(4, 3)), w, b), false))
		require.EqualError(t, err, "autograd: backward from a value that depends on no parameter or variable")
	})
}

// TestParametersThatChangeBeforeBackward: frozen, thawed or released between forward and Backward.
func TestParametersThatChangeBeforeBackward(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		w, b := parameter(t, d, "w", ramp(2, 3)), parameter(t, d, "b", ramp(2))
		tape := tapeOn(t, d)
		w.Frozen = true
		loss := autograd.Sum(autograd.Linear(tape.Input(ramp(4, 3)), w, b), false)
		w.Frozen, b.Frozen = false, true
		require.NoError(t, tape.Backward(loss))
		require.Len(t, gradient(t, w), 6, "thawed")
		require.Nil(t, b.Grad(), "frozen")

		tape.Reset()
		w.ZeroGrad()
		loss = autograd.Sum(autograd.Linear(tape.Input(ramp(4, 3)), w, nil), false)
		w.Release()
		require.EqualError(t, tape.Backward(loss),
			"backward: gradient of w: autograd: the value's memory was given back (by Backward or Reset); call Keep before, or read it earlier")
	})
}

// TestUseBringsParametersOntoTheTape: an operation all of whose operands are parameters needs Tape.Use for one.
func TestUseBringsParametersOntoTheTape(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		a, b := parameter(t, d, "a", array([]float64{2, 3})), parameter(t, d, "b", array([]float64{5, 7}))
		tape := tapeOn(t, d)
		require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(tape.Use(a), b), false)))
		require.Equal(t, []float64{5, 7}, gradient(t, a))
		require.Equal(t, []float64{2, 3}, gradient(t, b))

		// The weight decay of the lecture, C + (lambda/2) W^2, has gradient lambda W.
		tape.Reset()
		a.ZeroGrad()
		used := tape.Use(a)
		require.NoError(t, tape.Backward(autograd.Scale(autograd.Sum(autograd.Mul(used, used), false), 0.5*0.25, 0)))
		require.Equal(t, []float64{0.5, 0.75}, gradient(t, a))

		y := autograd.Mul(a, b)
		_, err := y.Item()
		require.EqualError(t, err, "mul: no operand belongs to a tape; bring a parameter onto one with Tape.Use")
		require.Nil(t, y.Shape())
		_, err = autograd.ReLU(y).Dense()
		require.ErrorContains(t, err, "mul: no operand belongs to a tape")
	})
}

func TestNoGradRecordsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		w := parameter(t, d, "w", ramp(2, 3))
		tape := tapeOn(t, d)
		tape.NoGrad = true
		x := tape.Variable(ramp(4, 3))
		y := autograd.Linear(x, w, nil)
		z := autograd.ReLU(y)
		live := d.Stats().LiveTensors
		tape.Free(y) // an inner value: nobody needs it any more
		require.Equal(t, live-1, d.Stats().LiveTensors)
		require.Nil(t, y.Tensor())
		_, err := z.Dense()
		require.NoError(t, err)
		tape.Free(z.Keep())
		require.NotNil(t, z.Tensor(), "Free took a kept value")
		require.EqualError(t, tape.Backward(autograd.Sum(z, false)), "autograd: backward on a tape without gradients (NoGrad)")
		require.Nil(t, w.Grad())

		// With gradients Free leaves the value for backward.
		tape.Reset()
		tape.NoGrad = false
		y = autograd.Linear(tape.Variable(ramp(4, 3)), w, nil)
		tape.Free(y)
		require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(y, y), false)))
		require.NotNil(t, w.Grad())
	})
}

func TestBackwardRefusals(t *testing.T) {
	const consumed = "autograd: second backward on a consumed tape: its values were given back; Reset and compute again"
	onEach(t, func(t *testing.T, d device.Device) {
		p := parameter(t, d, "p", ramp(3))
		other := tapeOn(t, d)
		for _, row := range []struct {
			name string
			loss func(tape *autograd.Tape) *autograd.Value
			want string
		}{
			{"not a scalar", func(tape *autograd.Tape) *autograd.Value { return autograd.Mul(p, tape.Input(ramp(3))) },
				"autograd: backward from a value of shape (3), expected a scalar"},
			{"no gradient", func(tape *autograd.Tape) *autograd.Value { return autograd.Sum(tape.Input(ramp(3)), false) },
				"autograd: backward from a value that depends on no parameter or variable"},
			{"another tape", func(*autograd.Tape) *autograd.Value { return autograd.Sum(other.Variable(ramp(3)), false) },
				"autograd: backward from a value that does not belong to this tape"},
			{"a parameter", func(*autograd.Tape) *autograd.Value { return p },
				"autograd: backward from a value that does not belong to this tape"},
			{"nothing", func(*autograd.Tape) *autograd.Value { return nil },
				"autograd: backward from a value that does not belong to this tape"},
			{"before Reset", func(tape *autograd.Tape) *autograd.Value {
				loss := autograd.Sum(tape.Variable(ramp(3)), false)
				tape.Reset()
				return loss
			}, "autograd: the value's memory was given back (by Backward or Reset); call Keep before, or read it earlier"},
			{"twice", func(tape *autograd.Tape) *autograd.Value {
				loss := autograd.Sum(autograd.Mul(p, tape.Input(ramp(3))), false)
				require.NoError(t, tape.Backward(loss))
				return loss
			}, consumed},
		} {
			tape := tapeOn(t, d)
			require.EqualError(t, tape.Backward(row.loss(tape)), row.want, row.name)
		}

		// What Backward passed is gone, and says so; the loss itself stays readable.
		tape := tapeOn(t, d)
		x := tape.Variable(ramp(3))
		y, kept := autograd.Mul(x, p), autograd.ReLU(x).Keep()
		loss := autograd.Sum(autograd.Add(y, kept), false)
		require.NoError(t, tape.Backward(loss))
		require.Nil(t, y.Tensor())
		require.Nil(t, y.Grad())
		require.Nil(t, y.Shape())
		_, err := y.Dense()
		require.EqualError(t, err, "autograd: the value's memory was given back (by Backward or Reset); call Keep before, or read it earlier")
		require.Equal(t, []float64{1, 1, 1}, gradient(t, kept))
		_, err = kept.Dense()
		require.NoError(t, err)
		_, err = loss.Item()
		require.NoError(t, err)
		_, err = kept.Item()
		require.EqualError(t, err, "autograd: item of a value of shape (3), expected one element")
		require.Equal(t, []float64{1}, gradient(t, loss))
		autograd.ReLU(x)
		require.EqualError(t, tape.Err(), "relu: the tape was consumed by Backward; Reset it first")
		tape.Reset()
		require.NoError(t, tape.Err())
		tape.Use(p)
		require.NoError(t, tape.Err())
	})
}

// TestMixedUpOperands: what belongs elsewhere is refused with the reason.
func TestMixedUpOperands(t *testing.T) {
	opened := devices(t)
	reference, cpu := opened[0], opened[1]
	foreign := parameter(t, reference, "foreign", ramp(2, 3))
	gone, err := autograd.NewParameter(cpu, "gone", ramp(2, 3))
	require.NoError(t, err)
	gone.Release()
	gone.Release() // twice does nothing
	const freed = "autograd: the value's memory was given back (by Backward or Reset); call Keep before, or read it earlier"
	other := tapeOn(t, cpu)
	failed := tapeOn(t, cpu)
	failed.Fail(errors.New("spilt milk"))
	stale := tapeOn(t, cpu)
	old := stale.Input(ramp(2, 3))
	stale.Reset()
	for _, row := range []struct {
		name string
		f    func(tape *autograd.Tape, x *autograd.Value) *autograd.Value
		want string
	}{
		{"parameter on another device", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return autograd.Linear(x, foreign, nil) },
			"linear: operand 1 is on device reference, the tape on " + devicetest.Fast()},
		{"Use of one", func(tape *autograd.Tape, _ *autograd.Value) *autograd.Value { return tape.Use(foreign) },
			"use: the parameter is on device reference, the tape on " + devicetest.Fast()},
		{"released parameter", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return autograd.Linear(x, gone, nil) },
			"linear: operand 1: " + freed},
		{"Use of one", func(tape *autograd.Tape, _ *autograd.Value) *autograd.Value { return tape.Use(gone) }, "use: " + freed},
		{"Use of a value", func(tape *autograd.Tape, x *autograd.Value) *autograd.Value { return tape.Use(x) },
			"use: expected a parameter, which belongs to no tape"},
		{"another tape", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value {
			return autograd.Add(x, other.Input(ramp(2, 3)))
		}, "add: operand 1 belongs to another tape"},
		{"a tape that failed", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value {
			return autograd.Add(x, failed.Input(ramp(2, 3)))
		}, "add: operand 1: spilt milk"},
		{"a value from before Reset", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return autograd.Mul(x, old) },
			"mul: operand 1: " + freed},
		{"nil", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return autograd.Mul(x, nil) }, "mul: operand 1 is nil"},
		{"nil weights", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value { return autograd.Linear(x, nil, nil) }, "linear: operand 1 is nil"},
		{"nil mask", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value {
			return autograd.TrueConv2D(x, nil, nil, device.ConvSpec{})
		}, "rotate180: no operand belongs to a tape; bring a parameter onto one with Tape.Use"},
		{"nil statistics", func(_ *autograd.Tape, x *autograd.Value) *autograd.Value {
			return autograd.BatchNorm(x, x, x, nil, nil, device.BatchNormSpec{})
		}, "batch_norm: running statistics are nil"},
	} {
		tape := tapeOn(t, cpu)
		y := row.f(tape, tape.Input(ramp(2, 3)))
		_, err := y.Dense()
		require.ErrorContains(t, err, row.want, row.name)
	}
	for name, y := range map[string]*autograd.Value{
		"relu": autograd.ReLU(nil), "dropout": autograd.Dropout(nil, 0.5), "flatten": autograd.Flatten(nil), "concat": autograd.Concat(1),
	} {
		_, err := y.Dense()
		require.ErrorContains(t, err, "no operand belongs to a tape", name)
	}
}

// TestFailuresStick: the first failure stays, with the layer it came from, and everything after it does nothing.
func TestFailuresStick(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		p := parameter(t, d, "p", ramp(2, 5))
		tape := tapeOn(t, d)
		x := tape.Input(ramp(4, 3))
		tape.Enter("classifier")
		tape.Enter("6")
		require.Equal(t, "classifier.6", tape.Layer())
		y := autograd.Linear(x, p, nil)
		tape.Leave()
		tape.Leave()
		const want = "layer classifier.6: linear: wrong shape: input (4, 3) has 3 features, weights (2, 5) expect 5"
		live := d.Stats().LiveTensors
		for i, v := range []*autograd.Value{y, autograd.ReLU(y), autograd.Add(y, x), tape.Input(ramp(2)), tape.Variable(ramp(2)),
			tape.Labels([]int32{1}), tape.Use(p), autograd.Dropout(y, 0.5), autograd.Flatten(y), autograd.CrossEntropy(y, x)} {
			require.Nil(t, v.Shape())
			_, err := v.Item()
			require.EqualError(t, err, want, "value %d", i)
			_, err = v.Dense()
			require.EqualError(t, err, want, "value %d", i)
		}
		require.EqualError(t, tape.Err(), want)
		require.ErrorIs(t, tape.Err(), device.ErrShape)
		require.EqualError(t, tape.Backward(y), want)
		_, err := x.Dense()
		require.EqualError(t, err, want, "earlier values report it too")
		require.Equal(t, live, d.Stats().LiveTensors, "something was computed after the failure")
		tape.Reset()
		require.NoError(t, tape.Err())
		tape.Leave() // one too many does nothing
		require.Empty(t, tape.Layer())
	})
}

func TestInputsOfWrongType(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		for _, row := range []struct {
			f    func(tape *autograd.Tape) *autograd.Value
			want string
			kind error
		}{
			{func(tape *autograd.Tape) *autograd.Value {
				return tape.Input(tensor.New(tensor.WithBacking([]int32{1, 2})))
			},
				"input: wrong element type: elements are int32, expected float32 or float64", device.ErrDType},
			{func(tape *autograd.Tape) *autograd.Value {
				return tape.Variable(tensor.New(tensor.WithBacking([]bool{true})))
			},
				"expected float32, float64, int32 or int64", device.ErrDType},
			{func(tape *autograd.Tape) *autograd.Value { return tape.Labels([]int32{1, 2, 3}, 2, 2) },
				"tensor (2, 2) has 4 elements, the host's slice 3", device.ErrShape},
			{func(tape *autograd.Tape) *autograd.Value { return autograd.ReLU(tape.Labels([]int32{1, 2})) },
				fmt.Sprintf("relu: wrong element type: operand 0 holds int32, expected %v", d.Float()), device.ErrDType},
			{func(tape *autograd.Tape) *autograd.Value {
				return autograd.CrossEntropy(tape.Input(ramp(2, 3)), tape.Input(ramp(2)))
			}, fmt.Sprintf("cross_entropy: wrong element type: labels hold %v, expected the class indices of Tape.Labels", d.Float()), device.ErrDType},
		} {
			tape := tapeOn(t, d)
			row.f(tape)
			require.ErrorContains(t, tape.Err(), row.want)
			require.ErrorIs(t, tape.Err(), row.kind)
		}
	})
}

func TestObserveSeesEveryValue(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		p := parameter(t, d, "p", ramp(2, 3))
		tape := tapeOn(t, d)
		var seen []string
		tape.Observe = func(op, layer string, v *autograd.Value) error {
			seen = append(seen, fmt.Sprint(layer, "/", op, v.Shape()))
			if op == "sum" {
				return errors.New("enough")
			}
			return nil
		}
		tape.Enter("a")
		y := autograd.ReLU(autograd.Linear(tape.Input(ramp(4, 3)), p, nil))
		tape.Leave()
		loss := autograd.Sum(y, true)
		autograd.Scale(loss, 2, 0)
		require.Equal(t, []string{"a/linear(4, 2)", "a/relu(4, 2)", "/sum(1, 1)"}, seen)
		require.EqualError(t, tape.Err(), "enough")
		require.EqualError(t, tape.Backward(loss), "enough")
	})
}

// TestDropoutFollowsSeedAndPosition: the mask is one of (Tape.Random, number of the dropout in the step).
func TestDropoutFollowsSeedAndPosition(t *testing.T) {
	const rate = 0.25
	var first [][]float64
	onEach(t, func(t *testing.T, d device.Device) {
		ones := make([]float64, 4000)
		for i := range ones {
			ones[i] = 1
		}
		masks := func(random philox.Stream, training bool) [][]float64 {
			tape := tapeOn(t, d)
			tape.Random, tape.Training = random, training
			x := tape.Variable(array(ones))
			a, b := autograd.Dropout(x, rate).Keep(), autograd.Dropout(x, rate).Keep()
			require.NoError(t, tape.Backward(autograd.Sum(autograd.Add(a, autograd.Scale(b, 2, 0)), false)))
			return [][]float64{floats(t, a.Tensor()), floats(t, b.Tensor()), gradient(t, x)}
		}
		step := philox.Stream{Seed: 3, ID: 11}
		m := masks(step, true)
		dropped := 0
		for i := range ones {
			if m[0][i] == 0 {
				dropped++
			} else {
				require.InDelta(t, 1/(1-rate), m[0][i], 1e-6)
			}
			require.InDelta(t, m[0][i]+2*m[1][i], m[2][i], 1e-5, "the gradient passes the same mask, element %d", i)
		}
		require.InDelta(t, rate, float64(dropped)/float64(len(ones)), 0.03)
		require.NotEqual(t, m[0], m[1], "position in the step")
		require.Equal(t, m, masks(step, true), "same step")
		require.NotEqual(t, m[0], masks(philox.Stream{Seed: 4, ID: 11}, true)[0], "seed")
		require.NotEqual(t, m[0], masks(philox.Stream{Seed: 3, ID: 12}, true)[0], "step")
		require.Equal(t, ones, masks(step, false)[0], "not training")
		kept := func(m []float64) []float64 {
			k := make([]float64, len(m))
			for i, v := range m {
				if v != 0 {
					k[i] = 1
				}
			}
			return k
		}
		if first = append(first, kept(m[0])); len(first) > 1 {
			require.Equal(t, first[0], first[1], "devices draw the same mask")
		}
		tape := tapeOn(t, d)
		x := tape.Input(ramp(3))
		require.Same(t, x, autograd.Dropout(x, rate))
		autograd.Dropout(x, 1)
		require.EqualError(t, tape.Err(), "dropout: rate 1, expected at least 0 and below 1")
	})
}

func TestCountCorrect(t *testing.T) {
	onEach(t, func(t *testing.T, d device.Device) {
		count := parameter(t, d, "count", tensor.New(tensor.FromScalar(5.0)))
		tape := tapeOn(t, d)
		x := tape.Input(array([]float64{1, 2, 3, 9, 2, 3, 1, 1, 0}, 3, 3))
		autograd.CountCorrect(count.Tensor(), x, tape.Labels([]int32{2, 1, 0})) // the third is a tie that the first wins
		require.NoError(t, tape.Err())
		require.Equal(t, []float64{7}, floats(t, count.Tensor()), "added to what was there")

		autograd.CountCorrect(nil, x, tape.Labels([]int32{2, 1, 0}))
		require.EqualError(t, tape.Err(), fmt.Sprintf("count_correct: count, expected a scalar of %v on the device", d.Float()))
		tape.Reset()
		autograd.CountCorrect(count.Tensor(), tape.Input(ramp(3, 3)), tape.Labels([]int32{2, 1, 3}))
		require.EqualError(t, tape.Err(), "count_correct: label 3, expected 0 to 2")
		require.Equal(t, []float64{7}, floats(t, count.Tensor()))
	})
}

package autograd_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// scaledDifference is factor*(a-b) as an operation of one's own, and as functions of the package.
func scaledDifference(a, b *autograd.Value, factor float64) *autograd.Value {
	tape := a.Tape()
	return autograd.Apply(autograd.Operation{Name: "scaled_difference", Operands: []*autograd.Value{a, b}, Shape: a.Shape(),
		Forward: func(y *device.Tensor) error {
			if err := tape.Device().Binary(y, a.Tensor(), b.Tensor(), device.Sub); err != nil {
				return err
			}
			return tape.Device().Scale(y, y, factor, 0)
		},
		Backward: func(dx []*device.Tensor, dy *device.Tensor) error {
			for i, sign := range []float64{1, -1} {
				if dx[i] == nil {
					continue
				}
				if err := tape.Device().Scale(dx[i], dy, sign*factor, 0); err != nil {
					return err
				}
			}
			return nil
		}})
}

// Gradients go to whichever operands want them: variables, parameters, one value used twice, frozen and plain inputs not.
func TestApplyGradients(t *testing.T) {
	for _, d := range devices(t) {
		t.Run(d.Name(), func(t *testing.T) {
			tape := autograd.NewTape(d)
			defer tape.Reset()
			w, err := autograd.NewParameter(d, "w", drawn(3, 2, 5))
			require.NoError(t, err)
			defer w.Release()
			for _, row := range []struct {
				name     string
				frozen   bool
				operands func(x, in *autograd.Value) (a, b *autograd.Value)
				x, w     float64 // gradient of each element; 0: none
			}{
				{"variable and parameter", false, func(x, _ *autograd.Value) (a, b *autograd.Value) { return x, w }, 3, -3},
				{"input and parameter", false, func(_, in *autograd.Value) (a, b *autograd.Value) { return in, w }, 0, -3},
				{"frozen parameter", true, func(x, _ *autograd.Value) (a, b *autograd.Value) { return x, w }, 3, 0},
				{"one value twice", false, func(x, _ *autograd.Value) (a, b *autograd.Value) { return autograd.Scale(x, 2, 0), x }, 3, 0},
			} {
				tape.Reset()
				w.ZeroGrad()
				w.Frozen = row.frozen
				x := tape.Variable(drawn(1, 2, 5))
				a, b := row.operands(x, tape.Input(drawn(2, 2, 5)))
				require.NoError(t, tape.Backward(autograd.Sum(scaledDifference(a, b, 3), false)), row.name)
				for _, got := range []struct {
					v    *autograd.Value
					want float64
				}{{x, row.x}, {w, row.w}} {
					if got.want == 0 {
						require.Nil(t, got.v.Grad(), row.name)
						continue
					}
					gradient, err := got.v.Grad().Floats()
					require.NoError(t, err)
					for _, g := range gradient {
						require.InDelta(t, got.want, g, 1e-6, row.name)
					}
				}
			}
		})
	}
}

// Without Backward no gradient flows back, and mistakes stay on the tape with the operation's name.
func TestApplyErrors(t *testing.T) {
	d := devices(t)[0]
	tape := autograd.NewTape(d)
	defer tape.Reset()
	fill := func(y *device.Tensor) error { return d.Fill(y, 1) }
	x := tape.Variable(drawn(1, 2))
	y := autograd.Apply(autograd.Operation{Name: "ones", Operands: []*autograd.Value{x}, Shape: tensor.Shape{2}, Forward: fill})
	require.EqualError(t, tape.Backward(autograd.Sum(y, false)), "autograd: backward from a value that depends on no parameter or variable")
	w, err := autograd.NewParameter(d, "w", drawn(1, 2))
	require.NoError(t, err)
	defer w.Release()
	broken := errors.New("broken")
	for _, row := range []struct {
		name string
		o    func(x *autograd.Value) autograd.Operation
		want string
	}{
		{"no tape", func(*autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{w}, Forward: fill}
		}, "mine: no operand belongs to a tape; bring a parameter onto one with Tape.Use"},
		{"no operands", func(*autograd.Value) autograd.Operation { return autograd.Operation{Name: "mine", Forward: fill} },
			"mine: no operand belongs to a tape; bring a parameter onto one with Tape.Use"},
		{"nil operand", func(x *autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{x, nil}, Forward: fill}
		}, "mine: operand 1 is nil"},
		{"no forward", func(x *autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{x}}
		}, "mine: an operation without Forward"},
		{"shape", func(x *autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{x}, Shape: tensor.Shape{-1}, Forward: fill}
		}, "mine: wrong shape: (-1) has a negative dimension"},
		{"forward", func(x *autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{x}, Forward: func(*device.Tensor) error { return broken }}
		}, "mine: broken"},
		{"backward", func(x *autograd.Value) autograd.Operation {
			return autograd.Operation{Name: "mine", Operands: []*autograd.Value{x}, Forward: fill,
				Backward: func([]*device.Tensor, *device.Tensor) error { return broken }}
		}, "gradient of mine: broken"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tape.Reset()
			y := autograd.Apply(row.o(tape.Variable(drawn(1, 2))))
			err := y.Tape().Err()
			if err == nil {
				err = tape.Backward(y)
			}
			require.EqualError(t, err, row.want)
		})
	}
}

package onnx

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device/devicetest"
)

// TestSplit: pieces that change places, one of them used twice and one not at all, and their gradients.
func TestSplit(t *testing.T) {
	m := with(model(op("Split", "x s", "a b c d", axisOf(1)), op("Split", "b", "e f", axisOf(3)), op("Concat", "f c f", "y", axisOf(3))), whole64("s", 1, 2, 2, 1))
	p, err := compile(m, nil)
	require.NoError(t, err)
	values := make([]float32, 6*4)
	for i := range values {
		values[i] = float32(i)
	}
	for _, name := range devicetest.Names() {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			r := newRun(d, p)
			defer r.release()
			tape := autograd.NewTape(d)
			defer tape.Reset()
			x := tape.Variable(tensor.New(tensor.WithShape(1, 6, 2, 2), tensor.WithBacking(values)))
			got, err := r.compute(tape, map[string]operand{"x": {value: x}})
			require.NoError(t, err)
			y := got[0].value
			require.Equal(t, tensor.Shape{1, 2, 2, 4}, y.Shape())
			values, err := y.Tensor().Floats()
			require.NoError(t, err)
			require.Equal(t, []float64{5, 12, 13, 5, 7, 14, 15, 7, 9, 16, 17, 9, 11, 18, 19, 11}, values)
			require.NoError(t, tape.Backward(autograd.Sum(y, false)))
			gradient, err := x.Grad().Floats()
			require.NoError(t, err)
			require.Equal(t, []float64{0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, gradient)
		})
	}
}

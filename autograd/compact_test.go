package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// noting is a device that offers device.Compact and notes which tensors were asked for as activations.
type noting struct {
	device.Device
	few map[*device.Tensor]bool
}

func (d *noting) adopt(t *device.Tensor, few bool, err error) (*device.Tensor, error) {
	if err == nil {
		t.Device = d
		d.few[t] = few
	}
	return t, err
}

func (d *noting) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	t, err := d.Device.New(shape, dtype)
	return d.adopt(t, false, err)
}

func (d *noting) NewActivation(shape tensor.Shape) (*device.Tensor, error) {
	t, err := d.Device.New(shape, d.Float())
	return d.adopt(t, true, err)
}

func (d *noting) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	t, err := d.Device.Reshape(x, shape)
	return d.adopt(t, d.few[x], err)
}

// What a step computes and its gradients are activations; inputs, parameters, their gradients, losses, their sums and
// probabilities, and what goes back through those, are not.
func TestActivationsAreAskedFor(t *testing.T) {
	cpu, err := device.Open("cpu", device.Options{})
	require.NoError(t, err)
	d := &noting{cpu, map[*device.Tensor]bool{}}
	defer func() { require.NoError(t, d.Close()) }()
	dense := func(shape ...int) *tensor.Dense {
		backing := make([]float32, tensor.Shape(shape).TotalSize())
		for i := range backing {
			backing[i] = float32(i%5) - 2
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing))
	}
	w, err := autograd.NewParameter(d, "w", dense(4, 3))
	require.NoError(t, err)
	defer w.Release()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	x := tape.Variable(dense(2, 3))
	y := autograd.Linear(x, w, nil).Keep()
	z := autograd.Add(autograd.ReLU(y), autograd.Linear(x, w, nil)).Keep()
	p := autograd.Softmax(z).Keep()
	q := autograd.Reshape(p, 4, 2).Keep()
	used := tape.Use(w).Keep()
	part := autograd.Scale(autograd.SquaredError(used, tape.Input(dense(4, 3))), 0.3, 0).Keep()
	loss := autograd.Add(autograd.SquaredError(q, tape.Input(dense(4, 2))), part)
	require.NoError(t, tape.Backward(loss))
	for _, row := range []struct {
		name        string
		v           *autograd.Value
		value, grad bool
	}{
		{"the input", x, false, false}, {"a product", y, true, true}, {"a sum", z, true, true}, {"probabilities", p, false, false},
		{"a parameter", w, false, false}, {"a parameter on the tape", used, false, false},
		{"a part of the loss", part, false, false}, {"a sum of losses", loss, false, false},
	} {
		require.Equal(t, row.value, d.few[row.v.Tensor()], "%s", row.name)
		require.Contains(t, d.few, row.v.Grad(), "gradient of %s", row.name)
		require.Equal(t, row.grad, d.few[row.v.Grad()], "gradient of %s", row.name)
	}
	require.False(t, d.few[q.Grad()], "gradient of a view of probabilities")
}

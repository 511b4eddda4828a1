package optim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn/optim"
)

// State lists what the method remembers, by PyTorch's names; nothing of what is frozen.
func TestState(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	var params []*autograd.Value
	for _, name := range []string{"w", "frozen"} {
		p, err := autograd.NewParameter(dev, name, tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2})))
		require.NoError(t, err)
		params = append(params, p)
	}
	params[1].Frozen = true
	for _, row := range []struct {
		method   string
		momentum float64
		want     []string
	}{
		{"sgd", 0, nil},
		{"sgd", 0.9, []string{"w.momentum_buffer"}},
		{"nesterov", 0.9, []string{"w.momentum_buffer"}},
		{"rmsprop", 0, []string{"w.square_avg"}},
		{"rmsprop", 0.9, []string{"w.square_avg", "w.momentum_buffer"}},
		{"adam", 0, []string{"w.exp_avg", "w.exp_avg_sq"}},
		{"adamw", 0, []string{"w.exp_avg", "w.exp_avg_sq"}},
	} {
		config, err := optim.Defaults(row.method)
		require.NoError(t, err)
		config.Momentum = row.momentum
		o, err := optim.New(dev, config, params)
		require.NoError(t, err)
		var names []string
		for _, s := range o.State() {
			require.Equal(t, tensor.Shape{2}, s.Tensor.Shape)
			names = append(names, s.Name)
		}
		require.Equal(t, row.want, names, "%s, momentum %v", row.method, row.momentum)
		o.Release()
		require.Empty(t, o.State())
	}
	for _, p := range params {
		p.Release()
	}
	require.NoError(t, dev.Close())
}

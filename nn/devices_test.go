package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/philox"
	"fovea/nn"
)

func open(t *testing.T, name string) device.Device {
	t.Helper()
	d, err := device.Open(name, device.Options{Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) }) // fails if a tensor is left
	return d
}

func build(t *testing.T, d device.Device, layer nn.Layer, sample ...int) *nn.Network {
	t.Helper()
	net, err := nn.Build(d, layer, sample, 1)
	require.NoError(t, err)
	t.Cleanup(net.Release)
	return net
}

func tapeOn(t *testing.T, d device.Device) *autograd.Tape {
	tape := autograd.NewTape(d)
	t.Cleanup(tape.Reset)
	return tape
}

// random is a dense tensor of normal numbers that float32 holds exactly.
func random(seed uint64, shape ...int) *tensor.Dense {
	source := philox.NewSource(philox.Stream{Seed: seed})
	elements := make([]float32, device.Size(shape))
	for i := range elements {
		elements[i] = float32(source.Normal(0, 1))
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(elements))
}

func floats(t *testing.T, x *device.Tensor) []float64 {
	t.Helper()
	f, err := x.Floats()
	require.NoError(t, err)
	return f
}

// distance is ||got - want|| / ||want||.
func distance(got, want []float64) float64 {
	diff, norm := 0.0, 0.0
	for i := range want {
		diff += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	if norm == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / norm)
}

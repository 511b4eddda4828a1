package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// What belongs to the first and to the last convolution, in networks of each kind.
func TestFirstAndLastMaps(t *testing.T) {
	dev, err := device.Open("reference", device.Options{})
	require.NoError(t, err)
	tape := autograd.NewTape(dev)
	defer func() {
		tape.Reset()
		require.NoError(t, dev.Close())
	}()
	type made struct {
		op         string
		c, h, w    int
		firstLayer bool
		lastLayer  bool
	}
	for _, row := range []struct {
		name string
		made []made
	}{
		{"plain", []made{{"conv2d", 2, 4, 4, false, false}, {"relu", 2, 4, 4, true, false}, {"max_pool2d", 2, 2, 2, false, false}, {"conv2d", 3, 2, 2, false, false}, {"relu", 3, 2, 2, false, true}, {"max_pool2d", 3, 2, 2, false, false}, {"relu", 3, 2, 2, false, false}}},
		{"contrast", []made{{"conv2d", 2, 4, 4, false, false}, {"relu", 2, 4, 4, true, true}, {"lrn", 2, 4, 4, false, false}, {"avg_pool2d", 2, 1, 1, false, false}}},
		{"residual", []made{{"conv2d", 2, 4, 4, false, false}, {"batch_norm", 2, 4, 4, true, false}, {"conv2d", 2, 2, 4, false, false}, {"batch_norm", 2, 2, 4, false, false}, {"add", 2, 2, 4, false, false}, {"relu", 2, 2, 4, false, true}, {"avg_pool2d", 2, 1, 1, false, false}, {"relu", 2, 1, 1, false, false}}},
		{"branches", []made{{"conv2d", 2, 3, 3, true, false}, {"conv2d", 4, 3, 3, false, false}, {"concat", 6, 3, 3, false, true}, {"avg_pool2d", 6, 1, 1, false, false}, {"conv2d", 5, 1, 1, false, false}}},
	} {
		var maps []observed
		first, last := "", ""
		for i, m := range row.made {
			layer := string(rune('a' + i))
			maps = append(maps, observed{m.op, layer, tape.Input(tensor.New(tensor.WithShape(1, m.c, m.h, m.w), tensor.Of(tensor.Float32)))})
			if m.firstLayer {
				first = layer
			}
			if m.lastLayer {
				last = layer
			}
		}
		got, err := firstMaps(maps)
		require.NoError(t, err)
		require.Equal(t, first, got.layer, "%s: first", row.name)
		got, err = lastMaps(maps)
		require.NoError(t, err)
		require.Equal(t, last, got.layer, "%s: last", row.name)
	}
}

//go:build cuda

package cuda

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/emulator/control"
)

// measurements counts how often cuDNN was asked to try all its algorithms since the last call.
func measurements() uint64 {
	n := uint64(0)
	for _, pass := range []string{"Forward", "BackwardData", "BackwardFilter"} {
		n += control.Counter("call:cudnnFindConvolution" + pass + "AlgorithmEx")
	}
	control.Reset()
	return n
}

// convolve makes a convolution's three passes and returns their results.
func convolve(t *testing.T, d *Device) [][]float64 {
	t.Helper()
	s := device.ConvSpec{Padding: device.Pad(1)}.Normal()
	shapes := map[string]tensor.Shape{"x": {2, 8, 6, 6}, "w": {16, 8, 3, 3}, "y": {2, 16, 6, 6}}
	tensors := map[string]*device.Tensor{}
	for _, name := range []string{"x", "w", "y", "dx", "dw", "dy"} {
		shape := shapes[name[len(name)-1:]]
		numbers := make([]float64, device.Size(shape))
		for i := range numbers {
			numbers[i] = float64(i*7%13) / 13
		}
		var err error
		tensors[name], err = device.FromSlice(d, shape, numbers)
		require.NoError(t, err)
		defer tensors[name].Release()
	}
	require.NoError(t, d.Conv(tensors["y"], tensors["x"], tensors["w"], nil, s))
	require.NoError(t, d.ConvBackwardData(tensors["dx"], tensors["dy"], tensors["w"], s))
	require.NoError(t, d.ConvBackwardWeights(tensors["dw"], tensors["x"], tensors["dy"], s))
	var results [][]float64
	for _, name := range []string{"y", "dx", "dw"} {
		results = append(results, floats(t, tensors[name]))
	}
	return results
}

func TestAlgorithmsAreMeasuredOnce(t *testing.T) {
	if !control.Present() {
		t.Skip("counts calls on the emulated GPU")
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(cache, "fovea", "*"))
		require.NoError(t, err)
		return found
	}
	write := func(content string) func(t *testing.T) {
		return func(t *testing.T) { require.NoError(t, os.WriteFile(files()[0], []byte(content), 0o666)) }
	}
	for _, row := range []struct {
		name    string
		before  func(t *testing.T)
		options device.Options
		times   uint64
	}{
		{"exact algorithms", nil, device.Options{Deterministic: true}, 0},
		{"the first time", nil, device.Options{}, 3},
		{"from the file", nil, device.Options{}, 0},
		{"in another precision", nil, device.Options{Precision: device.TF32}, 3},
		{"both are in the file", nil, device.Options{}, 0},
		{"exact ones, with a file of others", nil, device.Options{Deterministic: true}, 0},
		{"the file is cut", write(`{"forward, fp`), device.Options{}, 3},
		{"it was written anew", nil, device.Options{}, 0},
		{"the file says null", write(`null`), device.Options{}, 3},
		{"the file is a list", write(`[1, 2]`), device.Options{}, 3},
		{"it holds other types", write(`{"a": "b"}`), device.Options{}, 3},
		{"it holds what cuDNN does not have", func(t *testing.T) {
			d, err := New(0, device.Options{})
			require.NoError(t, err)
			require.NotEmpty(t, d.choices.Keys())
			for _, key := range d.choices.Keys() {
				d.choices.Keep(key, choice{Number: 77})
			}
			require.NoError(t, d.Close())
			measurements()
		}, device.Options{}, 3},
		{"its folder cannot be written", func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(cache, "fovea")))
			require.NoError(t, os.WriteFile(filepath.Join(cache, "fovea"), nil, 0o666))
		}, device.Options{}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.before != nil {
				row.before(t)
			}
			d, err := New(0, row.options)
			require.NoError(t, err)
			measurements()
			first, second := convolve(t, d), convolve(t, d)
			require.Equal(t, row.times, measurements(), "measurements")
			if row.options.Deterministic {
				require.Equal(t, first, second, "the same work a second time")
				for _, p := range d.dnn.convs {
					for _, a := range []*algorithm{p.forward, p.data, p.weight} {
						require.Contains(t, []int{1, 4, 5}, int(a.number), "an algorithm that is deterministic") // of each pass: those that take NHWC
					}
				}
			}
			require.NoError(t, d.Close())
			for _, name := range files() {
				require.Regexp(t, `/cudnn-\d+-[\w-]+\.json$`, name)
			}
		})
	}
}

// While a step is captured nothing can be measured; cuDNN's own judgement stands.
func TestNothingIsMeasuredInACapture(t *testing.T) {
	if !control.Present() {
		t.Skip("counts calls on the emulated GPU")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d, err := New(0, device.Options{})
	require.NoError(t, err)
	x, err := device.FromSlice(d, tensor.Shape{1, 8, 4, 4}, make([]float64, 128))
	require.NoError(t, err)
	w, err := device.FromSlice(d, tensor.Shape{8, 8, 3, 3}, make([]float64, 576))
	require.NoError(t, err)
	y, err := d.New(tensor.Shape{1, 8, 2, 2}, tensor.Float32)
	require.NoError(t, err)
	measurements()
	require.NoError(t, d.Capture(func() error { return d.Conv(y, x, w, nil, device.ConvSpec{}.Normal()) }))
	require.Equal(t, make([]float64, 32), floats(t, y))
	require.Zero(t, measurements())
	for _, t := range []*device.Tensor{x, w, y} {
		t.Release()
	}
	require.NoError(t, d.Close())
}

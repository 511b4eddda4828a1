package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/device/devicetest"
	"fovea/nn/weights"
)

// With one filter that takes a pixel and one that takes its negative, the maps are the picture and, after the activation,
// nothing; the drawing spreads each from dark to bright.
func TestFeatureMaps(t *testing.T) {
	folder := run(t, tiny, map[string]func(w []float32){"0.weight": only(map[int]float32{12: 1, 25 + 12: -2}), "0.bias": only(nil)})
	m, pixels := noise(1, 8, 8)
	picture := writePicture(t, m)
	for _, row := range []struct {
		layer string
		side  int
		of    func(filter, y, x int) float32
	}{
		{"0", 4, func(f, y, x int) float32 { return []float32{1, -2}[f] * pixels[(y+2)*8+x+2] / 255 }},
		{"", 4, func(f, y, x int) float32 { return []float32{1, 0}[f] * pixels[(y+2)*8+x+2] / 255 }}, // with the activation
		{"2", 2, func(f, y, x int) float32 {
			at := (2*y+2)*8 + 2*x + 2
			return []float32{1, 0}[f] * max(pixels[at], pixels[at+1], pixels[at+8], pixels[at+9]) / 255
		}},
	} {
		for _, device := range devicetest.Names() {
			out, values := filepath.Join(t.TempDir(), "maps.png"), filepath.Join(t.TempDir(), "maps.npy")
			r := programtest.Succeed(t, inspect, "feature-maps", "--run", folder, "--device", device, "--layer", row.layer, "--colours", "viridis", "--values", values, "-o", out, picture)
			require.Contains(t, r.Stdout, fmt.Sprintf(", 32 maps of %d x %d\n", row.side, row.side))
			got := readValues(t, values, 32, row.side, row.side)
			size := row.side * row.side
			for i, v := range got {
				want := float32(0)
				if f := i / size; f < 2 {
					want = row.of(f, i%size/row.side, i%row.side)
				}
				require.InDelta(t, want, v, 1e-5, "layer %q on %s, element %d", row.layer, device, i)
			}
			drawn := readPNG(t, out)
			factor := tileSide / row.side
			for i := range size {
				low, high := got[0], got[0]
				for _, v := range got[:size] {
					low, high = min(low, v), max(high, v)
				}
				want := viridis.at(float64((got[i] - low) / (high - low)))
				shown := color.NRGBAModel.Convert(drawn.At(tileGap+i%row.side*factor, tileGap+i/row.side*factor)).(color.NRGBA)
				require.InDelta(t, want.R, shown.R, 1, "layer %q, pixel %d", row.layer, i)
				require.InDelta(t, want.G, shown.G, 1, "layer %q, pixel %d", row.layer, i)
			}
		}
	}
	// A file for each layer.
	all := filepath.Join(t.TempDir(), "all")
	programtest.Succeed(t, inspect, "feature-maps", "--run", folder, "--layer", "all", "-o", all, picture)
	entries, err := os.ReadDir(all)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"001-0.png", "002-1.png", "003-2.png"}, names)
}

// The default is the first convolution with what belongs to it, and a name of several layers is what the last of them gives.
func TestFeatureMapsOfResNet(t *testing.T) {
	folder := run(t, weights.Card{Model: "resnet20-cifar", Outputs: 2, Sample: tensor.Shape{3, 16, 16}, Scale: 1.0 / 255}, nil)
	m, _ := noise(3, 16, 16)
	picture := writePicture(t, m)
	for _, row := range []struct{ layer, same string }{{"", "relu"}, {"layer1", "layer1.2.relu"}, {"layer3.0", "layer3.0.relu"}} {
		var got [2][]float32
		for i, layer := range []string{row.layer, row.same} {
			values := filepath.Join(t.TempDir(), "maps.npy")
			programtest.Succeed(t, inspect, "feature-maps", "--run", folder, "--layer", layer, "--values", values, "-o", filepath.Join(t.TempDir(), "maps.png"), picture)
			shape := []int{16, 16, 16}
			if row.layer == "layer3.0" {
				shape = []int{64, 4, 4}
			}
			got[i] = readValues(t, values, shape...)
		}
		require.Equal(t, got[1], got[0], row.layer)
		for i, v := range got[0] {
			require.GreaterOrEqual(t, v, float32(0), "%q, element %d: after a ReLU", row.layer, i)
		}
	}
}

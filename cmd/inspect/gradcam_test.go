package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/device/devicetest"
	"fovea/nn/weights"
)

// classMaps is a network whose class activation maps can be computed by hand. Of its 4 x 4 maps the first, A, is the middle
// of the picture, the second, B, the same a row lower, and the others are 0. A hidden unit is the sum over the 2 x 2 windows
// k of (k+1) times the largest of A, less 3 times the largest of B in the first window; class 1 is twice that, class 2 its
// negative. The gradient is 2(k+1) where A is largest, so that A's weight is 2(1+2+3+4)/16 = 1.25 and B's -6/16 = -0.375.
var classMaps = map[string]func(w []float32){
	"0.weight": only(map[int]float32{12: 1, 25 + 17: 1}), "0.bias": only(nil),
	"5.weight": only(map[int]float32{0: 1, 1: 2, 2: 3, 3: 4, 4: -3}), "5.bias": only(nil),
	"7.weight": only(map[int]float32{128: 2, 256: -1}), "7.bias": only(nil),
}

func TestGradCAM(t *testing.T) {
	folder := run(t, tiny, classMaps)
	m, pixels := noise(1, 8, 8)
	picture := writePicture(t, m)
	want := make([]float64, 16)
	for i := range want {
		at := (i/4+2)*8 + i%4 + 2
		want[i] = max(0, (1.25*float64(pixels[at])-0.375*float64(pixels[at+8]))/255)
	}
	most := 0
	for i, v := range want {
		if v > want[most] {
			most = i
		}
	}
	for _, row := range []struct {
		name  string
		args  []string
		shown string
		want  []float64
	}{
		{"the likeliest", nil, "class 1 (some)", want},
		{"by number", []string{"--class", "1"}, "class 1 (some)", want},
		{"by name", []string{"--class", "some"}, "class 1 (some)", want},
		{"before the activation", []string{"--layer", "0"}, "class 1 (some)", want}, // nothing is below 0
		{"against", []string{"--class", "less"}, "class 2 (less)", nil},
		{"without a part", []string{"--class", "0"}, "class 0 (none)", make([]float64, 16)},
	} {
		for _, device := range devicetest.Names() {
			t.Run(row.name+" on "+device, func(t *testing.T) {
				out, values := filepath.Join(t.TempDir(), "cam.png"), filepath.Join(t.TempDir(), "cam.npy")
				r := programtest.Succeed(t, inspect, append([]string{"gradcam", "--run", folder, "--device", device, "--values", values, "-o", out, picture}, row.args...)...)
				require.Contains(t, r.Stdout, out+": "+row.shown)
				got := readValues(t, values, 4, 4)
				for i, v := range got {
					expected := 0.0
					switch {
					case row.want != nil:
						expected = row.want[i]
					default: // class 2: half of class 1's weights, negated
						at := (i/4+2)*8 + i%4 + 2
						expected = max(0, -(1.25*float64(pixels[at])-0.375*float64(pixels[at+8]))/2/255)
					}
					require.InDelta(t, expected, v, 1e-5, "place %d", i)
				}
				if row.name != "the likeliest" {
					return
				}
				require.Contains(t, r.Stdout, fmt.Sprintf("at row %d, column %d", most/4, most%4))
				// The drawing: the picture as it is, the heat in colours, both.
				drawn := cells(readPNG(t, out), 8, 8, 12, 1, 3, 1)[0]
				heat := enlarge(want, [2]int{4, 4}, [2]int{8, 8})
				largest := 0.0
				for _, v := range heat {
					largest = max(largest, v)
				}
				for i := range 64 {
					red, green, blue, _ := drawn[0][i].RGBA()
					require.Equal(t, [3]uint8{uint8(pixels[i]), uint8(pixels[i]), uint8(pixels[i])}, [3]uint8{uint8(red >> 8), uint8(green >> 8), uint8(blue >> 8)}, "pixel %d", i)
					hot := jet.at(heat[i] / largest)
					red, green, blue, _ = drawn[1][i].RGBA()
					for c, v := range []uint32{red, green, blue} {
						require.InDelta(t, []uint8{hot.R, hot.G, hot.B}[c], v>>8, 2, "heat, pixel %d, channel %d", i, c)
					}
					red, _, _, _ = drawn[2][i].RGBA()
					require.InDelta(t, (float64(hot.R)+float64(pixels[i]))/2, red>>8, 2, "both, pixel %d", i)
				}
			})
		}
	}
}

// Enlarging is bilinear, the centres of pixels in their place.
func TestEnlarge(t *testing.T) {
	require.InDeltaSlice(t, []float64{0, 0.25, 0.75, 1}, enlarge([]float64{0, 1}, [2]int{1, 2}, [2]int{1, 4}), 1e-12)
	require.InDeltaSlice(t, []float64{0, 2, 4, 6}, enlarge([]float64{0, 2, 4, 6}, [2]int{2, 2}, [2]int{2, 2}), 1e-12)
	require.InDeltaSlice(t, []float64{3, 3, 3, 3, 3, 3}, enlarge([]float64{3}, [2]int{1, 1}, [2]int{2, 3}), 1e-12)
}

// Through normalisations and residual sums the devices agree, and the default is the last stage's end.
func TestGradCAMOfResNet(t *testing.T) {
	folder := run(t, weights.Card{Model: "resnet20-cifar", Outputs: 3, Sample: tensor.Shape{3, 16, 16}, Scale: 1.0 / 255}, nil)
	m, _ := noise(3, 20, 16)
	picture := writePicture(t, m)
	var got [2][]float32
	for i, device := range devicetest.Names() {
		values := filepath.Join(t.TempDir(), "cam.npy")
		r := programtest.Succeed(t, inspect, "gradcam", "--run", folder, "--class", "2", "--device", device, "--values", values, "-o", filepath.Join(t.TempDir(), "cam.png"), picture)
		require.Contains(t, r.Stdout, "layer layer3.2.relu, 64 maps of 4 x 4")
		got[i] = readValues(t, values, 4, 4)
	}
	largest := float32(0)
	for _, v := range got[1] {
		largest = max(largest, v)
	}
	require.Positive(t, largest)
	require.InDeltaSlice(t, got[1], got[0], 1e-4*float64(largest))
}

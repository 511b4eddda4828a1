package main

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/programtest"
	"fovea/device"
	"fovea/device/devicetest"
)

func grayPicture(t *testing.T, width int, pixels ...uint8) string {
	m := image.NewGray(image.Rect(0, 0, width, len(pixels)/width))
	copy(m.Pix, pixels)
	return writePicture(t, m)
}

func maskFile(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	return path
}

// The lecture's numbers, from files of each kind: as values, and as the pixels of the picture.
func TestConvolveLecture(t *testing.T) {
	cross := grayPicture(t, 5, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0)
	patch := grayPicture(t, 3, 1, 2, 3, 6, 7, 8, 11, 12, 13)
	square := grayPicture(t, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5, 1, 1, 1, 5, 5, 5, 1, 1, 1, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1)
	text := maskFile(t, "mask.txt", "# the lecture's\n1 0 1\r\n0 1 0\n\n1\t0  1 # last\n")
	nine := maskFile(t, "mask.csv", "1,2,3\n4; 5; 6\n7, 8, 9\n")
	npy := maskFile(t, "mask.npy", string(programtest.Array{Shape: []int{3, 3}, Values: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}}.Npy()))
	for _, row := range []struct {
		name    string
		picture string
		args    []string
		h, w    int
		want    []float32
	}{
		{"sliding window", cross, []string{"--kernel", text, "--padding", "none"}, 3, 3, []float32{4, 3, 4, 2, 4, 3, 2, 3, 4}},
		{"true convolution", patch, []string{"--kernel", nine, "--true", "--padding", "none"}, 1, 1, []float32{219}},
		{"not true", patch, []string{"--kernel", nine, "--padding", "none"}, 1, 1, []float32{411}},
		{"npy", patch, []string{"--kernel", npy, "--true", "--padding", "none"}, 1, 1, []float32{219}},
		{"identity", patch, []string{"--kernel", "identity"}, 3, 3, []float32{1, 2, 3, 6, 7, 8, 11, 12, 13}},
		{"sharpen", square, []string{"--kernel", "sharpen", "--padding", "none"}, 4, 4, []float32{1, -3, -3, -3, -3, 13, 9, 13, -3, 9, 5, 9, -3, 13, 9, 13}},
		{"edge", square, []string{"--kernel", "edge", "--padding", "none"}, 4, 4, []float32{0, 4, 4, 4, 4, -8, -4, -8, 4, -4, 0, -4, 4, -8, -4, -8}},
		{"strong edge", square, []string{"--kernel", "strong-edge", "--padding", "none"}, 4, 4, []float32{-4, -8, -12, -8, -8, 20, 12, 20, -12, 12, 0, 12, -8, 20, 12, 20}},
		{"even mask, zeros below and to the right", patch, []string{"--kernel", maskFile(t, "even", "1 10\n100 1000")}, 3, 3,
			[]float32{7621, 8732, 803, 13176, 14287, 1308, 131, 142, 13}},
	} {
		for _, device := range devicetest.Names() {
			out, values := filepath.Join(t.TempDir(), "out.png"), filepath.Join(t.TempDir(), "out.npy")
			r := programtest.Succeed(t, inspect, append([]string{"convolve", "--device", device, "--values", values, "-o", out, row.picture}, row.args...)...)
			require.Regexp(t, `^\S+: \d x \d, 1 channels, results -?[\d.]+ to \d+\n$`, r.Stdout)
			require.InDeltaSlice(t, row.want, readValues(t, values, 1, row.h, row.w), 1e-2, "%s on %s", row.name, device)
			drawn := readPNG(t, out)
			require.Equal(t, image.Pt(row.w, row.h), drawn.Bounds().Size())
			for i, v := range row.want {
				require.Equal(t, uint8(min(max(v, 0), 255)), greyAt(drawn, i%row.w, i/row.w), "%s on %s: pixel %d", row.name, device, i)
			}
		}
	}
	// From the smallest to the largest.
	out := filepath.Join(t.TempDir(), "out.png")
	programtest.Succeed(t, inspect, "convolve", "--kernel", "sharpen", "--padding", "none", "--normalise", "-o", out, square)
	drawn := readPNG(t, out)
	require.Equal(t, []uint8{64, 0, 255, 191, 128}, []uint8{greyAt(drawn, 0, 0), greyAt(drawn, 1, 0), greyAt(drawn, 1, 1), greyAt(drawn, 2, 1), greyAt(drawn, 2, 2)})
}

// In colour each channel is convolved on its own, as autograd does it with a group for each.
func TestConvolveColour(t *testing.T) {
	m, pixels := noise(3, 9, 7)
	picture := writePicture(t, m)
	weights := []float32{0.5, -1, 2, 0, 0.25, -0.125, 1, 0, -2, 0.5, 0.5, 1}
	mask := maskFile(t, "mask.npy", string(programtest.Array{Shape: []int{3, 4}, Values: weights}.Npy()))
	dev, err := device.Open("reference", device.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	tape := autograd.NewTape(dev)
	defer tape.Reset()
	tape.NoGrad = true
	x := tape.Input(tensor.New(tensor.WithShape(1, 3, 7, 9), tensor.WithBacking(pixels)))
	w := tape.Input(tensor.New(tensor.WithShape(3, 1, 3, 4), tensor.WithBacking(append(append(append([]float32{}, weights...), weights...), weights...))))
	for _, row := range []struct {
		args []string
		y    *autograd.Value
		h, w int
	}{
		{[]string{"--padding", "none"}, autograd.Conv2D(x, w, nil, device.ConvSpec{Groups: 3}), 5, 6},
		{[]string{"--padding", "none", "--true"}, autograd.TrueConv2D(x, w, nil, device.ConvSpec{Groups: 3}), 5, 6},
		{[]string{"--true"}, autograd.TrueConv2D(x, w, nil, device.ConvSpec{Groups: 3, Padding: device.Padding{Top: 1, Bottom: 1, Left: 1, Right: 2}}), 7, 9},
	} {
		require.NoError(t, tape.Err())
		want, err := row.y.Tensor().Floats()
		require.NoError(t, err)
		out, values := filepath.Join(t.TempDir(), "out.png"), filepath.Join(t.TempDir(), "out.npy")
		programtest.Succeed(t, inspect, append([]string{"convolve", "--kernel", mask, "--values", values, "-o", out, picture}, row.args...)...)
		got := readValues(t, values, 3, row.h, row.w)
		drawn := readPNG(t, out)
		for i, v := range want {
			require.InDelta(t, v, got[i], 1e-2, "%v: element %d", row.args, i)
			c, at := i/(row.h*row.w), i%(row.h*row.w)
			r, g, b, _ := drawn.At(at%row.w, at/row.w).RGBA()
			require.InDelta(t, min(max(v, 0), 255), []uint32{r, g, b}[c]>>8, 0.51, "%v: pixel %d, channel %d", row.args, at, c)
		}
	}
}

func TestConvolveRefusals(t *testing.T) {
	picture := grayPicture(t, 3, 1, 2, 3, 6, 7, 8, 11, 12, 13)
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		shown string
	}{
		{"no mask", []string{picture}, 2, "no mask: expected --kernel identity, sharpen, edge, strong-edge or a file"},
		{"no picture", []string{"--kernel", "edge"}, 2, "no picture: expected one"},
		{"padding", []string{"--kernel", "edge", "--padding", "full", picture}, 2, `--padding: "full", expected same or none`},
		{"unknown mask", []string{"--kernel", "blur", picture}, 2, `--kernel: "blur", expected identity, sharpen, edge, strong-edge or a file`},
		{"mask missing", []string{"--kernel", "/nowhere/mask.csv", picture}, 1, "--kernel /nowhere/mask.csv: no such file or directory"},
		{"array missing", []string{"--kernel", "/nowhere/mask.npy", picture}, 1, "no such file or directory"},
		{"mask is a folder", []string{"--kernel", t.TempDir(), picture}, 1, "is a directory"},
		{"uneven", []string{"--kernel", maskFile(t, "m.txt", "1 2\n3\n"), picture}, 1, "line 2 has 1 numbers, expected 2 as in the first"},
		{"word", []string{"--kernel", maskFile(t, "m.txt", "1 2\n3 x\n"), picture}, 1, `line 2: "x", expected a number`},
		{"empty", []string{"--kernel", maskFile(t, "m.txt", "\n# nothing\n"), picture}, 1, "no numbers, expected a line for each row of the mask"},
		{"NaN", []string{"--kernel", maskFile(t, "m.txt", "1 nan"), picture}, 1, "row 1, column 2 is NaN, expected finite numbers"},
		{"large", []string{"--kernel", maskFile(t, "m.npy", string(programtest.Array{Shape: []int{1, 100}, Values: make([]float32, 100)}.Npy())), picture}, 1, "1 x 100, expected at most 99 rows and columns"},
		{"rank", []string{"--kernel", maskFile(t, "m.npy", string(programtest.Array{Shape: []int{1, 1, 1}, Values: []float32{1}}.Npy())), picture}, 1, "expected [rows, columns]"},
		{"does not fit", []string{"--kernel", maskFile(t, "m.txt", "1 2 3 4"), "--padding", "none", picture}, 1, "a picture of 3 x 3, expected at least the mask's 4 x 1"},
		{"not a picture", []string{"--kernel", "edge", maskFile(t, "m.png", "text")}, 1, "m.png: not a picture, expected PNG, JPEG or GIF"},
		{"device", []string{"--kernel", "edge", "--device", "tpu", picture}, 2, `unknown "tpu"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.png")
			r := programtest.Run(inspect, append([]string{"convolve", "-o", out}, row.args...)...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.shown)
			require.Empty(t, r.Stdout)
			require.NoFileExists(t, out)
		})
	}
}

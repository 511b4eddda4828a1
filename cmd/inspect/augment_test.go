package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/data"
	"fovea/data/augment"
)

// digits is an npz of n samples [channels, 12, 16] of 0 to 1 with the classes 0, 1, 2...
func digits(t *testing.T, n, channels int) string {
	x, y := make([]float32, n*channels*192), make([]int64, n)
	for i := range x {
		x[i] = float32(i*7%251) / 250
	}
	for i := range y {
		y[i] = int64(i)
	}
	return "npz:" + programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{n, channels, 12, 16}, Values: x}, programtest.Array{Name: "y", Shape: []int{n}, Values: y})
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	return m
}

// cells cuts a grid into its pictures, each pixel of which is factor by factor: rows of columns.
func cells(m image.Image, w, h, factor, rows, columns, lines int) [][][]color.Color {
	var all [][][]color.Color
	for r := range rows {
		var row [][]color.Color
		for c := range columns {
			var cell []color.Color
			left, top := gridGap+c*(w*factor+gridGap), 2*gridLine+r*(h*factor+lines*gridLine+gridGap)
			for y := range h {
				for x := range w {
					first := m.At(left+x*factor, top+y*factor)
					if last := m.At(left+x*factor+factor-1, top+y*factor+factor-1); first != last {
						first = nil // no whole pixel
					}
					cell = append(cell, first)
				}
			}
			row = append(row, cell)
		}
		all = append(all, row)
	}
	return all
}

// The grid shows, pixel by pixel, what a loader as train uses it gives.
func TestAugmentGrid(t *testing.T) {
	for _, row := range []struct {
		name     string
		channels int
		args     []string
		loader   data.Loader
		lines    int
	}{
		{"transforms", 3, []string{"--augment", "crop:2,flip,jitter"}, data.Loader{Transforms: []data.Transform{augment.Crop{Pixels: 2}, augment.Flip{P: 0.5}, augment.Jitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1}}}, 1},
		{"grey", 1, []string{"--augment", "rotate"}, data.Loader{Transforms: []data.Transform{augment.Rotate{Degrees: 15}}}, 1},
		{"mixed", 3, []string{"--augment", "vflip:1", "--mixup", "1"}, data.Loader{Transforms: []data.Transform{augment.VerticalFlip{P: 1}}, Mixer: augment.Mixup{Alpha: 1}}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			const n, factor, epochs, first = 5, 6, 3, 4
			spec, out := digits(t, n+2, row.channels), filepath.Join(t.TempDir(), "grid.png")
			args := append([]string{"augment", "--data", spec, "--samples", "5", "--epochs", "3", "--epoch", "4", "--seed", "9", "-o", out}, row.args...)
			r := programtest.Succeed(t, inspect, args...)
			require.Contains(t, r.Stdout, out+": 5 rows, 3 epochs from 4 on")
			sets, err := data.Open(t.Context(), spec, data.Options{})
			require.NoError(t, err)
			set, err := data.NewSubset(sets.Train, []int{0, 1, 2, 3, 4})
			require.NoError(t, err)
			grid := readPNG(t, out)
			shown := cells(grid, 16, 12, factor, n, epochs+1, row.lines)
			row.loader.Set, row.loader.Batch, row.loader.Seed = set, n, 9
			for column := range epochs + 1 {
				l := row.loader
				if column == 0 {
					l = data.Loader{Set: set, Batch: n}
				}
				for b, err := range l.Epoch(t.Context(), first-2+column) {
					require.NoError(t, err)
					x := b.X.Data().([]float32)
					for i := range n {
						for at := range 192 {
							channel := func(c int) uint8 { return uint8(255*x[(i*row.channels+c%row.channels)*192+at] + 0.5) }
							want := color.NRGBA{channel(0), channel(1), channel(2), 255}
							require.Equal(t, color.NRGBAModel.Convert(want), color.NRGBAModel.Convert(shown[i][column][at]), "sample %d, column %d, pixel %d", i, column, at)
						}
					}
				}
			}
			// The same call writes the same bytes.
			before, err := os.ReadFile(out)
			require.NoError(t, err)
			programtest.Succeed(t, inspect, args...)
			after, err := os.ReadFile(out)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after))
		})
	}
}

// dark counts the pixels of writing in a part of a grid.
func dark(m image.Image, in image.Rectangle) (count int) {
	for y := in.Min.Y; y < in.Max.Y; y++ {
		for x := in.Min.X; x < in.Max.X; x++ {
			if r, _, _, _ := m.At(x, y).RGBA(); r == 0 {
				count++
			}
		}
	}
	return count
}

// With --each there is a row for every transform, with its name, and for the mixers if there is something to mix.
func TestAugmentEach(t *testing.T) {
	folder := t.TempDir()
	var files []string
	for i, name := range []string{"one.png", "two.png"} {
		m := image.NewNRGBA(image.Rect(0, 0, 120, 100))
		for at := range m.Pix {
			m.Pix[at] = uint8(at*(i+3)%253 | at%4/3*255)
		}
		var content bytes.Buffer
		require.NoError(t, png.Encode(&content, m))
		files = append(files, filepath.Join(folder, name))
		require.NoError(t, os.WriteFile(files[i], content.Bytes(), 0o666))
	}
	out := filepath.Join(folder, "grid.png")
	kinds := len(augment.Kinds())
	r := programtest.Succeed(t, inspect, "augment", "--image", files[0], "--each", "--epochs", "2", "--input", "3x96x96", "-o", out)
	require.Contains(t, r.Stdout, ": "+strconv.Itoa(kinds)+" rows")
	grid := readPNG(t, out)
	require.Equal(t, image.Pt(3*(96+gridGap)+gridGap, gridLine+kinds*(96+gridLine+gridGap)+gridGap), grid.Bounds().Size())
	for r := range kinds {
		top := gridLine + r*(96+gridLine+gridGap)
		require.Greater(t, dark(grid, image.Rect(gridGap, top, 200, top+gridLine)), 20, "the name of row %d", r)
	}
	// Each transform does something to the picture.
	for i, row := range cells(grid, 96, 96, 1, kinds, 3, 1) {
		require.NotEqual(t, row[0], row[1], augment.Kinds()[i].Name)
	}
	// A part of a picture, another one in each epoch.
	programtest.Succeed(t, inspect, "augment", "--image", files[0], "--crop", "resized", "--epochs", "2", "--input", "3x96x96", "-o", out)
	parts := cells(readPNG(t, out), 96, 96, 1, 1, 3, 1)[0]
	require.NotEqual(t, parts[0], parts[1])
	require.NotEqual(t, parts[1], parts[2])
	r = programtest.Succeed(t, inspect, "augment", "--image", files[0], "--image", files[1], "--each", "--epochs", "2", "--input", "1x96x96", "-o", out)
	require.Contains(t, r.Stdout, ": "+strconv.Itoa(kinds+2)+" rows")
}

func TestAugmentRefusals(t *testing.T) {
	spec, out := digits(t, 3, 1), filepath.Join(t.TempDir(), "grid.png")
	text := filepath.Join(t.TempDir(), "cat.jpg")
	require.NoError(t, os.WriteFile(text, []byte("no picture"), 0o666))
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		shown string
	}{
		{"no file", []string{"--data", spec, "--augment", "flip"}, 2, "no file: expected -o FILE.png"},
		{"nothing to show", []string{"--data", spec, "-o", out}, 2, "nothing to show: expected --augment, --mixup, --cutmix, --crop or --each"},
		{"argument", []string{"flip", "-o", out}, 2, `unexpected argument "flip"`},
		{"list", []string{"--augment", "flop", "-o", out}, 2, `--augment: augmentation "flop": unknown`},
		{"mixup", []string{"--mixup", "-1", "-o", out}, 2, "--mixup: -1, expected 0.001 to 1000"},
		{"crop", []string{"--crop", "big", "-o", out}, 2, `--crop: crop "big", expected resized`},
		{"each and more", []string{"--each", "--augment", "flip", "-o", out}, 2, "--each shows all there is"},
		{"samples", []string{"--each", "--samples", "0", "-o", out}, 2, "--samples: 0, expected at least 1"},
		{"many samples", []string{"--each", "--samples", "65", "-o", out}, 2, "--samples: 65, expected at most 64"},
		{"epochs", []string{"--each", "--epochs", "65", "-o", out}, 2, "--epochs: 65, expected at most 64"},
		{"epoch", []string{"--each", "--epoch", "0", "-o", out}, 2, "--epoch: 0, expected at least 1"},
		{"input", []string{"--each", "--input", "3x224", "-o", out}, 2, `invalid value "3x224" for flag -input: expected CxHxW`},
		{"channels", []string{"--each", "--input", "4x8x8", "-o", out}, 2, "--input: 4x8x8, expected 1 or 3 channels"},
		{"data", []string{"--each", "--data", "mnits", "-o", out}, 2, `--data: unknown data set "mnits"`},
		{"data file", []string{"--each", "--data", "npz:/nowhere.npz", "-o", out}, 1, "no such file"},
		{"values", []string{"--each", "--data", "npz:" + programtest.BarsNPZ(t, 16, 8), "-o", out}, 1, "expected 0 (black) to 1 (white) to augment"},
		{"channels of the data", []string{"--each", "--data", digits(t, 2, 2), "-o", out}, 1, "samples (2, 12, 16), expected 1 or 3 channels"},
		{"image", []string{"--each", "--image", text, "-o", out}, 1, text + ": not a picture, expected"},
		{"image missing", []string{"--each", "--image", "/nowhere.png", "-o", out}, 1, "program: /nowhere.png: no such file"},
		{"folder of the grid", []string{"--data", spec, "--augment", "flip", "-o", "/nowhere/grid.png"}, 1, "/nowhere/grid.png: no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := programtest.Run(inspect, append([]string{"augment"}, row.args...)...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.shown)
			require.Empty(t, r.Stdout)
			require.NoFileExists(t, out)
		})
	}
	_, err := drawGrid([]row{{pictures: []image.Image{image.Rect(0, 0, 9000, 9000)}}}, nil, "fewer --samples or --epochs")
	require.ErrorContains(t, err, "1 rows of 1 pictures of 9000 x 9000 are too much, expected fewer --samples or --epochs")
}

func TestAugmentHelp(t *testing.T) {
	r := programtest.Succeed(t, inspect, "augment", "--help")
	for _, text := range []string{"Usage: inspect augment", "-image file", "rotate:DEGREES", "cifar"} {
		require.Contains(t, r.Stdout, text)
	}
	require.Contains(t, programtest.Succeed(t, inspect, "--help").Stdout, "augment")
}

// An interrupt ends the reading of the data.
func TestAugmentInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := context.Canceled
	cancel(stop)
	out := filepath.Join(t.TempDir(), "grid.png")
	err := inspect(ctx, strings.Fields("augment --data "+digits(t, 3, 1)+" --augment flip -o "+out), io.Discard, io.Discard)
	require.ErrorIs(t, err, stop)
	require.NoFileExists(t, out)
}

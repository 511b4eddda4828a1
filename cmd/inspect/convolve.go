package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"slices"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/device"
)

const aboutConvolve = `inspect convolve slides a mask over a picture, each channel (grey, or red, green and blue) on its own, as the lecture shows
convolution. The values are the picture's, 0 to 255; in the PNG, results below 0 are black and those above 255 white.

Usage: inspect convolve --kernel MASK -o FILE.png [flags] PICTURE

Masks:
  identity      0  0  0    sharpen  0 -1  0    edge  0  1  0    strong-edge -1 -1 -1
                0  1  0            -1  5 -1          1 -4  1                -1  8 -1
                0  0  0             0 -1  0          0  1  0                -1 -1 -1
  or a file: a line for each row with commas or blanks between the numbers, or .npy [rows, columns]

Examples:
  inspect convolve --kernel sharpen -o sharp.png cat.jpg
        the lecture's mask
  inspect convolve --kernel mask.csv --true --padding none --normalise -o out.png cat.jpg
        a mask of your own, rotated by 180 degrees as in signal processing; the smallest result black, the largest white

Flags:
`

// mostPixels bounds the picture: each takes some 40 bytes.
const mostPixels = 1 << 24

func convolve(_ context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var on cli.Device
	var out outFiles
	var kernel, padding string
	var rotate, normalise bool
	f := cli.NewFlags("convolve")
	on.Declare(f)
	out.declare(f, "the results [channels, height, width]")
	f.StringVar(&kernel, "kernel", "", "`mask`: identity, sharpen, edge, strong-edge, or a file")
	f.BoolVar(&rotate, "true", false, "true convolution: the mask is rotated by 180 degrees before it slides")
	f.StringVar(&padding, "padding", "same", "`same`: zeros around the picture, which keeps its size (the odd one of an even mask below and to the right);\nnone: only where the mask fits")
	f.BoolVar(&normalise, "normalise", false, "draw the smallest result black and the largest white")
	file, err := out.parse(f, aboutConvolve, args, stdout)
	if err != nil {
		return err
	}
	switch {
	case kernel == "":
		return cli.Usagef("no mask: expected --kernel identity, sharpen, edge, strong-edge or a file")
	case padding != "same" && padding != "none":
		return cli.Usagef("--padding: %q, expected same or none", padding)
	}
	m, err := findMask(kernel)
	if err != nil {
		return err
	}
	x, err := readWhole(file)
	if err != nil {
		return err
	}
	var spec device.ConvSpec
	if padding == "same" {
		spec.Padding = device.Padding{Top: (m.height - 1) / 2, Bottom: m.height / 2, Left: (m.width - 1) / 2, Right: m.width / 2}
	}
	if height, width := x.Shape()[2], x.Shape()[3]; padding == "none" && (m.height > height || m.width > width) {
		return fmt.Errorf("%s: a picture of %d x %d, expected at least the mask's %d x %d", file, width, height, m.width, m.height)
	}
	dev, chosen, err := on.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	values, shape, err := convolveOn(dev, x, m, spec, rotate)
	if err != nil {
		return err
	}
	low, high := slices.Min(values), slices.Max(values)
	drawn := values
	if normalise {
		drawn = spread(values)
		for i := range drawn {
			drawn[i] *= 255
		}
	}
	channels, height, width := shape[0], shape[2], shape[3]
	if err := out.write(drawClipped(drawn, channels, width), values, channels, height, width); err != nil {
		return err
	}
	fmt.Fprintln(stderr, chosen)
	_, err = fmt.Fprintf(stdout, "%s: %d x %d, %d channels, results %.6g to %.6g\n", out.picture, width, height, channels, low, high)
	return err
}

// convolveOn slides the mask over the channels, each of which is a sample.
func convolveOn(dev device.Device, x *tensor.Dense, m mask, spec device.ConvSpec, rotate bool) ([]float64, tensor.Shape, error) {
	tape := autograd.NewTape(dev)
	tape.NoGrad = true
	defer tape.Reset()
	slide := autograd.Conv2D
	if rotate {
		slide = autograd.TrueConv2D
	}
	y := slide(tape.Input(x), tape.Input(m.dense()), nil, spec)
	if err := tape.Err(); err != nil {
		return nil, nil, err
	}
	values, err := y.Tensor().Floats()
	return values, y.Shape().Clone(), err
}

// readWhole reads a picture in its own size, 0 to 255: [channels, 1, height, width].
func readWhole(file string) (*tensor.Dense, error) {
	if err := data.CheckPicture(file); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	head, _, err := image.DecodeConfig(f)
	f.Close()
	if err != nil {
		return nil, &data.PictureError{Path: file, Err: err}
	}
	if head.Width > mostPixels/head.Height {
		return nil, fmt.Errorf("%s: a picture of %d x %d, expected at most %d pixels", file, head.Width, head.Height, mostPixels)
	}
	channels := 3
	if head.ColorModel == color.GrayModel || head.ColorModel == color.Gray16Model {
		channels = 1
	}
	x := make([]float32, channels*head.Height*head.Width)
	if err := data.ReadPicture(file, x, tensor.Shape{channels, head.Height, head.Width}, data.Stretched{}, nil); err != nil {
		return nil, err
	}
	for i := range x {
		x[i] *= 255
	}
	return tensor.New(tensor.WithShape(channels, 1, head.Height, head.Width), tensor.WithBacking(x)), nil
}

// drawClipped makes a picture of one channel or three of 0 to 255.
func drawClipped(values []float64, channels, width int) image.Image {
	size := len(values) / channels
	m := image.NewNRGBA(image.Rect(0, 0, width, size/width))
	for i := range size {
		for c := range 3 {
			m.Pix[4*i+c] = uint8(math.Round(min(max(values[min(c, channels-1)*size+i], 0), 255)))
		}
		m.Pix[4*i+3] = 255
	}
	return m
}

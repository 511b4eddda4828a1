package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"strings"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
)

const aboutFilters = `inspect filters draws the filters of a convolution. Those of three channels are pictures in colour, those of one are grey;
of other layers each filter is a row, with a picture for each channel. Each is drawn from its smallest weight (black) to its
largest (white).

Usage: inspect filters --run FOLDER -o FILE.png [flags]
       inspect filters --model NAME --weights FILE -o FILE.png [flags]

Examples:
  inspect filters --run runs/cnn-small-20260131-120000 -o filters.png
        what the first layer has learned
  inspect filters --model alexnet --weights alexnet.pth --layer features.3 --count 16 -o filters.png
        the first 16 filters of the second convolution

Flags:
`

// mostFilters bounds what a row or the whole of a grid may ask for.
const mostFilters = 4096

func drawFilters(_ context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, out, layer, count := &subject{}, "", "", 0
	f := cli.NewFlags("filters")
	s.declare(f)
	f.StringVar(&layer, "layer", "", "`name` of a convolution (default the first)")
	f.IntVar(&count, "count", 0, "filters to draw, from the first on; 0: all")
	f.StringVar(&out, "o", "", "PNG `file` to write")
	arguments, err := cli.Parse(f, aboutFilters, args, stdout)
	switch {
	case err != nil:
		return err
	case len(arguments) > 0:
		return cli.Usagef("unexpected argument %q: settings are given as flags", arguments[0])
	case out == "":
		return cli.Usagef("no file: expected -o FILE.png")
	case count < 0:
		return cli.Usagef("--count: %d, expected at least 1, or 0 for all", count)
	}
	if err := s.choice.Check(); err != nil {
		return err
	}
	if err := s.open(""); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	weight, err := s.filters(layer)
	if err != nil {
		return err
	}
	values, err := weight.Tensor().Floats()
	if err != nil {
		return err
	}
	name, shape := strings.TrimSuffix(weight.Name, ".weight"), weight.Shape()
	n, depth, height, width := shape[0], shape[1], shape[2], shape[3]
	if count > 0 {
		n = min(n, count)
	}
	if depth != 3 && n*depth > mostFilters {
		return cli.Usagef("%d filters of %d channels are too many pictures, expected --count of at most %d", n, depth, max(1, mostFilters/depth))
	}
	var pictures []image.Image
	columns := depth
	if depth == 1 || depth == 3 {
		columns = squareColumns(n)
	}
	size := height * width
	for i := range n {
		filter := spread(values[i*depth*size : (i+1)*depth*size])
		if depth == 3 {
			pictures = append(pictures, drawRGB(filter, width))
			continue
		}
		for c := range depth {
			pictures = append(pictures, grey.draw(filter[c*size:(c+1)*size], width))
		}
	}
	grid, err := drawTiles(pictures, columns)
	if err != nil {
		return err
	}
	if err := writePNG(out, grid); err != nil {
		return err
	}
	fmt.Fprintln(stderr, s.chosen)
	shown := values[:n*depth*size]
	_, err = fmt.Fprintf(stdout, "%s: %d of %d filters of layer %s, %d x %d x %d, weights %.4g to %.4g\n", out, n, shape[0], name, depth, height, width, slices.Min(shown), slices.Max(shown))
	return err
}

// filters are the weights of the convolution of that name, or of the first.
func (s *subject) filters(layer string) (*autograd.Value, error) {
	var names []string
	for _, p := range s.net.Parameters {
		if len(p.Shape()) != 4 {
			continue
		}
		name := strings.TrimSuffix(p.Name, ".weight")
		if layer == "" || name == layer {
			return p, nil
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, cli.Usagef("network %s has no convolution", s.card.Model)
	}
	for _, r := range s.net.Rows {
		if r.Name == layer {
			return nil, cli.Usagef("--layer: %s (%s) is not a convolution, expected one of %s", layer, r.Kind, strings.Join(names, ", "))
		}
	}
	return nil, cli.Usagef("--layer: no convolution %q, expected one of %s", layer, strings.Join(names, ", "))
}

// squareColumns makes a grid about as wide as high.
func squareColumns(n int) int { return int(math.Ceil(math.Sqrt(float64(n)))) }

// drawRGB makes a picture in colour of three planes of 0 to 1.
func drawRGB(values []float64, width int) image.Image {
	size := len(values) / 3
	m := image.NewNRGBA(image.Rect(0, 0, width, size/width))
	for i := range size {
		for c := range 3 {
			m.Pix[4*i+c] = uint8(math.Round(255 * values[c*size+i]))
		}
		m.Pix[4*i+3] = 255
	}
	return m
}

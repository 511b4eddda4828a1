package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
)

const aboutFeatureMaps = `inspect feature-maps shows a network a picture and draws what a layer makes of it: a picture for each channel, from its
smallest value (dark) to its largest (bright). The picture is prepared as predict does.

Usage: inspect feature-maps --run FOLDER -o FILE.png [flags] PICTURE
       inspect feature-maps --model NAME --weights FILE -o FILE.png [flags] PICTURE

Examples:
  inspect feature-maps --run runs/cnn-small-20260131-120000 -o maps.png digit.png
        the maps of the first convolution, after its activation
  inspect feature-maps --model resnet18 --weights resnet18.pth --layer layer4 -o maps.png cat.jpg
        those that the fourth stage ends with
  inspect feature-maps --run runs/cnn-large-20260131-120000 --layer all -o maps digit.png
        a file in folder maps for each layer

Flags:
`

func drawFeatureMaps(_ context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, layer, palette := &subject{}, "", ""
	var out outFiles
	f := cli.NewFlags("feature-maps")
	s.declare(f)
	out.declare(f, "the maps [C, H, W]")
	f.StringVar(&layer, "layer", "", "`name` of a layer, or of several in one (layer4); all: a file for each, -o being the folder\n(default the first convolution's activation)")
	f.StringVar(&palette, "colours", "grey", "`grey` or viridis")
	file, err := out.parse(f, aboutFeatureMaps, args, stdout)
	if err != nil {
		return err
	}
	if layer == "all" && out.values != "" {
		return cli.Usagef("--values are of one layer, expected no --layer all")
	}
	c, err := findColours(palette)
	if err != nil {
		return err
	}
	if err := s.choice.Check(); err != nil {
		return err
	}
	if err := s.open(file); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	tape := autograd.NewTape(s.net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	_, maps, err := s.forward(tape, tape.Input(s.dense(s.sample)))
	if err != nil {
		return err
	}
	if layer == "all" {
		if err := allMaps(out.picture, maps, c, stdout); err != nil {
			return err
		}
		_, err := fmt.Fprintln(stderr, s.chosen)
		return err
	}
	m, err := firstMaps(maps)
	if layer != "" {
		m, err = findMaps(maps, layer)
	}
	if err != nil {
		return err
	}
	grid, values, err := m.draw(c)
	if err != nil {
		return err
	}
	if err := out.write(grid, values, m.value.Shape()[1:]...); err != nil {
		return err
	}
	fmt.Fprintln(stderr, s.chosen)
	_, err = fmt.Fprintf(stdout, "%s: layer %s\n", out.picture, m)
	return err
}

// allMaps writes a file for each layer, its number first so that they are in order.
func allMaps(folder string, maps []observed, c colours, stdout io.Writer) error {
	names := layerNames(maps)
	if len(names) == 0 {
		return cli.Usagef("the network makes no feature maps")
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("%s: %w", folder, cli.Cause(err))
	}
	for i, name := range names {
		var m observed
		for _, one := range maps { // its own last, not that of a layer within
			if one.layer == name {
				m = one
			}
		}
		grid, _, err := m.draw(c)
		if err != nil {
			return err
		}
		path := filepath.Join(folder, fmt.Sprintf("%03d-%s.png", i+1, strings.Map(inFileName, name)))
		if err := writePNG(path, grid); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(stdout, "%s: layer %s\n", path, m); err != nil {
			return err
		}
	}
	return nil
}

// inFileName replaces what has a meaning in paths: the layers of ONNX files have names such as /layer1/Conv.
func inFileName(r rune) rune {
	if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
		return '_'
	}
	return r
}

// draw draws the maps, and gives their numbers.
func (m observed) draw(c colours) (grid image.Image, values []float64, err error) {
	if values, err = m.value.Tensor().Floats(); err != nil {
		return nil, nil, err
	}
	shape := m.value.Shape()
	size := shape[2] * shape[3]
	var pictures []image.Image
	for i := range shape[1] {
		pictures = append(pictures, c.draw(spread(values[i*size:(i+1)*size]), shape[3]))
	}
	grid, err = drawTiles(pictures, squareColumns(shape[1]))
	return grid, values, err
}

func (m observed) String() string {
	shape := m.value.Shape()
	return fmt.Sprintf("%s, %d maps of %d x %d", m.layer, shape[1], shape[2], shape[3])
}

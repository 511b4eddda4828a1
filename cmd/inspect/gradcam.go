package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
	"fovea/device"
)

const aboutGradCAM = `inspect gradcam draws where in a picture a network sees a class (Selvaraju and others, "Grad-CAM: Visual Explanations from
Deep Networks via Gradient-based Localization", 2017): the maps A of a convolution, each weighted with the mean over its places
of the gradient of the class's score (before softmax), are summed, and what is above 0 is enlarged to the picture's size
(bilinear). Red is the most, blue is nothing.

Usage: inspect gradcam --run FOLDER -o FILE.png [flags] PICTURE
       inspect gradcam --model NAME --weights FILE -o FILE.png [flags] PICTURE

Examples:
  inspect gradcam --model resnet50 --weights resnet50.pth -o cam.png cat.jpg
        for the likeliest class, by the last maps before the mean over all places
  inspect gradcam --run runs/cnn-small-20260131-120000 --class 3 --values cam.npy -o cam.png digit.png
        for class 3, and the map's numbers

Flags:
`

func gradCAM(_ context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, layer, class := &subject{}, "", ""
	var out outFiles
	f := cli.NewFlags("gradcam")
	s.declare(f)
	out.declare(f, "the map [h, w] in the layer's size, not yet scaled")
	f.StringVar(&layer, "layer", "", "`name` of a layer, or of several in one (layer4)\n(default the last convolution with more than one place, with its activation)")
	f.StringVar(&class, "class", "", "`class`, by number or name (default the likeliest)")
	file, err := out.parse(f, aboutGradCAM, args, stdout)
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
	for _, p := range s.net.Parameters { // of which no gradient is wanted
		p.Frozen = true
	}
	tape := autograd.NewTape(s.net.Device)
	defer tape.Reset()
	y, maps, err := s.forward(tape, tape.Variable(s.dense(s.sample)))
	if err != nil {
		return err
	}
	m, err := lastMaps(maps)
	if layer != "" {
		m, err = findMaps(maps, layer)
	}
	if err != nil {
		return err
	}
	outputs, err := s.outputs(y)
	if err != nil {
		return err
	}
	k, err := s.class(class, outputs)
	if err != nil {
		return err
	}
	cam, err := camOf(tape, m.value, y, k)
	if err != nil {
		return fmt.Errorf("layer %s: %w", m.layer, err)
	}
	shape := m.value.Shape()
	heat := enlarge(cam, [2]int{shape[2], shape[3]}, [2]int{s.card.Sample[1], s.card.Sample[2]})
	if largest := slices.Max(heat); largest > 0 {
		for i := range heat {
			heat[i] /= largest
		}
	}
	share := s.shareText(s.share(outputs, k))
	grid, err := s.drawHeat(fmt.Sprintf("class %s: %s, layer %s", s.className(k), share, m.layer), "Grad-CAM", heat)
	if err != nil {
		return err
	}
	if err := out.write(grid, cam, shape[2], shape[3]); err != nil {
		return err
	}
	fmt.Fprintln(stderr, s.chosen)
	at := slices.Index(cam, slices.Max(cam))
	_, err = fmt.Fprintf(stdout, "%s: class %s %s, layer %s, most (%.4g) at row %d, column %d\n", out.picture, s.className(k), share, m, cam[at], at/shape[3], at%shape[3])
	return err
}

// camOf is the class activation map of output k.
func camOf(tape *autograd.Tape, maps, y *autograd.Value, k int) ([]float64, error) {
	shape := maps.Shape()
	values, err := maps.Tensor().Floats()
	if err != nil {
		return nil, err
	}
	if err := tape.Backward(autograd.Sum(autograd.Slice(y, []int{0, k}, []int{1, k + 1}), false)); err != nil {
		return nil, err
	}
	if maps.Grad() == nil {
		return nil, errors.New("the class does not depend on its maps")
	}
	gradient, err := maps.Grad().Floats()
	if err != nil {
		return nil, err
	}
	size := shape[2] * shape[3]
	cam := make([]float64, size)
	for c := range shape[1] {
		weight := 0.0
		for _, g := range gradient[c*size : (c+1)*size] {
			weight += g
		}
		weight /= float64(size)
		for i := range cam {
			cam[i] += weight * values[c*size+i]
		}
	}
	for i, v := range cam {
		cam[i] = max(v, 0)
	}
	return cam, nil
}

// enlarge interpolates a map, bilinearly, to another height and width.
func enlarge(m []float64, from, to [2]int) []float64 {
	spec := device.UpsampleSpec{Bilinear: true}
	out := make([]float64, to[0]*to[1])
	for y := range to[0] {
		top, bottom, down := spec.Source(y, from[0], to[0])
		for x := range to[1] {
			left, right, across := spec.Source(x, from[1], to[1])
			row := func(r int) float64 { return (1-across)*m[r*from[1]+left] + across*m[r*from[1]+right] }
			out[y*to[1]+x] = (1-down)*row(top) + down*row(bottom)
		}
	}
	return out
}

// drawHeat draws the picture, the heat (0 to 1 for each of its pixels), and one over the other.
func (s *subject) drawHeat(title, kind string, heat []float64) (image.Image, error) {
	seen, hot := s.picture(), jet.draw(heat, s.card.Sample[2])
	return drawGrid([]row{{title: title, pictures: []image.Image{seen, hot, over(seen, hot)}}}, []string{"as seen", kind, "both"}, "smaller samples")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
)

const aboutOcclusion = `inspect occlusion draws what a network needs to see of a picture (Zeiler and Fergus, "Visualizing and Understanding
Convolutional Networks", 2013, section 4.2): a grey square covers one part of it after the other, and the map shows how likely
the class is then. Each pixel has the mean of all squares that cover it; blue is the least likely, so that what matters is blue.

Usage: inspect occlusion --run FOLDER -o FILE.png [flags] PICTURE
       inspect occlusion --model NAME --weights FILE -o FILE.png [flags] PICTURE

Examples:
  inspect occlusion --run runs/cnn-small-20260131-120000 --size 6 --stride 2 --grey 0 -o map.png digit.png
        a black square on a white digit
  inspect occlusion --model alexnet --weights alexnet.pth --class 281 --values map.npy -o map.png cat.jpg
        for class 281, and the numbers of each square

Flags:
`

// mostSquares bounds what a mistake makes it compute.
const mostSquares = 100_000

// occlusionSettings are the flags of inspect occlusion.
type occlusionSettings struct {
	subject
	out                 outFiles
	size, stride, batch int
	class               string
	grey                float64
}

func occlusion(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s := &occlusionSettings{}
	f := cli.NewFlags("occlusion")
	s.declare(f)
	s.out.declare(f, "the class's probability with each square [rows, columns]")
	f.IntVar(&s.size, "size", 0, "side of the square in pixels of the sample; 0: a seventh of its shorter side")
	f.IntVar(&s.stride, "stride", 0, "pixels from one square to the next; 0: a quarter of its side")
	f.Float64Var(&s.grey, "grey", 0.5, "the square's `value`, 0 (black) to 1 (white)")
	f.IntVar(&s.batch, "batch", 16, "pictures to compute at once")
	f.StringVar(&s.class, "class", "", "`class`, by number or name (default the likeliest without a square)")
	file, err := s.out.parse(f, aboutOcclusion, args, stdout)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	if err := s.open(file); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	tops, lefts, err := s.squares()
	if err != nil {
		return err
	}
	whole, err := s.compute(s.sample)
	if err != nil {
		return err
	}
	k, err := s.subject.class(s.class, whole)
	if err != nil {
		return err
	}
	values, err := s.slide(ctx, tops, lefts, k)
	if err != nil {
		return err
	}
	share := s.shareText(s.share(whole, k))
	grid, err := s.drawHeat(fmt.Sprintf("class %s: %s", s.className(k), share), "with the square", spread(s.cover(tops, lefts, values)))
	if err != nil {
		return err
	}
	if err := s.out.write(grid, values, len(tops), len(lefts)); err != nil {
		return err
	}
	fmt.Fprintln(stderr, s.chosen)
	at := slices.Index(values, slices.Min(values))
	_, err = fmt.Fprintf(stdout, "%s: class %s %s, %d squares of %d x %d, least (%s) at row %d, column %d\n", s.out.picture, s.className(k), share,
		len(values), s.size, s.size, s.shareText(values[at]), tops[at/len(lefts)], lefts[at%len(lefts)])
	return err
}

// check refuses what cannot be meant.
func (s *occlusionSettings) check() error {
	switch {
	case s.size < 0:
		return cli.Usagef("--size: %d, expected at least 1, or 0", s.size)
	case s.stride < 0:
		return cli.Usagef("--stride: %d, expected at least 1, or 0", s.stride)
	case !(s.grey >= 0 && s.grey <= 1):
		return cli.Usagef("--grey: %v, expected 0 (black) to 1 (white)", s.grey)
	}
	if err := cli.AtLeast("batch", s.batch, 1); err != nil {
		return err
	}
	return s.choice.Check()
}

// squares are the first rows and columns of the squares: all that fit, and a last one at the edge.
func (s *occlusionSettings) squares() (tops, lefts []int, err error) {
	height, width := s.card.Sample[1], s.card.Sample[2]
	shorter := min(height, width)
	if s.size == 0 {
		s.size = max(1, shorter/7)
	}
	if s.stride == 0 {
		s.stride = max(1, s.size/4)
	}
	if s.size > shorter {
		return nil, nil, cli.Usagef("--size: %d, expected at most %d, the shorter side of the network's samples", s.size, shorter)
	}
	steps := func(length int) (at []int) {
		for i := 0; i < length-s.size; i += s.stride {
			at = append(at, i)
		}
		return append(at, length-s.size)
	}
	tops, lefts = steps(height), steps(width)
	if n := len(tops) * len(lefts); n > mostSquares {
		return nil, nil, cli.Usagef("%d squares, expected at most %d: a larger --stride", n, mostSquares)
	}
	return tops, lefts, nil
}

// slide computes the share of output k with each square.
func (s *occlusionSettings) slide(ctx context.Context, tops, lefts []int, k int) ([]float64, error) {
	var values []float64
	total, size := len(tops)*len(lefts), len(s.seen)
	x := make([]float32, min(s.batch, total)*size)
	for at := 0; at < total; at += s.batch {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n := min(s.batch, total-at)
		for i := range n {
			one := x[i*size : (i+1)*size]
			copy(one, s.seen)
			s.hide(one, tops[(at+i)/len(lefts)], lefts[(at+i)%len(lefts)])
			s.preparation.Apply(one)
		}
		outputs, err := s.compute(x[:n*size])
		if err != nil {
			return nil, err
		}
		for i := range n {
			values = append(values, s.share(outputs[i*s.card.Outputs:(i+1)*s.card.Outputs], k))
		}
	}
	return values, nil
}

// hide puts the square into a picture of 0 to 1.
func (s *occlusionSettings) hide(x []float32, top, left int) {
	height, width := s.card.Sample[1], s.card.Sample[2]
	for c := range s.card.Sample[0] {
		for row := top; row < top+s.size; row++ {
			line := x[(c*height+row)*width:]
			for column := left; column < left+s.size; column++ {
				line[column] = float32(s.grey)
			}
		}
	}
}

// compute shows the network prepared samples.
func (s *occlusionSettings) compute(x []float32) ([]float64, error) {
	tape := autograd.NewTape(s.net.Device)
	tape.NoGrad = true
	defer tape.Reset()
	y := s.net.Forward(tape.Input(s.dense(x)))
	if err := tape.Err(); err != nil {
		return nil, err
	}
	return s.outputs(y)
}

// cover gives each pixel the mean of the squares that cover it; one between squares far apart has the mean of all.
func (s *occlusionSettings) cover(tops, lefts []int, values []float64) []float64 {
	height, width := s.card.Sample[1], s.card.Sample[2]
	sum, count, all := make([]float64, height*width), make([]int, height*width), 0.0
	for i, v := range values {
		all += v / float64(len(values))
		for row := range s.size {
			for column := range s.size {
				at := (tops[i/len(lefts)]+row)*width + lefts[i%len(lefts)] + column
				sum[at] += v
				count[at]++
			}
		}
	}
	for at := range sum {
		if count[at] == 0 {
			sum[at] = all
			continue
		}
		sum[at] /= float64(count[at])
	}
	return sum
}

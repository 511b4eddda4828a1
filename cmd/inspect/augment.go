package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/data/augment"
)

const aboutAugment = `inspect augment draws what augmentation makes of samples, as a grid: each sample as it is, then as train sees it in one
epoch after the other with the same --data, --augment, --crop and --seed.

Usage: inspect augment [--data SET | --image FILE ...] --augment LIST -o GRID.png [flags]

Examples:
  inspect augment --data mnist --augment mnist -o grid.png
        four digits, moved and turned a little in each of eight epochs
  inspect augment --image cat.jpg --augment crop:16,flip,rotate:15,jitter,erase -o grid.png
        a picture of your own
  inspect augment --image cat.jpg --image dog.jpg --each -o grid.png
        a row for each transform that there is, made whatever its probability, and for mixup and cutmix
  inspect augment --data mnist --cutmix 1 -o grid.png
        digits mixed with one another, the share of each class beneath

`

// augmentSettings are the flags of inspect augment.
type augmentSettings struct {
	data, dataDir, augment, crop, out string
	images                            []string
	input                             cli.Sample
	each                              bool
	samples, epochs, epoch            int
	mixup, cutmix                     float64
	seed                              uint64

	transforms []data.Transform
	mixer      data.Mixer
	cropping   data.Crop
	sample     tensor.Shape
}

// What a grid holds at most, and so what a mistake makes it allocate.
const (
	mostRows, mostColumns = 64, 64
	mostSide              = 1024
)

func augmentGrid(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := &augmentSettings{}
	f := cli.NewFlags("augment")
	f.StringVar(&s.data, "data", "mnist", "data `set`: "+strings.Join(data.Names(), " or "))
	f.StringVar(&s.dataDir, "data-dir", "", "`folder` with the data's own files (default the user's cache folder)")
	f.Func("image", "picture `file`, in place of --data; may be given several times", func(file string) error {
		s.images = append(s.images, file)
		return nil
	})
	f.StringVar(&s.augment, "augment", "", "`list` of transforms, in the order in which they are made: NAME:PARAMETER/PARAMETER,NAME,... as below")
	f.Float64Var(&s.mixup, "mixup", 0, "mix samples by a share of Beta(`a`, a); 0: not")
	f.Float64Var(&s.cutmix, "cutmix", 0, "put a part of one sample in another, its area by Beta(`a`, a); 0: not")
	f.BoolVar(&s.each, "each", false, "a row for each transform")
	f.StringVar(&s.crop, "crop", "", "`part` that is taken of pictures of any size: "+data.CropForms+"\n(default the middle, as train takes it to validate; to train on, its default is resized)")
	f.Var(&s.input, "input", "`CxHxW` of a sample made of a picture of any size (default 3x224x224)")
	f.IntVar(&s.samples, "samples", 4, "samples to show, from the first on")
	f.IntVar(&s.epochs, "epochs", 8, "epochs to show")
	f.IntVar(&s.epoch, "epoch", 1, "the first of those, counted from 1 as train does")
	f.Uint64Var(&s.seed, "seed", 1, "of all that is random, as that of train")
	f.StringVar(&s.out, "o", "", "PNG `file` to write")
	arguments, err := cli.Parse(f, aboutAugment+"Flags:\n", args, stdout)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, "\nTransforms (parameters left out at the end are as by default):")
			return errors.Join(err, augment.List(stdout))
		}
		return err
	}
	if len(arguments) > 0 {
		return cli.Usagef("unexpected argument %q: settings are given as flags", arguments[0])
	}
	if err := s.check(); err != nil {
		return err
	}
	set, err := s.open(ctx, stderr)
	if err != nil {
		return err
	}
	rows, err := s.rows(ctx, set)
	if err != nil {
		return err
	}
	titles := []string{"as it is"}
	for e := range s.epochs {
		titles = append(titles, fmt.Sprintf("epoch %d", s.epoch+e))
	}
	grid, err := drawGrid(rows, titles, "fewer --samples or --epochs, or a smaller --input")
	if err != nil {
		return err
	}
	if err := writePNG(s.out, grid); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %d rows, %d epochs from %d on, of %s with seed %d\n", s.out, len(rows), s.epochs, s.epoch, set.Info().Name, s.seed)
	return err
}

// check refuses what cannot be meant.
func (s *augmentSettings) check() (err error) {
	if err := cmp.Or(cli.AtLeast("samples", s.samples, 1), cli.AtLeast("epochs", s.epochs, 1), cli.AtLeast("epoch", s.epoch, 1)); err != nil {
		return err
	}
	switch {
	case s.out == "":
		return cli.Usagef("no file: expected -o FILE.png")
	case s.samples > mostRows:
		return cli.Usagef("--samples: %d, expected at most %d", s.samples, mostRows)
	case s.epochs > mostColumns:
		return cli.Usagef("--epochs: %d, expected at most %d", s.epochs, mostColumns)
	case s.each && (s.augment != "" || s.mixup != 0 || s.cutmix != 0):
		return cli.Usagef("--each shows all there is, expected no --augment, --mixup or --cutmix beside it")
	case !s.each && s.augment == "" && s.mixup == 0 && s.cutmix == 0 && s.crop == "":
		return cli.Usagef("nothing to show: expected --augment, --mixup, --cutmix, --crop or --each")
	}
	if s.augment != "" {
		if s.transforms, err = augment.Parse(s.augment); err != nil {
			return cli.Usagef("--augment: %w", err)
		}
	}
	if s.mixer, err = augment.NewMixer(s.mixup, s.cutmix); err != nil {
		return cli.Usagef("--%w", err)
	}
	if s.crop != "" {
		if s.cropping, err = data.ParseCrop(s.crop); err != nil {
			return cli.Usagef("--crop: %w", err)
		}
	}
	s.sample = s.input.Shape(tensor.Shape{3, 224, 224})
	if c, h, w := s.sample[0], s.sample[1], s.sample[2]; c != 1 && c != 3 || max(h, w) > mostSide {
		return cli.Usagef("--input: %v, expected 1 or 3 channels and sides of at most %d", cli.Sample(s.sample), mostSide)
	}
	if len(s.images) > mostRows {
		return cli.Usagef("--image: %d files, expected at most %d", len(s.images), mostRows)
	}
	return nil
}

// open returns the samples to show.
func (s *augmentSettings) open(ctx context.Context, stderr io.Writer) (data.Set, error) {
	if len(s.images) > 0 {
		return newImageFiles(s.images, s.sample), nil
	}
	sets, err := data.Open(ctx, s.data, data.Options{Dir: s.dataDir, Sample: s.sample,
		Log: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }})
	if errors.Is(err, data.ErrUsage) {
		return nil, cli.Usagef("--data: %w", err)
	}
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	set := sets.Train
	if sample := set.Info().Sample; sample[0] != 1 && sample[0] != 3 || max(sample[1], sample[2]) > mostSide {
		return nil, fmt.Errorf("--data %s: samples %v, expected 1 or 3 channels and sides of at most %d to show", s.data, sample, mostSide)
	}
	if err := augment.Check(set); err != nil {
		return nil, err
	}
	indices := make([]int, min(s.samples, set.Len()))
	for i := range indices {
		indices[i] = i
	}
	return data.NewSubset(set, indices)
}

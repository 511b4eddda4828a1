package main

import (
	"cmp"
	"flag"
	"io"
	"slices"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/network"
)

// settings is everything the user may choose.
type settings struct {
	network              network.Choice
	device               cli.Device
	topK, batch, workers int
	onBad                string
	json                 bool
	logits               string
	inputs               []string
	serving
}

const about = `predict shows what a trained network says of each input: the likeliest classes, or the outputs of a regression.

Usage: predict [flags] INPUT...
       predict [flags] --serve ADDRESS

An input is a PNG, JPEG or GIF picture (of an animation, the first frame); a folder, of which all pictures below it are taken,
in the order of their names; a NumPy array of float32 [N,C,H,W] in a file .npy, which is given to the network as it is; or -,
a picture or an array on standard input. A picture becomes a sample as those that the network was evaluated on: resized
(bilinear, antialiased) so that its shorter side has the training's number of pixels, of which the middle is taken, or
stretched to the network's height and width, as for mnist (not at all if it has that size); colours are taken as red, green,
blue for 3 channels or as their grey (0.299 R + 0.587 G + 0.114 B) for 1; transparency shows black; an orientation noted by a
camera is not heeded; 0..255 is multiplied with the scale of the training data, whose mean and deviation are then taken out.
Nothing is inverted: to a network trained on MNIST, give one digit per picture, white on black, with MNIST's margins.
Weights from elsewhere (no run of train) for pictures in colour get them as torchvision's networks do: shorter side 256 for
224, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225.

With --serve it answers requests over HTTP instead, until it is interrupted: http://ADDRESS/ says how to ask.

Examples:
  predict --run runs/cnn-small-20260131-120000 digit.png
        the three likeliest classes of one picture
  predict --model mlp --weights mlp.safetensors --top-k 1 --json *.png
        weights from a file; one JSON line per picture
  predict --run runs/large --on-bad-image skip pictures
        all pictures of a folder that can be read
  predict --run runs/large --device cpu --logits out.npy batch.npy
        an array of samples, and the network's raw outputs kept as an array
  predict --run runs/large --serve 8080
        answers at http://127.0.0.1:8080/predict

Flags:
`

// parse reads the command line.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	f := cli.NewFlags("predict")
	s.network.Declare(f)
	s.device.Declare(f)
	f.IntVar(&s.topK, "top-k", 3, "classes to show, at most as many as there are")
	f.IntVar(&s.batch, "batch", 64, "inputs to compute at once, at most; with --serve the default is 16")
	f.IntVar(&s.workers, "workers", 0, "pictures to decode at once; 0: as many as there are processors")
	f.StringVar(&s.onBad, "on-bad-image", "fail", "`what` to do about a damaged picture: fail, or skip (it is named and counted on standard error)")
	f.BoolVar(&s.json, "json", false, "print one JSON line per input")
	f.StringVar(&s.logits, "logits", "", "`file`.npy for the network's raw outputs [N, outputs]")
	s.serving.declare(f)
	var err error
	if s.inputs, err = cli.Parse(f, about, args, stdout); err != nil {
		return nil, err
	}
	var given []string
	f.Visit(func(f *flag.Flag) { given = append(given, f.Name) })
	return s, s.check(given)
}

// check refuses what cannot be meant.
func (s *settings) check(given []string) error {
	if err := s.network.Check(); err != nil {
		return err
	}
	if err := cmp.Or(cli.AtLeast("top-k", s.topK, 1), cli.AtLeast("batch", s.batch, 1), cli.AtLeast("workers", s.workers, 0)); err != nil {
		return err
	}
	if slices.Contains(given, "serve") {
		return s.checkServing(given)
	}
	for _, name := range given {
		if slices.Contains(servingFlags, name) {
			return cli.Usagef("--%s: expected --serve with it", name)
		}
	}
	switch {
	case s.onBad != "fail" && s.onBad != "skip":
		return cli.Usagef("--on-bad-image: %q, expected fail or skip", s.onBad)
	case s.logits != "" && !isArray(s.logits):
		return cli.Usagef("--logits: %q, expected a name that ends in .npy", s.logits)
	case len(s.inputs) == 0:
		return cli.Usagef("nothing to predict: expected pictures, folders, .npy arrays, or - for standard input")
	}
	if first := slices.Index(s.inputs, standardInput); first >= 0 && slices.Contains(s.inputs[first+1:], standardInput) {
		return cli.Usagef("-: standard input twice, expected once")
	}
	return nil
}

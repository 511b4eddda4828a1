package main

import (
	"cmp"
	"io"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/network"
)

// settings is everything the user may choose.
type settings struct {
	network     network.Choice
	device      cli.Device
	topK, batch int
	json        bool
	logits      string
	inputs      []string
}

const about = `predict shows what a trained network says of each input: the likeliest classes, or the outputs of a regression.

Usage: predict [flags] PICTURE...
       predict [flags] BATCH.npy

Inputs are PNG, JPEG or GIF pictures (of an animation, the first frame), or one NumPy array of float32 [N,C,H,W] that is
given to the network as it is. A picture becomes a sample as those that the network was evaluated on: resized (bilinear,
antialiased) so that its shorter side has the training's number of pixels, of which the middle is taken, or stretched to
the network's height and width, as for mnist (not at all if it has that size); colours are taken as red, green, blue for 3
channels or as their grey (0.299 R + 0.587 G + 0.114 B) for 1; transparency shows black; an orientation noted by a camera
is not heeded; 0..255 is multiplied with the scale of the training data, whose mean and deviation are then taken out.
Nothing is inverted: to a network trained on MNIST, give one digit per picture, white on black, with MNIST's margins.
Weights from elsewhere (no run of train) for pictures in colour get them as torchvision's networks do: shorter side 256 for
224, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225.

Examples:
  predict --run runs/cnn-small-20260131-120000 digit.png
        the three likeliest classes of one picture
  predict --model mlp --weights mlp.safetensors --top-k 1 --json *.png
        weights from a file; one JSON line per picture
  predict --run runs/large --device cpu --logits out.npy batch.npy
        an array of samples, and the network's raw outputs kept as an array

Flags:
`

// parse reads the command line.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	f := cli.NewFlags("predict")
	s.network.Declare(f)
	s.device.Declare(f)
	f.IntVar(&s.topK, "top-k", 3, "classes to show, at most as many as there are")
	f.IntVar(&s.batch, "batch", 64, "inputs to compute at once")
	f.BoolVar(&s.json, "json", false, "print one JSON line per input")
	f.StringVar(&s.logits, "logits", "", "`file`.npy for the network's raw outputs [N, outputs]")
	var err error
	if s.inputs, err = cli.Parse(f, about, args, stdout); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check refuses what cannot be meant.
func (s *settings) check() error {
	if err := s.network.Check(); err != nil {
		return err
	}
	switch {
	case s.logits != "" && !isArray(s.logits):
		return cli.Usagef("--logits: %q, expected a name that ends in .npy", s.logits)
	case len(s.inputs) == 0:
		return cli.Usagef("nothing to predict: expected pictures, or one .npy batch")
	}
	if err := cmp.Or(cli.AtLeast("top-k", s.topK, 1), cli.AtLeast("batch", s.batch, 1)); err != nil {
		return err
	}
	for _, name := range s.inputs {
		if isArray(name) && len(s.inputs) > 1 {
			return cli.Usagef("%s: a .npy batch stands alone, found %d inputs", name, len(s.inputs))
		}
	}
	return nil
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"strconv"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/nn"
	"fovea/nn/weights"
)

// subject is a trained network that is looked into, and a picture that it is shown.
type subject struct {
	choice network.Choice
	device cli.Device

	net         *nn.Network
	card        *weights.Card
	file        string
	preparation *network.Preparation
	seen        []float32 // of the picture, what the network sees: values of 0 to 1
	sample      []float32 // that as the network takes it
	chosen      string    // the line about the device
}

// declare makes the flags of the network.
func (s *subject) declare(f *flag.FlagSet) {
	s.choice.Declare(f)
	s.device.Declare(f)
}

// takePicture is the picture of a command line that must have one and nothing else.
func takePicture(arguments []string) (string, error) {
	switch {
	case len(arguments) == 0:
		return "", cli.Usagef("no picture: expected one PNG, JPEG or GIF file")
	case len(arguments) > 1:
		return "", cli.Usagef("unexpected argument %q: expected one picture", arguments[1])
	}
	return arguments[0], nil
}

// open gets the network and, unless file is "", the picture. Close it.
func (s *subject) open(file string) (err error) {
	dev, chosen, err := s.device.Open()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dev.Close())
		}
	}()
	path, err := s.choice.Path()
	if err != nil {
		return err
	}
	if s.card, err = s.choice.Card(path); err != nil {
		return err
	}
	if file != "" {
		if err := s.look(file); err != nil {
			return err
		}
	}
	s.net, err = network.Build(unfused{dev}, s.card, path)
	s.chosen = chosen
	return err
}

func (s *subject) look(file string) (err error) {
	if s.preparation, err = network.NewPreparation(s.card); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	s.file = file
	s.seen = make([]float32, s.card.Sample.TotalSize())
	if err := s.preparation.Cut(file, s.seen); err != nil {
		return err
	}
	s.sample = slices.Clone(s.seen)
	s.preparation.Apply(s.sample)
	return nil
}

func (s *subject) close() error {
	s.net.Release()
	return s.net.Device.Close()
}

// picture draws what the network sees.
func (s *subject) picture() image.Image {
	return picture(data.Info{Sample: s.card.Sample}, &data.Batch{X: s.dense(s.seen)}, 0)
}

// dense makes a batch of samples.
func (s *subject) dense(x []float32) *tensor.Dense {
	n := len(x) / s.card.Sample.TotalSize()
	return tensor.New(tensor.WithShape(append(tensor.Shape{n}, s.card.Sample...)...), tensor.WithBacking(x))
}

// observed is a value that a layer made on the way, feature maps [1, C, H, W].
type observed struct {
	op, layer string
	value     *autograd.Value
}

// forward shows the network the picture and returns its outputs, and all feature maps, which stay until the tape is reset.
func (s *subject) forward(tape *autograd.Tape, x *autograd.Value) (y *autograd.Value, maps []observed, err error) {
	tape.Observe = func(op, layer string, v *autograd.Value) error {
		if len(v.Shape()) == 4 && layer != "" {
			maps = append(maps, observed{op, layer, v.Keep()})
		}
		return nil
	}
	defer func() { tape.Observe = nil }()
	y = s.net.Forward(x)
	return y, maps, tape.Err()
}

// outputs are the network's own for one sample, finite numbers.
func (s *subject) outputs(y *autograd.Value) ([]float64, error) {
	outputs, err := y.Tensor().Floats()
	if err != nil {
		return nil, err
	}
	for k, v := range outputs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s: output %d of the network is %v, expected finite numbers", s.file, k%s.card.Outputs, v)
		}
	}
	return outputs, nil
}

// class is the number of a class that the user names or counts; "" is the likeliest by the outputs.
func (s *subject) class(text string, outputs []float64) (int, error) {
	if text == "" {
		return slices.Index(outputs, slices.Max(outputs)), nil
	}
	if k := slices.Index(s.card.ClassNames, text); k >= 0 {
		return k, nil
	}
	k, err := strconv.Atoi(text)
	if err != nil || k < 0 || k >= s.card.Outputs {
		return 0, cli.Usagef("--class: %q, expected 0 to %d or the name of a class", text, s.card.Outputs-1)
	}
	return k, nil
}

// className is a class for people: "7", or "3 (cat)".
func (s *subject) className(k int) string {
	if k < len(s.card.ClassNames) && s.card.ClassNames[k] != strconv.Itoa(k) {
		return fmt.Sprintf("%d (%s)", k, s.card.ClassNames[k])
	}
	return strconv.Itoa(k)
}

// share is what is shown of an output: a class's probability, or a regression's number.
func (s *subject) share(outputs []float64, k int) float64 {
	if s.card.Regression {
		return outputs[k]
	}
	return network.Softmax(outputs)[k]
}

// shareText writes a share for people.
func (s *subject) shareText(v float64) string {
	if s.card.Regression {
		return strconv.FormatFloat(v, 'g', 6, 32)
	}
	return fmt.Sprintf("%.2f%%", 100*v)
}

// outFiles are where a command's result goes: a picture, and the numbers behind it if they are wanted.
type outFiles struct{ picture, values string }

func (o *outFiles) declare(f *flag.FlagSet, values string) {
	f.StringVar(&o.picture, "o", "", "PNG `file` to write")
	f.StringVar(&o.values, "values", "", "`file`.npy for the numbers too: "+values)
}

// parse reads a command line that has one picture beside the flags, and checks the files that it names.
func (o *outFiles) parse(f *flag.FlagSet, about string, args []string, stdout io.Writer) (picture string, err error) {
	arguments, err := cli.Parse(f, about, args, stdout)
	if err != nil {
		return "", err
	}
	if picture, err = takePicture(arguments); err != nil {
		return "", err
	}
	return picture, o.check()
}

func (o *outFiles) check() error {
	if o.picture == "" {
		return cli.Usagef("no file: expected -o FILE.png")
	}
	if o.values != "" && !isNpy(o.values) {
		return cli.Usagef("--values: %q, expected a name that ends in .npy", o.values)
	}
	return nil
}

// write writes both, the numbers first.
func (o *outFiles) write(m image.Image, values []float64, shape ...int) error {
	if o.values != "" {
		narrow := make([]float32, len(values))
		for i, v := range values {
			narrow[i] = float32(v)
		}
		if err := data.WriteNpy(o.values, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(narrow))); err != nil {
			return err
		}
	}
	return writePNG(o.picture, m)
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
)

// maxSample bounds the elements of a sample that a file may claim: a picture of 1024 x 1024 in colour.
const maxSample = 3 << 20

// weightsPath is the file of weights that the settings name; "" for the network of an ONNX file as it is there.
func (s *settings) weightsPath() (string, error) {
	if s.run == "" {
		return s.weights, nil
	}
	path := filepath.Join(s.run, cli.WeightsFile)
	info, err := os.Stat(s.run)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err == nil {
		if _, missing := os.Stat(path); errors.Is(missing, fs.ErrNotExist) {
			err = fmt.Errorf("no %s in it, expected a run folder of train", cli.WeightsFile)
		}
	}
	if err != nil {
		return "", fmt.Errorf("--run %s: %w", s.run, cli.Cause(err))
	}
	return path, nil
}

// card says what the weights at path are of: what the file says, made whole by the flags where it says nothing.
func (s *settings) card(path string) (*weights.Card, error) {
	read, of := weights.ReadCard, path
	if path == "" {
		read, of = cli.ONNXCard, s.model
	}
	card, err := read(of)
	if err != nil {
		return nil, err
	}
	if card == nil {
		if s.run != "" {
			return nil, fmt.Errorf("weights %s: the file does not say of which network; expected --model and --weights instead of --run", path)
		}
		model, err := cli.FindModel(s.model)
		if err != nil {
			return nil, err
		}
		card = &weights.Card{Model: s.model, Outputs: model.Classes, Sample: model.Sample, Scale: 1.0 / 255}
		if s.classes > 0 && path != "" {
			card.Outputs = s.classes
		}
		prepare(card)
	}
	if err := s.agree(card); err != nil {
		return nil, fmt.Errorf("weights %s: %w", of, err)
	}
	if s.scale.Given {
		card.Scale = float32(s.scale.Value)
	}
	return card, nil
}

// prepare has pictures made ready for weights that do not say how as torchvision's networks for photographs want them.
func prepare(card *weights.Card) {
	if len(card.Sample) != 3 || card.Sample[0] != 3 {
		return
	}
	if info, err := data.PictureInfo("", data.Options{Sample: card.Sample}); err == nil {
		card.Mean, card.Deviation, card.Resize = info.Mean, info.Deviation, info.Resize
	}
}

// agree checks that a card can be meant and says what the flags say.
func (s *settings) agree(card *weights.Card) error {
	if s.model != "" && s.model != card.Model {
		return fmt.Errorf("of network %q, --model says %q", card.Model, s.model)
	}
	if s.classes > 0 && (s.classes != card.Outputs || card.Regression) {
		return fmt.Errorf("%s, --classes says %d", kind(card), s.classes)
	}
	if card.Outputs > cli.MaxClasses {
		return fmt.Errorf("%s, expected at most %d", kind(card), cli.MaxClasses)
	}
	size := 1
	for _, d := range card.Sample {
		if d > maxSample/size {
			return fmt.Errorf("samples %v, expected at most %d elements", card.Sample, maxSample)
		}
		size *= d
	}
	return nil
}

func kind(card *weights.Card) string {
	if card.Regression {
		return fmt.Sprintf("a regression of %d targets", card.Outputs)
	}
	return fmt.Sprintf("%d classes", card.Outputs)
}

// build makes the network of the card with the weights at path, or with those that it has.
func build(dev device.Device, card *weights.Card, path string) (*nn.Network, error) {
	of := "weights " + path
	if path == "" {
		of = "--model"
	}
	model, err := cli.FindModel(card.Model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", of, err)
	}
	net, err := nn.Build(dev, model.New(card.Outputs), card.Sample, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: network %s on samples %v: %w", of, card.Model, card.Sample, err)
	}
	if path != "" {
		err = weights.Load(path, net.State())
	}
	if err == nil && (len(net.Output) != 2 || net.Output[1] != card.Outputs) {
		err = fmt.Errorf("%s: %w: the network gives %v for a sample, expected %d outputs", of, device.ErrShape, net.Output[1:], card.Outputs)
	}
	if err != nil {
		net.Release()
		return nil, err
	}
	return net, nil
}

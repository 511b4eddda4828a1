package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fovea/cmd/internal/cli"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// maxSample bounds the elements of a sample that a file may claim: a picture of 1024 x 1024 in colour.
const maxSample = 3 << 20

// weightsPath is the file of weights that the settings name.
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
	card, err := weights.ReadCard(path)
	if err != nil {
		return nil, err
	}
	if card == nil {
		if s.run != "" {
			return nil, fmt.Errorf("weights %s: the file does not say of which network; expected --model and --weights instead of --run", path)
		}
		model, err := zoo.Find(s.model)
		if err != nil {
			return nil, err
		}
		card = &weights.Card{Model: s.model, Outputs: model.Classes, Sample: model.Sample, Scale: 1.0 / 255}
		if s.classes > 0 {
			card.Outputs = s.classes
		}
	}
	if err := s.agree(card); err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	if s.scale.Given {
		card.Scale = float32(s.scale.Value)
	}
	return card, nil
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

// build makes the network of the card with the weights at path.
func build(dev device.Device, card *weights.Card, path string) (*nn.Network, error) {
	model, err := zoo.Find(card.Model)
	if err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	net, err := nn.Build(dev, model.New(card.Outputs), card.Sample, 0)
	if err != nil {
		return nil, fmt.Errorf("weights %s: network %s on samples %v: %w", path, card.Model, card.Sample, err)
	}
	if err = weights.Load(path, net.State()); err == nil && (len(net.Output) != 2 || net.Output[1] != card.Outputs) {
		err = fmt.Errorf("weights %s: %w: the network gives %v for a sample, expected %d outputs", path, device.ErrShape, net.Output[1:], card.Outputs)
	}
	if err != nil {
		net.Release()
		return nil, err
	}
	return net, nil
}

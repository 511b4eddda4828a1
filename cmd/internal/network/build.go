package network

import (
	"fmt"

	"fovea/cmd/internal/cli"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
)

// Build makes the network of the card with the weights at path, or with those that it has.
func Build(dev device.Device, card *weights.Card, path string) (*nn.Network, error) {
	of := "weights " + path
	if path == "" {
		of = "--model"
	}
	model, err := cli.FindModel(card.Model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", of, err)
	}
	var net *nn.Network
	if path == "" {
		net, err = nn.Build(dev, model.New(card.Outputs), card.Sample, 0)
	} else {
		net, err = nn.Allocate(dev, model.New(card.Outputs), card.Sample)
	}
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

package network

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/nn/weights"
)

// Preparation is how pictures become samples for a network: as those that it was trained on.
type Preparation struct {
	info  data.Info
	scale float32 // what values of 0 to 1 are multiplied with before
}

// NewPreparation is for a network that takes pictures.
func NewPreparation(card *weights.Card) (*Preparation, error) {
	if c := card.Sample[0]; c != 1 && c != 3 {
		return nil, fmt.Errorf("the network takes samples %v; a picture has 1 channel or 3, expected a .npy batch", card.Sample)
	}
	if card.Scale == 0 {
		return nil, fmt.Errorf("the network was trained on numbers, not pictures; expected --scale (such as 0.00392157 for 1/255), or a .npy batch")
	}
	return &Preparation{scale: 255 * card.Scale,
		info: data.Info{Sample: card.Sample, Mean: card.Mean, Deviation: card.Deviation, Resize: card.Resize}}, nil
}

// Sample is the shape of the samples, [C, H, W].
func (p *Preparation) Sample() tensor.Shape { return p.info.Sample }

// Read makes the picture in a file the sample that the network takes.
func (p *Preparation) Read(file string, x []float32) error {
	if err := p.Cut(file, x); err != nil {
		return err
	}
	p.Apply(x)
	return nil
}

// Decode is Read of a file's content, a picture of at most that many pixels; name stands in errors.
func (p *Preparation) Decode(name string, content []byte, pixels int, x []float32) error {
	if err := data.DecodePicture(name, content, pixels, x, p.info.Sample, p.info.Crop()); err != nil {
		return err
	}
	p.Apply(x)
	return nil
}

// Cut takes of the picture in a file what the network sees, as values of 0 (black) to 1.
func (p *Preparation) Cut(file string, x []float32) error {
	return data.ReadPicture(file, x, p.info.Sample, p.info.Crop(), nil)
}

// Apply makes values of 0 to 1 what the network was trained on.
func (p *Preparation) Apply(x []float32) {
	for k := range x {
		x[k] *= p.scale
	}
	p.info.Normalise(x)
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

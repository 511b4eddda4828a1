package network

import (
	"fmt"

	"fovea/data"
	"fovea/nn/weights"
)

// Pictures are files of one picture each.
type Pictures struct {
	files []string
	info  data.Info // how they become samples: as those the network was trained on
	scale float32   // what values of 0 to 1 are multiplied with before
}

// OpenPictures checks the files as far as their headers go, so that a mistake is known before anything is computed.
func OpenPictures(files []string, card *weights.Card) (*Pictures, error) {
	if c := card.Sample[0]; c != 1 && c != 3 {
		return nil, fmt.Errorf("%s: the network takes samples %v; a picture has 1 channel or 3, expected a .npy batch", files[0], card.Sample)
	}
	if card.Scale == 0 {
		return nil, fmt.Errorf("%s: the network was trained on numbers, not pictures; expected --scale (such as 0.00392157 for 1/255), or a .npy batch", files[0])
	}
	for _, file := range files {
		if err := data.CheckPicture(file); err != nil {
			return nil, err
		}
	}
	return &Pictures{files: files, scale: 255 * card.Scale,
		info: data.Info{Sample: card.Sample, Mean: card.Mean, Deviation: card.Deviation, Resize: card.Resize}}, nil
}

// Len is how many there are.
func (p *Pictures) Len() int { return len(p.files) }

// Name is the file of picture i. It is the only one there.
func (p *Pictures) Name(i int) (string, *int) { return p.files[i], nil }

// Read makes picture i the sample that the network takes.
func (p *Pictures) Read(i int, x []float32) error {
	if err := p.Cut(i, x); err != nil {
		return err
	}
	p.Prepare(x)
	return nil
}

// Cut takes of picture i what the network sees, as values of 0 (black) to 1.
func (p *Pictures) Cut(i int, x []float32) error {
	return data.ReadPicture(p.files[i], x, p.info.Sample, p.info.Crop(), nil)
}

// Prepare makes values of 0 to 1 what the network was trained on.
func (p *Pictures) Prepare(x []float32) {
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

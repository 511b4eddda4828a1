package main

import (
	"fmt"

	"fovea/data"
	"fovea/nn/weights"
)

// pictures are files of one picture each.
type pictures struct {
	files []string
	info  data.Info // how they become samples: as those the network was trained on
	scale float32   // what values of 0 to 1 are multiplied with before
}

// openPictures checks the files as far as their headers go, so that a mistake is known before anything is computed.
func openPictures(files []string, card *weights.Card) (*pictures, error) {
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
	return &pictures{files: files, scale: 255 * card.Scale,
		info: data.Info{Sample: card.Sample, Mean: card.Mean, Deviation: card.Deviation, Resize: card.Resize}}, nil
}

func (p *pictures) len() int                  { return len(p.files) }
func (p *pictures) name(i int) (string, *int) { return p.files[i], nil }
func (p *pictures) read(i int, x []float32) error {
	if err := data.ReadPicture(p.files[i], x, p.info.Sample, p.info.Crop(), nil); err != nil {
		return err
	}
	for k := range x {
		x[k] *= p.scale
	}
	p.info.Normalise(x)
	return nil
}

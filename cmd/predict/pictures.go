package main

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // registers the format
	_ "image/jpeg" // registers the format
	_ "image/png"  // registers the format
	"os"

	"golang.org/x/image/draw"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/nn/weights"
)

// maxPixels bounds a picture: decoding takes up to eight bytes for each.
const maxPixels = 1 << 26

// pictures are files of one picture each.
type pictures struct {
	files  []string
	sample tensor.Shape
	scale  float32
}

// openPictures checks the files as far as their headers go, so that a mistake is known before anything is computed.
func openPictures(files []string, card *weights.Card) (*pictures, error) {
	p := &pictures{files, card.Sample, card.Scale}
	if c := card.Sample[0]; c != 1 && c != 3 {
		return nil, fmt.Errorf("%s: the network takes samples %v; a picture has 1 channel or 3, expected a .npy batch", files[0], card.Sample)
	}
	if card.Scale == 0 {
		return nil, fmt.Errorf("%s: the network was trained on numbers, not pictures; expected --scale (such as 0.00392157 for 1/255), or a .npy batch", files[0])
	}
	for _, file := range files {
		if err := open(file, func(*os.File) error { return nil }); err != nil {
			return nil, fmt.Errorf("%s: %w", file, cli.Cause(err))
		}
	}
	return p, nil
}

// open checks a picture's header and hands on the file, wound back.
func open(file string, use func(*os.File) error) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return errors.New("not a regular file, expected a picture")
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head, _, err := image.DecodeConfig(bufio.NewReader(f))
	if errors.Is(err, image.ErrFormat) {
		return errors.New("not a picture, expected PNG, JPEG or GIF (or .npy)")
	}
	if err != nil {
		return err
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height {
		return fmt.Errorf("a picture of %d x %d, expected 1 to %d pixels", head.Width, head.Height, maxPixels)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	return use(f)
}

func (p *pictures) len() int                  { return len(p.files) }
func (p *pictures) name(i int) (string, *int) { return p.files[i], nil }

func (p *pictures) read(i int, x []float32) error {
	err := open(p.files[i], func(f *os.File) error {
		picture, _, err := image.Decode(bufio.NewReader(f))
		if err == nil {
			fill(x, picture, p.sample, p.scale)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p.files[i], cli.Cause(err))
	}
	return nil
}

// fill writes a picture into x, a sample [C, H, W] of grey or of red, green and blue.
func fill(x []float32, picture image.Image, sample tensor.Shape, scale float32) {
	c, h, w := sample[0], sample[1], sample[2]
	fitted := image.NewRGBA(image.Rect(0, 0, w, h))
	if from := picture.Bounds(); from.Size() == fitted.Rect.Size() {
		draw.Draw(fitted, fitted.Rect, picture, from.Min, draw.Src)
	} else {
		draw.BiLinear.Scale(fitted, fitted.Rect, picture, from, draw.Src, nil)
	}
	plane := h * w
	for i := range plane {
		// Colours come multiplied with their opacity: as on black.
		pixel := fitted.Pix[4*i : 4*i+3]
		if c == 1 {
			grey := color.GrayModel.Convert(color.RGBA{pixel[0], pixel[1], pixel[2], 0xff}).(color.Gray)
			x[i] = float32(grey.Y) * scale
			continue
		}
		for channel, v := range pixel {
			x[channel*plane+i] = float32(v) * scale
		}
	}
}

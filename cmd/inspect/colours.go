package main

import (
	"image"
	"image/color"
	"math"
	"slices"

	"fovea/cmd/internal/cli"
)

// colours makes a colour of a number from 0 to 1: the points are equally far apart, and between them it is linear.
type colours []color.NRGBA

var (
	grey = colours{{0, 0, 0, 255}, {255, 255, 255, 255}}
	// viridis is matplotlib's, at ten points.
	viridis = colours{{0x44, 0x01, 0x54, 255}, {0x48, 0x28, 0x78, 255}, {0x3E, 0x4A, 0x89, 255}, {0x31, 0x68, 0x8E, 255}, {0x26, 0x82, 0x8E, 255},
		{0x1F, 0x9E, 0x89, 255}, {0x35, 0xB7, 0x79, 255}, {0x6D, 0xCD, 0x59, 255}, {0xB4, 0xDE, 0x2C, 255}, {0xFD, 0xE7, 0x25, 255}}
	// jet goes from blue (low) over green to red (high), as the heat maps of the papers do.
	jet = colours{{0, 0, 128, 255}, {0, 0, 255, 255}, {0, 128, 255, 255}, {0, 255, 255, 255}, {128, 255, 128, 255}, {255, 255, 0, 255}, {255, 128, 0, 255},
		{255, 0, 0, 255}, {128, 0, 0, 255}}
)

// findColours is what --colours names.
func findColours(name string) (colours, error) {
	switch name {
	case "grey":
		return grey, nil
	case "viridis":
		return viridis, nil
	}
	return nil, cli.Usagef("--colours: %q, expected grey or viridis", name)
}

func (c colours) at(v float64) color.NRGBA {
	if !(v > 0) { // also what is not a number
		v = 0
	}
	v = min(v, 1) * float64(len(c)-1)
	i := min(int(v), len(c)-2)
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a) + (v-float64(i))*(float64(b)-float64(a))))
	}
	return color.NRGBA{mix(c[i].R, c[i+1].R), mix(c[i].G, c[i+1].G), mix(c[i].B, c[i+1].B), 255}
}

// draw makes a picture of numbers from 0 to 1.
func (c colours) draw(values []float64, width int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, width, len(values)/width))
	for i, v := range values {
		m.SetNRGBA(i%width, i/width, c.at(v))
	}
	return m
}

// spread brings values to 0 (the smallest) to 1 (the largest); if all are alike, to 0.
func spread(values []float64) []float64 {
	low, high := slices.Min(values), slices.Max(values)
	out := make([]float64, len(values))
	for i, v := range values {
		if high > low {
			out[i] = (v - low) / (high - low)
		}
	}
	return out
}

// over blends half of each picture.
func over(a, b image.Image) image.Image {
	m := image.NewNRGBA(a.Bounds())
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			half := func(u, v uint8) uint8 { return uint8((int(u) + int(v) + 1) / 2) }
			m.SetNRGBA(x, y, color.NRGBA{half(p.R, q.R), half(p.G, q.G), half(p.B, q.B), 255})
		}
	}
	return m
}

package main

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// fill takes every kind of picture to the network's channels and size.
func TestFill(t *testing.T) {
	paint := func(m interface{ Set(x, y int, c color.Color) }, colours ...color.Color) {
		for i, c := range colours {
			m.Set(5+i%2, 7+i/2, c) // pictures need not begin at 0, 0
		}
	}
	rect := image.Rect(5, 7, 7, 9)
	red, green, blue, white := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}
	clear, half := color.NRGBA{255, 255, 255, 0}, color.NRGBA{200, 100, 50, 128}
	rgb, deep, paletted, grey := image.NewNRGBA(rect), image.NewNRGBA64(rect), image.NewPaletted(rect, color.Palette{red, green, blue, white}), image.NewGray(rect)
	for _, m := range []interface{ Set(x, y int, c color.Color) }{rgb, deep, paletted} {
		paint(m, red, green, blue, white)
	}
	paint(grey, color.Gray{0}, color.Gray{1}, color.Gray{128}, color.Gray{255})
	see := image.NewNRGBA(rect)
	paint(see, clear, half, white, clear)
	uneven := image.NewGray(image.Rect(0, 0, 4, 2)) // columns 0 0 100 100
	for i := range 8 {
		uneven.Pix[i] = uint8(i % 4 / 2 * 100)
	}
	colours := []float32{255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255}
	greys := []float32{76, 150, 29, 255}
	for _, row := range []struct {
		name    string
		picture image.Image
		sample  tensor.Shape
		want    []float32
	}{
		{"colour to colour", rgb, tensor.Shape{3, 2, 2}, colours},
		{"16 bits to colour", deep, tensor.Shape{3, 2, 2}, colours},
		{"palette to colour", paletted, tensor.Shape{3, 2, 2}, colours},
		{"colour to grey", rgb, tensor.Shape{1, 2, 2}, greys},
		{"16 bits to grey", deep, tensor.Shape{1, 2, 2}, greys},
		{"palette to grey", paletted, tensor.Shape{1, 2, 2}, greys},
		{"grey to grey", grey, tensor.Shape{1, 2, 2}, []float32{0, 1, 128, 255}},
		{"grey to colour", grey, tensor.Shape{3, 2, 2}, []float32{0, 1, 128, 255, 0, 1, 128, 255, 0, 1, 128, 255}},
		{"transparency shows black", see, tensor.Shape{3, 2, 2}, []float32{0, 100, 255, 0, 0, 50, 255, 0, 0, 25, 255, 0}},
		{"smaller", uneven, tensor.Shape{1, 1, 2}, []float32{14, 86}}, // triangles two pixels to a side: weights 3 3 1 of 7 (1 7/7 0)
		{"stretched", uneven, tensor.Shape{1, 4, 4}, []float32{0, 0, 100, 100, 0, 0, 100, 100, 0, 0, 100, 100, 0, 0, 100, 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := make([]float32, len(row.want))
			fill(x, row.picture, row.sample, 0.5)
			for i := range x {
				x[i] /= 0.5
			}
			require.InDeltaSlice(t, row.want, x, 1)
			if row.name == "grey to grey" {
				require.Equal(t, row.want, x, "the network's size is taken exactly")
			}
		})
	}
}

package main

import (
	"image"
	"image/color"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/nn/weights"
)

// Each filter is drawn from its own smallest to its largest weight: in colour, in grey, and channel by channel in a row.
func TestFilters(t *testing.T) {
	ramp := func(size int) func(w []float32) { // filter i is i+1 times 0, 1, 2, ... size-1, from -i on
		return func(w []float32) {
			for i := range w {
				w[i] = float32((i/size+1)*(i%size) - i/size)
			}
		}
	}
	colour := run(t, weights.Card{Model: "cnn-small", Outputs: 2, Sample: tensor.Shape{3, 8, 8}, Scale: 1}, map[string]func(w []float32){"0.weight": ramp(75)})
	gray := run(t, weights.Card{Model: "cnn-large", Outputs: 2, Sample: tensor.Shape{1, 20, 20}, Scale: 1}, map[string]func(w []float32){"0.weight": ramp(25), "3.weight": ramp(270)})
	level := func(at, last int) uint8 { return uint8(255*float64(at)/float64(last) + 0.5) }
	for _, row := range []struct {
		name           string
		args           []string
		count, columns int // pictures
		side           int
		shown          string
		want           func(picture, pixel int) color.NRGBA
	}{
		{"colour", []string{"--run", colour}, 32, 6, 5, "32 of 32 filters of layer 0, 3 x 5 x 5, weights -31 to 2337", func(_, p int) color.NRGBA {
			return color.NRGBA{level(p, 74), level(25+p, 74), level(50+p, 74), 255}
		}},
		{"grey", []string{"--run", gray}, 30, 6, 5, "30 of 30 filters of layer 0, 1 x 5 x 5", func(_, p int) color.NRGBA {
			v := level(p, 24)
			return color.NRGBA{v, v, v, 255}
		}},
		{"channels", []string{"--run", gray, "--layer", "3", "--count", "2"}, 60, 30, 3, "2 of 15 filters of layer 3, 30 x 3 x 3, weights -1 to 537", func(k, p int) color.NRGBA {
			v := level(k%30*9+p, 269)
			return color.NRGBA{v, v, v, 255}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "filters.png")
			r := programtest.Succeed(t, inspect, append([]string{"filters", "-o", out}, row.args...)...)
			require.Contains(t, r.Stdout, row.shown)
			m := readPNG(t, out)
			factor := (tileSide + row.side - 1) / row.side
			step := row.side*factor + tileGap
			require.Equal(t, image.Pt(row.columns*step+tileGap, (row.count+row.columns-1)/row.columns*step+tileGap), m.Bounds().Size())
			for k := range row.count {
				for p := range row.side * row.side {
					x := tileGap + k%row.columns*step + p%row.side*factor
					y := tileGap + k/row.columns*step + p/row.side*factor
					for _, inner := range []int{0, factor - 1} {
						require.Equal(t, row.want(k, p), color.NRGBAModel.Convert(m.At(x+inner, y+inner)), "picture %d, pixel %d", k, p)
					}
				}
			}
		})
	}
}

package main

import (
	"context"
	"image"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/nn/weights"
)

var inf = math.Inf(1)

// A network that sees a bright square of 2 x 2 at row 4, column 2, and nothing else, misses it where it is covered: each
// probability is sigmoid(3 (the sum of what is left) - 4).
func TestOcclusion(t *testing.T) {
	card := weights.Card{Model: "mlp", Outputs: 2, Sample: tensor.Shape{1, 8, 10}, Scale: 1.0 / 255}
	sees := []int{4*10 + 2, 4*10 + 3, 5*10 + 2, 5*10 + 3}
	first := map[int]float32{}
	for _, at := range sees {
		first[at] = 1
	}
	folder := run(t, card, map[string]func(w []float32){"1.weight": only(first), "1.bias": only(nil), "3.weight": only(map[int]float32{784: 3}), "3.bias": only(map[int]float32{1: -4})})
	m := image.NewGray(image.Rect(0, 0, 10, 8))
	for _, at := range sees {
		m.Pix[at] = 255
	}
	picture := writePicture(t, m)
	for _, row := range []struct {
		name         string
		args         []string
		size         int
		tops, lefts  []int
		grey         float64
		shown        string
		class        int
		darkestShown bool
	}{
		{"step of two", []string{"--size", "2", "--stride", "2", "--grey", "0"}, 2, []int{0, 2, 4, 6}, []int{0, 2, 4, 6, 8}, 0,
			"class 1 99.97%, 20 squares of 2 x 2, least (1.80%) at row 4, column 2", 1, true},
		{"edge", []string{"--size", "3", "--stride", "4", "--batch", "3"}, 3, []int{0, 4, 5}, []int{0, 4, 7}, 0.5, "class 1 99.97%, 9 squares of 3 x 3", 1, false},
		{"usual", nil, 1, []int{0, 1, 2, 3, 4, 5, 6, 7}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.5, "80 squares of 1 x 1, least (99.85%) at row 4, column 2", 1, false},
		{"other class", []string{"--size", "2", "--stride", "2", "--grey", "0", "--class", "0"}, 2, []int{0, 2, 4, 6}, []int{0, 2, 4, 6, 8}, 0, "class 0 0.03%", 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, values := filepath.Join(t.TempDir(), "map.png"), filepath.Join(t.TempDir(), "map.npy")
			r := programtest.Succeed(t, inspect, append([]string{"occlusion", "--run", folder, "--values", values, "-o", out, picture}, row.args...)...)
			require.Contains(t, r.Stdout, row.shown)
			got := readValues(t, values, len(row.tops), len(row.lefts))
			for i, v := range got {
				top, left, sum := row.tops[i/len(row.lefts)], row.lefts[i%len(row.lefts)], 0.0
				for _, at := range sees {
					if y, x := at/10, at%10; y >= top && y < top+row.size && x >= left && x < left+row.size {
						sum += row.grey
					} else {
						sum++
					}
				}
				want := 1 / (1 + math.Exp(4-3*sum))
				if row.class == 0 {
					want = 1 - want
				}
				require.InDelta(t, want, v, 1e-5, "square at row %d, column %d", top, left)
			}
			if row.darkestShown { // blue where the square was, red elsewhere
				for i, c := range cells(readPNG(t, out), 10, 8, 10, 1, 3, 1)[0][1] {
					want := jet[len(jet)-1]
					if y, x := i/10, i%10; y/2 == 2 && x/2 == 1 {
						want = jet[0]
					}
					require.Equal(t, want, color.NRGBAModel.Convert(c), "pixel %d", i)
				}
			}
		})
	}
	// An interrupt ends it.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	out := filepath.Join(t.TempDir(), "map.png")
	require.ErrorIs(t, inspect(ctx, []string{"occlusion", "--run", folder, "-o", out, picture}, io.Discard, io.Discard), io.ErrClosedPipe)
	require.NoFileExists(t, out)
}

// A pixel has the mean of the squares over it, and one that no square covers the mean of all.
func TestCover(t *testing.T) {
	s := &occlusionSettings{size: 2}
	s.card = &weights.Card{Sample: tensor.Shape{1, 2, 6}}
	line := []float64{1, 2, 3, 4, 8, 8} // squares at columns 0, 1 and 4; none over column 3
	require.InDeltaSlice(t, append(line, line...), s.cover([]int{0}, []int{0, 1, 4}, []float64{1, 3, 8}), 1e-12)
}

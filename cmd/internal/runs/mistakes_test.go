package runs

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pictures of any size have a place each, and whatever their classes are called.
func TestDrawMistakes(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {28, 28}, {3, 500}, {700, 2}, {224, 224}} {
		picture := image.NewGray(image.Rectangle{Max: size})
		for _, n := range []int{1, 6, 7, MostMistakes, MostMistakes + 9} {
			t.Run(fmt.Sprint(size, " ", n), func(t *testing.T) {
				var all []Mistake
				for range n {
					all = append(all, Mistake{picture, strings.Repeat("long name ", 20), "\x00\n犬", 0.999})
				}
				m := drawMistakes(all)
				shown, columns := min(n, MostMistakes), min(n, mistakeColumns)
				rows := (shown + mistakeColumns - 1) / mistakeColumns
				require.Equal(t, image.Pt(columns*128+16, rows*164+16), m.Bounds().Size())
				last := image.Pt(16+(shown-1)%mistakeColumns*128, 16+(shown-1)/mistakeColumns*164)
				require.Equal(t, color.RGBA{0, 0, 0, 255}, m.At(last.X, last.Y))
				require.Equal(t, color.RGBA{255, 255, 255, 255}, m.At(last.X-1, last.Y))
			})
		}
	}
}

package tui

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// picture is the text of a canvas.
func picture(c *canvas) []string {
	rows := make([]string, c.height)
	for y := range rows {
		for x := range c.width {
			if r := c.pattern(x, y); r != 0 {
				rows[y] += string(r)
			} else {
				rows[y] += " "
			}
		}
	}
	return rows
}

func TestCanvas(t *testing.T) {
	for _, row := range []struct {
		name          string
		width, height int
		line          [4]int
		shown         []string
	}{
		{"one dot", 1, 1, [4]int{0, 0, 0, 0}, []string{"⠁"}},
		{"lowest", 1, 1, [4]int{1, 3, 1, 3}, []string{"⢀"}},
		{"down a column", 1, 1, [4]int{0, 0, 0, 3}, []string{"⡇"}},
		{"along a row", 3, 1, [4]int{0, 2, 5, 2}, []string{"⠤⠤⠤"}},
		{"diagonal", 2, 1, [4]int{0, 0, 3, 3}, []string{"⠑⢄"}},
		{"the same backwards", 2, 1, [4]int{3, 3, 0, 0}, []string{"⠑⢄"}},
		{"rising", 2, 1, [4]int{0, 3, 3, 0}, []string{"⡠⠊"}},
		{"partly outside", 2, 2, [4]int{-4, 0, 9, 0}, []string{"⠉⠉", "  "}},
		{"outside", 1, 1, [4]int{5, 5, 9, 9}, []string{" "}},
		{"no room", 0, 3, [4]int{0, 0, 3, 3}, []string{"", "", ""}},
		{"less than none", -1, -2, [4]int{0, 0, 3, 3}, []string{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCanvas(row.width, row.height)
			c.line(row.line[0], row.line[1], row.line[2], row.line[3])
			require.Equal(t, row.shown, picture(c))
		})
	}
}

package tui

// canvas is a picture of dots, 2x4 of them in each character cell: Unicode's braille patterns.
type canvas struct {
	width, height int // in cells
	cells         []byte
}

func newCanvas(width, height int) *canvas {
	width, height = max(0, width), max(0, height)
	return &canvas{width, height, make([]byte, width*height)}
}

// braille are the bits of a cell's dots by row and column (The Unicode Standard, section 21.1).
var braille = [4][2]byte{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// set sets a dot, counted from the upper left one; dots outside are nowhere.
func (c *canvas) set(x, y int) {
	if x < 0 || y < 0 || x >= 2*c.width || y >= 4*c.height {
		return
	}
	c.cells[y/4*c.width+x/2] |= braille[y%4][x%2]
}

// line sets the dots from one to another (Bresenham 1965).
func (c *canvas) line(x0, y0, x1, y1 int) {
	dx, dy := max(x1-x0, x0-x1), -max(y1-y0, y0-y1)
	stepX, stepY := 1, 1
	if x1 < x0 {
		stepX = -1
	}
	if y1 < y0 {
		stepY = -1
	}
	for off := dx + dy; ; {
		c.set(x0, y0)
		if x0 == x1 && y0 == y1 {
			return
		}
		twice := 2 * off
		if twice >= dy {
			off, x0 = off+dy, x0+stepX
		}
		if twice <= dx {
			off, y0 = off+dx, y0+stepY
		}
	}
}

// pattern is the character of a cell; 0: it has no dots.
func (c *canvas) pattern(x, y int) rune {
	if bits := c.cells[y*c.width+x]; bits != 0 {
		return 0x2800 + rune(bits)
	}
	return 0
}

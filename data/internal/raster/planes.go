package raster

import "image"

// Planes are a picture, or a part of one, as one plane or three.
type Planes struct {
	Width, Height int  // of the whole picture
	Colour        bool // three planes; false: the first, grey
	RGB           bool // they are red, green and blue; false: brightness and two differences (YCbCr, ITU-T T.871)
	Plane         [3]Plane
}

// Plane is samples of 0 to 255, four in a word, the first lowest.
type Plane struct {
	Across, Down  int // pixels that a sample stands for: 1 or 2
	Width, Height int // samples of the whole picture
	X, Y          int // the first sample that is there; X is a multiple of 4
	Stride        int // words in a row
	Rows          int
	Words         []uint64
}

// Reset makes ready for another picture; the memory stays.
func (p *Planes) Reset(colour bool, width, height int) {
	p.Width, p.Height, p.Colour, p.RGB = width, height, colour, false
}

// Grow makes room for the samples of r, whose columns are multiples of 4. What is there is undefined.
func (p *Plane) Grow(r image.Rectangle) {
	p.X, p.Y, p.Stride, p.Rows = r.Min.X, r.Min.Y, r.Dx()/4, r.Dy()
	if n := p.Stride * p.Rows; cap(p.Words) < n {
		p.Words = make([]uint64, n)
	} else {
		p.Words = p.Words[:n]
	}
}

// At is one sample.
func (p *Plane) At(x, y int) uint8 {
	x, y = x-p.X, y-p.Y
	return uint8(p.Words[y*p.Stride+x/4] >> (16 * (x & 3)))
}

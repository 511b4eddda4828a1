package runs

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"

	"gonum.org/v1/plot/text"

	"fovea/nn"
)

const (
	mostNumbered = 40  // classes whose counts are written
	mostNamed    = 100 // classes whose names are written
	edge         = 14  // pixels around everything
	titleHeight  = 34
	axisHeight   = 22
	leastWidth   = 420 // for the title and the legend
)

var (
	rightColour = color.RGBA{R: 0x0b, G: 0x4f, B: 0x9c, A: 0xff}
	wrongColour = color.RGBA{R: 0xb2, G: 0x18, B: 0x2b, A: 0xff}
	lineColour  = color.RGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

// matrixPicture is a confusion matrix as it is drawn: a row for each class that samples have, from the top, a column for each
// that they were taken for, coloured by the share of the row. Lengths are in pixels, from the top left.
type matrixPicture struct {
	*Matrix
	samples   []int // of each class
	cell      int   // side of a cell
	left, top int   // of the first cell
	below     int   // top of the legend
	flat      bool  // names fit over their columns as they are
	*lettering
}

// Picture draws the matrix.
func (m *Matrix) Picture() image.Image {
	p := newMatrixPicture(m)
	p.fill(p.image.Rect, color.White)
	p.cells()
	p.grid()
	p.ramps()
	p.titles()
	p.names()
	p.counts()
	p.rampLabels()
	p.finish()
	return p.image
}

// newMatrixPicture settles where everything is.
func newMatrixPicture(m *Matrix) *matrixPicture {
	p := &matrixPicture{Matrix: m, cell: cellSize(len(m.Counts))}
	for class := range m.Counts {
		samples, _, _ := m.Class(class)
		p.samples = append(p.samples, samples)
	}
	names := 0
	if len(m.Counts) <= mostNamed {
		for class := range m.Counts {
			names = max(names, int(math.Ceil(float64(p.nameStyle().Width(short(p.Name(class)))))))
		}
	}
	p.flat = names <= p.cell-4
	p.left, p.top = edge+axisHeight+names+6, edge+titleHeight+axisHeight+names+6
	if p.flat {
		p.top = edge + titleHeight + axisHeight + 20
	}
	size := p.cell * len(m.Counts)
	p.below = p.top + size + 16
	p.lettering = newLettering(image.NewRGBA(image.Rect(0, 0, max(p.left+size+edge, leastWidth), p.below+30+edge)))
	return p
}

// cellSize keeps pictures of few classes readable and those of many small.
func cellSize(classes int) int {
	switch {
	case classes <= 10:
		return 52
	case classes <= 20:
		return 38
	case classes <= mostNumbered:
		return 28
	case classes <= mostNamed:
		return 13
	}
	return max(1, 1000/classes)
}

func (p *matrixPicture) nameStyle() text.Style { return style(min(12, 0.8*float64(p.cell))) }

func (p *matrixPicture) fill(r image.Rectangle, c color.Color) {
	draw.Draw(p.image, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// shade is a colour for a share of a row: a hundredth can be told from nothing.
func shade(share float64, full color.RGBA) color.RGBA {
	strength := math.Sqrt(share)
	mix := func(v uint8) uint8 { return uint8(math.Round(255 + strength*(float64(v)-255))) }
	return color.RGBA{R: mix(full.R), G: mix(full.G), B: mix(full.B), A: 0xff}
}

// share is what part of a class's samples was taken for another class.
func (p *matrixPicture) share(class, found int) float64 {
	return float64(p.Counts[class][found]) / float64(max(1, p.samples[class]))
}

func hue(class, found int) color.RGBA {
	if class == found {
		return rightColour
	}
	return wrongColour
}

func (p *matrixPicture) at(class, found int) image.Rectangle {
	x, y := p.left+found*p.cell, p.top+class*p.cell
	return image.Rect(x, y, x+p.cell, y+p.cell)
}

func (p *matrixPicture) cells() {
	for class, counts := range p.Counts {
		for found, n := range counts {
			if n > 0 {
				p.fill(p.at(class, found), shade(p.share(class, found), hue(class, found)))
			}
		}
	}
}

// grid draws lines between cells that are large enough, and around all.
func (p *matrixPicture) grid() {
	n, step := len(p.Counts), 1
	if p.cell < 10 {
		step = n
	}
	size := n * p.cell
	for i := 0; i <= n; i += step {
		at := i * p.cell
		p.fill(image.Rect(p.left, p.top+at, p.left+size+1, p.top+at+1), lineColour)
		p.fill(image.Rect(p.left+at, p.top, p.left+at+1, p.top+size+1), lineColour)
	}
}

func (p *matrixPicture) titles() {
	middle := p.cell * len(p.Counts) / 2
	p.print(style(15), edge, edge, 0, 1, fmt.Sprintf("Confusion matrix: %s of %s samples right", nn.Thousands(p.Right()), nn.Thousands(p.Samples)))
	p.print(style(12), p.left+middle, edge+titleHeight, 0.5, 1, "predicted class")
	upright := style(12)
	upright.Rotation = math.Pi / 2
	p.print(upright, edge, p.top+middle, 0.5, 1, "true class")
}

func (p *matrixPicture) names() {
	if len(p.Counts) > mostNamed {
		return
	}
	s := p.nameStyle()
	upright := s
	upright.Rotation = math.Pi / 2
	for class := range p.Counts {
		middle := class*p.cell + p.cell/2
		p.print(s, p.left-6, p.top+middle, 1, 0.5, short(p.Name(class)))
		if p.flat {
			p.print(s, p.left+middle, p.top-6, 0.5, 0, short(p.Name(class)))
		} else {
			p.print(upright, p.left+middle, p.top-6, 0, 0.5, short(p.Name(class)))
		}
	}
}

func (p *matrixPicture) counts() {
	if len(p.Counts) > mostNumbered {
		return
	}
	for class, counts := range p.Counts {
		for found, n := range counts {
			if n == 0 {
				continue
			}
			line := strconv.Itoa(n)
			s := style(min(0.36*float64(p.cell), 1.6*float64(p.cell)/float64(len(line)))) // a digit is about 0.55 of its height wide
			if p.share(class, found) > 0.35 {
				s.Color = color.White
			}
			middle := p.at(class, found).Min.Add(image.Pt(p.cell/2, p.cell/2))
			p.print(s, middle.X, middle.Y, 0.5, 0.5, line)
		}
	}
}

// The legend: two ramps of shares from 0 to 1.
const rampWidth, rampHeight = 120, 10

func (p *matrixPicture) ramps() {
	for i, full := range []color.RGBA{rightColour, wrongColour} {
		x := edge + i*(rampWidth+70)
		for at := range rampWidth {
			p.fill(image.Rect(x+at, p.below, x+at+1, p.below+rampHeight), shade(float64(at)/(rampWidth-1), full))
		}
	}
}

func (p *matrixPicture) rampLabels() {
	for i, name := range []string{"right", "wrong"} {
		x := edge + i*(rampWidth+70)
		p.print(style(11), x+rampWidth+6, p.below+rampHeight/2, 0, 0.5, name)
		p.print(style(10), x, p.below+rampHeight+3, 0, 1, "0")
		p.print(style(10), x+rampWidth, p.below+rampHeight+3, 1, 1, "100% of a row")
	}
}

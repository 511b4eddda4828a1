package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"fovea/cmd/internal/cli"
)

const (
	gridGap    = 6
	gridLine   = 16      // of writing
	gridSide   = 96      // pictures that are smaller are shown larger, by a whole factor
	tileGap    = 2       // between pictures without writing
	tileSide   = 48      // as gridSide, for those
	gridPixels = 1 << 26 // of all at most
)

// row is a row of a grid.
type row struct {
	title    string
	pictures []image.Image
	captions [][2]string // two lines beneath each, if there are any
}

// drawGrid puts rows beneath one another, with titles over the columns. If they are too many, the user should expect less.
func drawGrid(rows []row, titles []string, less string) (image.Image, error) {
	size := enlarged(rows[0].pictures[0], gridSide)
	columns, step, height := len(rows[0].pictures), size.X+gridGap, gridLine+gridGap
	for _, r := range rows {
		height += r.height(size.Y)
	}
	if step > gridPixels/columns || height > gridPixels/(columns*step+gridGap) {
		return nil, cli.Usagef("%d rows of %d pictures of %d x %d are too much, expected %s", len(rows), columns, size.X, size.Y, less)
	}
	grid := blank(columns*step+gridGap, height)
	for c, title := range titles {
		write(grid, image.Rect(gridGap+c*step, 0, gridGap+c*step+size.X, gridLine), title)
	}
	top := gridLine
	for _, row := range rows {
		write(grid, image.Rect(gridGap, top, grid.Rect.Max.X, top+gridLine), row.title)
		for c, picture := range row.pictures {
			place := image.Rect(0, 0, size.X, size.Y).Add(image.Pt(gridGap+c*step, top+gridLine))
			draw.NearestNeighbor.Scale(grid, place, picture, picture.Bounds(), draw.Src, nil)
			if row.captions != nil {
				beneath := image.Rect(place.Min.X, place.Max.Y, place.Max.X, place.Max.Y+gridLine)
				write(grid, beneath, row.captions[c][0])
				write(grid, beneath.Add(image.Pt(0, gridLine)), row.captions[c][1])
			}
		}
		top += row.height(size.Y)
	}
	return grid, nil
}

// drawTiles puts pictures of one size side by side, columns in a row, without writing.
func drawTiles(pictures []image.Image, columns int) (image.Image, error) {
	size := enlarged(pictures[0], tileSide)
	rows := (len(pictures) + columns - 1) / columns
	step := size.Add(image.Pt(tileGap, tileGap))
	if step.X > gridPixels/columns || rows*step.Y > gridPixels/(columns*step.X+tileGap) {
		return nil, fmt.Errorf("%d pictures of %d x %d are too much to draw, expected at most %d pixels in all", len(pictures), size.X, size.Y, gridPixels)
	}
	grid := blank(columns*step.X+tileGap, rows*step.Y+tileGap)
	for i, picture := range pictures {
		place := image.Rectangle{Max: size}.Add(image.Pt(tileGap+i%columns*step.X, tileGap+i/columns*step.Y))
		draw.NearestNeighbor.Scale(grid, place, picture, picture.Bounds(), draw.Src, nil)
	}
	return grid, nil
}

// enlarged is the size of a picture, times the whole factor that makes its longer side that long.
func enlarged(m image.Image, side int) image.Point {
	size := m.Bounds().Size()
	longer := max(size.X, size.Y)
	return size.Mul(max(1, (side+longer-1)/longer))
}

func blank(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(m, m.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	return m
}

// height is what the row takes, with pictures of that height.
func (r row) height(picture int) int {
	if r.captions != nil {
		picture += 2 * gridLine
	}
	return gridLine + picture + gridGap
}

// write puts text in a rectangle; what does not fit is cut off.
func write(m *image.NRGBA, in image.Rectangle, text string) {
	face := basicfont.Face7x13
	d := font.Drawer{Dst: m.SubImage(in).(*image.NRGBA), Src: image.NewUniform(color.Black), Face: face,
		Dot: fixed.P(in.Min.X, in.Min.Y+face.Ascent+1)}
	d.DrawString(text)
}

// writePNG makes a file of a picture: whole, or not at all.
func writePNG(path string, m image.Image) error {
	encoder := &png.Encoder{CompressionLevel: png.BestCompression}
	return cli.WriteFile(path, func(w io.Writer) error { return encoder.Encode(w, m) })
}

package main

import (
	"fmt"
	"image"
	"image/color"

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
	gridPixels = 1 << 26 // of all at most
)

// drawGrid puts rows beneath one another. The first column has the samples as they are, the others an epoch each.
func drawGrid(rows []row, epoch int) (image.Image, error) {
	size := rows[0].pictures[0].Bounds().Size()
	factor := 1
	if side := max(size.X, size.Y); side < gridSide {
		factor = (gridSide + side - 1) / side
	}
	size = size.Mul(factor)
	columns, step, height := len(rows[0].pictures), size.X+gridGap, gridLine+gridGap
	for _, r := range rows {
		height += r.height(size.Y)
	}
	if step > gridPixels/columns || height > gridPixels/(columns*step+gridGap) {
		return nil, cli.Usagef("%d rows of %d pictures of %d x %d are too much, expected fewer --samples or --epochs, or a smaller --input", len(rows), columns, size.X, size.Y)
	}
	grid := image.NewNRGBA(image.Rect(0, 0, columns*step+gridGap, height))
	draw.Draw(grid, grid.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	for c := range columns {
		title := "as it is"
		if c > 0 {
			title = fmt.Sprintf("epoch %d", epoch+c-1)
		}
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

package runs

import (
	"image"
	"image/color"
	"image/draw"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// lettering writes over a picture; lengths are in pixels, from the top left.
type lettering struct {
	image  *image.RGBA
	over   *vgimg.Canvas
	canvas vgdraw.Canvas
}

func newLettering(m *image.RGBA) *lettering {
	size := m.Rect.Size()
	over := vgimg.NewWith(vgimg.UseWH(vg.Length(size.X), vg.Length(size.Y)), vgimg.UseDPI(72), // a point is a pixel
		vgimg.UseBackgroundColor(color.Transparent))
	return &lettering{m, over, vgdraw.New(over)}
}

// longestName is the letters of a class's name that are written.
const longestName = 24

// short is a name in one line of bounded length.
func short(name string) string {
	letters := []rune(drawable(name))
	if len(letters) > longestName {
		return string(letters[:longestName-1]) + "…"
	}
	return string(letters)
}

func style(size float64) text.Style {
	return text.Style{Color: color.Black, Font: font.From(sans, vg.Points(size)), Handler: plot.DefaultTextHandler}
}

// print writes a line of text at a point, of which the text's left and lower edges are away by shares of its size.
func (l *lettering) print(s text.Style, x, y int, alongX, alongY float64, line string) {
	s.XAlign, s.YAlign = text.XAlignment(-alongX), text.YAlignment(-alongY)
	l.canvas.FillText(s, vg.Point{X: vg.Length(x), Y: vg.Length(l.image.Rect.Dy() - y)}, line)
}

// finish puts what was written onto the picture.
func (l *lettering) finish() {
	draw.Draw(l.image, l.image.Rect, l.over.Image(), image.Point{}, draw.Over)
}

package runs

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"fovea/cmd/internal/cli"
)

// sans is the letters of all pictures.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// figure is plots side by side, and what their lines mean.
type figure struct {
	plots   []*plot.Plot
	legend  plot.Legend // beside the plots, for legends that have no room in them
	legends int         // lines of legend
	wide    vg.Length   // of legend
}

// curve is a line of a plot.
type curve struct {
	name   string // in the plot's legend; "": not there
	points plotter.XYs
	style  draw.LineStyle
}

// newPlot is an empty plot over epochs.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		*f = font.From(sans, f.Size)
	}
	p.Title.Text, p.X.Label.Text = title, "Epoch"
	p.X.Tick.Marker = wholeTicks{}
	p.Legend.Padding = vg.Millimeter
	p.Add(plotter.NewGrid())
	return p
}

// largest is the end of what is drawn: plot looks for ticks without end between numbers whose distance overflows.
const largest = 1e100

// add draws a curve; a few points are marked, so that a single one is seen.
func (c *curve) add(p *plot.Plot) error {
	if len(c.points) == 0 {
		return nil
	}
	for i := range c.points {
		c.points[i].Y = min(max(c.points[i].Y, -largest), largest)
	}
	line, points, err := plotter.NewLinePoints(c.points)
	if err != nil {
		return err
	}
	line.LineStyle = c.style
	points.Color, points.Radius, points.Shape = c.style.Color, vg.Points(2), draw.CircleGlyph{}
	shown := []plot.Thumbnailer{line}
	p.Add(line)
	if len(c.points) <= 50 {
		p.Add(points)
		shown = append(shown, points)
	}
	if c.name != "" {
		p.Legend.Add(c.name, shown...)
	}
	return nil
}

// widen gives an axis on which all is alike, or nearly so, a length: plot panics where adding 1 changes nothing.
func widen(axis *plot.Axis) {
	size := max(math.Abs(axis.Min), math.Abs(axis.Max))
	if !math.IsInf(size, 0) && axis.Max-axis.Min < 1e-6*size {
		axis.Min, axis.Max = axis.Min-1e-3*size, axis.Max+1e-3*size
	}
}

func (f *figure) size() (width, height vg.Length) {
	return vg.Length(len(f.plots))*12*vg.Centimeter + f.wide, max(9*vg.Centimeter, vg.Length(f.legends)*0.55*vg.Centimeter)
}

func (f *figure) draw(picture vg.CanvasSizer) {
	canvas := draw.New(picture)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	if f.wide > 0 {
		names := draw.Crop(canvas, canvas.Max.X-f.wide, -2*vg.Millimeter, 0, -4*vg.Millimeter)
		canvas = draw.Crop(canvas, 0, -f.wide, 0, 0)
		f.legend.Draw(names)
	}
	tiles := draw.Tiles{Rows: 1, Cols: len(f.plots), PadX: vg.Centimeter, PadTop: vg.Millimeter, PadBottom: vg.Millimeter,
		PadLeft: vg.Millimeter, PadRight: 3 * vg.Millimeter}
	for _, p := range f.plots {
		widen(&p.X)
		widen(&p.Y)
	}
	for i, c := range plot.Align([][]*plot.Plot{f.plots}, tiles, canvas)[0] {
		f.plots[i].Draw(c)
	}
}

func (f *figure) png() ([]byte, error) {
	picture := vgimg.New(f.size())
	f.draw(picture)
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: picture}.WriteTo(&b)
	return b.Bytes(), err
}

// svg names other letters of the same width, for machines that do not have ours.
func (f *figure) svg() ([]byte, error) {
	picture := vgsvg.New(f.size())
	f.draw(picture)
	var b bytes.Buffer
	_, err := picture.WriteTo(&b)
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), err
}

// write replaces a file by a picture of the kind that its name says.
func (f *figure) write(path string) error {
	encode := f.png
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		encode = f.svg
	}
	content, err := encode()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return cli.WriteBytes(path, content)
}

// drawable is a text in one line of letters that fonts and SVG may have.
func drawable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// wholeTicks labels whole numbers only: there is no epoch 1.5.
type wholeTicks struct{}

// Ticks implements plot.Ticker.
func (wholeTicks) Ticks(low, high float64) []plot.Tick {
	step := 1.0
	for high-low > 12*step && !math.IsInf(step, 0) {
		step *= 2
	}
	first := max(step, math.Ceil(low/step)*step)
	var ticks []plot.Tick
	for i := range 13 {
		if v := first + float64(i)*step; v <= high {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', 0, 64)})
		}
	}
	return ticks
}

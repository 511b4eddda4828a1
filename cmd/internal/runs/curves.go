package runs

import (
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
)

var (
	trainColour = color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	valColour   = color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}
)

// drawCurves draws loss and accuracy of training and validation against epochs, side by side.
func drawCurves(path string, epochs []Epoch) error {
	loss, err := curves("Loss", epochs, func(e Epoch) (train, val *float64) { return &e.TrainLoss, e.ValLoss })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	plots := []*plot.Plot{loss}
	if len(epochs) > 0 && epochs[0].TrainAcc != nil {
		accuracy, err := curves("Accuracy", epochs, func(e Epoch) (train, val *float64) { return e.TrainAcc, e.ValAcc })
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		accuracy.Legend.Top = false
		plots = append(plots, accuracy)
	}
	picture := vgimg.New(vg.Length(len(plots))*12*vg.Centimeter, 9*vg.Centimeter)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Centimeter, PadTop: vg.Millimeter, PadBottom: vg.Millimeter,
		PadLeft: vg.Millimeter, PadRight: 3 * vg.Millimeter}
	for i, canvas := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(picture))[0] {
		plots[i].Draw(canvas)
	}
	err = atomic.WriteFile(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: picture}.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, cli.Cause(err))
	}
	return nil
}

func curves(title string, epochs []Epoch, of func(Epoch) (train, val *float64)) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, "Epoch"
	p.Legend.Top = true
	p.X.Tick.Marker = wholeTicks{}
	p.Add(plotter.NewGrid())
	var train, val plotter.XYs
	for _, e := range epochs {
		t, v := of(e)
		if t != nil {
			train = append(train, plotter.XY{X: float64(e.Epoch), Y: *t})
		}
		if v != nil {
			val = append(val, plotter.XY{X: float64(e.Epoch), Y: *v})
		}
	}
	for _, c := range []struct {
		name   string
		points plotter.XYs
		colour color.Color
	}{{"training", train, trainColour}, {"validation", val, valColour}} {
		if len(c.points) == 0 {
			continue
		}
		line, points, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return nil, err
		}
		line.Color, points.Color = c.colour, c.colour
		line.Width, points.Radius, points.Shape = vg.Points(1.5), vg.Points(2), draw.CircleGlyph{}
		p.Add(line, points)
		p.Legend.Add(c.name, line, points)
	}
	return p, nil
}

// wholeTicks labels whole numbers only: there is no epoch 1.5.
type wholeTicks struct{}

// Ticks implements plot.Ticker.
func (wholeTicks) Ticks(low, high float64) []plot.Tick {
	step := 1
	for high-low > float64(12*step) {
		step *= 2
	}
	var ticks []plot.Tick
	for v := step; float64(v) <= high; v += step {
		if float64(v) >= low {
			ticks = append(ticks, plot.Tick{Value: float64(v), Label: fmt.Sprint(v)})
		}
	}
	return ticks
}

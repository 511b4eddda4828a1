package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"fovea/nn/fit"
)

// drawCurve draws the losses of a sweep against the logarithm of the rate, in the form that a file's name says, and marks what
// it suggests.
func drawCurve(w io.Writer, name string, curve *fit.RateCurve) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Loss while the learning rate grows", "Learning rate", "Loss"
	p.X.Tick.Marker = decadeTicks{}
	p.Add(plotter.NewGrid())
	p.Legend.Left = true // where a loss that falls leaves room
	each := make(plotter.XYs, len(curve.Points))
	smoothed := make(plotter.XYs, len(curve.Points))
	for i, point := range curve.Points {
		at := math.Log10(point.Rate)
		each[i], smoothed[i] = plotter.XY{X: at, Y: point.Loss}, plotter.XY{X: at, Y: point.Smoothed}
	}
	for _, row := range []struct {
		name   string
		points plotter.XYs
		colour color.Color
		width  vg.Length
	}{{"each batch", each, color.RGBA{0xae, 0xc7, 0xe8, 0xff}, 0.75}, {"smoothed", smoothed, color.RGBA{0x1f, 0x77, 0xb4, 0xff}, 1.75}} {
		if len(row.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(row.points)
		if err != nil {
			return err
		}
		line.Color, line.Width = row.colour, row.width
		p.Add(line)
		p.Legend.Add(row.name, line)
	}
	p.Y.Min, p.Y.Max = lossRange(curve)
	if err := markSuggestion(p, curve); err != nil {
		return err
	}
	to, err := p.WriterTo(16*vg.Centimeter, 10*vg.Centimeter, filepath.Ext(name)[1:])
	if err != nil {
		return err
	}
	_, err = to.WriteTo(w)
	return err
}

// lossRange shows the smoothed curve, but for its last point, which may have exploded, and what single losses are near it.
func lossRange(curve *fit.RateCurve) (low, high float64) {
	if len(curve.Points) == 0 {
		return 0, 1
	}
	low, high = curve.Points[0].Loss, curve.Points[0].Smoothed
	for _, p := range curve.Points[:len(curve.Points)-1] {
		low, high = min(low, p.Loss, p.Smoothed), max(high, p.Smoothed)
	}
	margin := max(0.05*(high-low), 1e-6)
	return low - margin, high + 2*margin
}

// markSuggestion puts a dashed line at the rate that is suggested.
func markSuggestion(p *plot.Plot, curve *fit.RateCurve) error {
	if curve.Steepest == 0 {
		return nil
	}
	at := math.Log10(curve.Steepest)
	line, err := plotter.NewLine(plotter.XYs{{X: at, Y: p.Y.Min}, {X: at, Y: p.Y.Max}})
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = color.RGBA{0xd6, 0x27, 0x28, 0xff}, 1.25, []vg.Length{4, 3}
	p.Add(line)
	p.Legend.Add(fmt.Sprintf("suggested: %.2g", curve.Steepest), line)
	return nil
}

// decadeTicks are at powers of ten, so many of them as have room, and between them where all have; the axis holds logarithms.
type decadeTicks struct{}

// Ticks implements plot.Ticker.
func (decadeTicks) Ticks(low, high float64) []plot.Tick {
	every := math.Ceil((high - low) / 12)
	var ticks []plot.Tick
	for decade := math.Floor(low/every) * every; decade <= high; decade += every {
		for digit := 1.0; digit < 10; digit++ {
			at := decade + math.Log10(digit)
			switch {
			case at < low-1e-9 || at > high+1e-9 || digit > 1 && every > 1:
			case digit == 1 || high-low < 1:
				ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprintf("%.0e", math.Pow(10, at))})
			default:
				ticks = append(ticks, plot.Tick{Value: at})
			}
		}
	}
	return ticks
}

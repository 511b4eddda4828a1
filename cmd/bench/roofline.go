package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
)

// point is a measurement in the roofline: what it did for a byte, and how fast.
type point struct {
	device, series string
	intensity      float64 // flops per byte
	flops          float64 // per second
}

// palette: one colour for each series (a network, or a pass), again from the start after the last.
var palette = []color.RGBA{{0x1f, 0x77, 0xb4, 0xff}, {0xd6, 0x27, 0x28, 0xff}, {0x2c, 0xa0, 0x2c, 0xff}, {0x94, 0x67, 0xbd, 0xff},
	{0xff, 0x7f, 0x0e, 0xff}, {0x17, 0xbe, 0xcf, 0xff}}

// drawRoofline draws points below what bandwidth and arithmetic allow (Williams, Waterman and Patterson, "Roofline: an
// insightful visual performance model for multicore architectures", 2009): min(flops, intensity * bytes).
func drawRoofline(path string, machines []machine, points []point) error {
	picture, err := roofline(machines, points)
	if err != nil {
		return fmt.Errorf("--plot %s: %w", path, err)
	}
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	canvas, err := picture.WriterTo(20*vg.Centimeter, 13*vg.Centimeter, format)
	if err != nil {
		return fmt.Errorf("--plot %s: %w", path, err)
	}
	err = atomic.WriteFile(path, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("--plot %s: %w", path, cli.Cause(err))
	}
	return nil
}

func roofline(machines []machine, points []point) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Roofline", "FLOP per byte", "GFLOP/s"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Left, p.Legend.Top = true, true
	p.Add(plotter.NewGrid())
	low, high := math.Inf(1), 0.0
	for _, m := range machines {
		ridge := m.peaks.flops / m.peaks.bytes
		low, high = min(low, ridge/16), max(high, ridge*16)
	}
	for _, m := range machines { // room for the legend above the roofs
		p.Y.Max = max(p.Y.Max, 8*m.peaks.flops/1e9)
	}
	for _, q := range points {
		low, high = min(low, q.intensity/2), max(high, q.intensity*2)
	}
	for i, m := range machines {
		at := func(x float64) plotter.XY {
			return plotter.XY{X: x, Y: min(m.peaks.flops, x*m.peaks.bytes) / 1e9}
		}
		roof, err := plotter.NewLine(plotter.XYs{at(low), at(m.peaks.flops / m.peaks.bytes), at(high)})
		if err != nil {
			return nil, err
		}
		roof.Width, roof.Dashes = vg.Points(1.5), []vg.Length{vg.Points(float64(8 * i)), vg.Points(float64(3 * i))}
		if i == 0 {
			roof.Dashes = nil
		}
		p.Add(roof)
		p.Legend.Add(fmt.Sprintf("%s: %.4g GFLOP/s, %.4g GB/s", m.name, m.peaks.flops/1e9, m.peaks.bytes/1e9), roof)
	}
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.TriangleGlyph{}, draw.BoxGlyph{}, draw.CrossGlyph{}}
	type key struct{ device, series string }
	var order []key
	series, names := map[key]plotter.XYs{}, []string{}
	for _, q := range points {
		k := key{q.device, q.series}
		if series[k] == nil {
			order = append(order, k)
		}
		series[k] = append(series[k], plotter.XY{X: q.intensity, Y: q.flops / 1e9})
		if !slices.Contains(names, q.series) {
			names = append(names, q.series)
		}
	}
	for _, k := range order {
		scatter, err := plotter.NewScatter(series[k])
		if err != nil {
			return nil, err
		}
		number := slices.IndexFunc(machines, func(m machine) bool { return m.name == k.device })
		scatter.Color = palette[slices.Index(names, k.series)%len(palette)]
		scatter.Shape, scatter.Radius = glyphs[max(number, 0)%len(glyphs)], vg.Points(3)
		p.Add(scatter)
		p.Legend.Add(k.series+" on "+k.device, scatter)
	}
	return p, nil
}

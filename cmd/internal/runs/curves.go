package runs

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// palette tells curves apart; after its colours come dashes.
var palette = []color.Color{
	color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}, color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}, color.RGBA{R: 0x2c, G: 0xa0, B: 0x2c, A: 0xff},
	color.RGBA{R: 0xff, G: 0x7f, B: 0x0e, A: 0xff}, color.RGBA{R: 0x94, G: 0x67, B: 0xbd, A: 0xff}, color.RGBA{R: 0x8c, G: 0x56, B: 0x4b, A: 0xff},
	color.RGBA{R: 0xe3, G: 0x77, B: 0xc2, A: 0xff}, color.RGBA{R: 0x7f, G: 0x7f, B: 0x7f, A: 0xff}, color.RGBA{R: 0xbc, G: 0xbd, B: 0x22, A: 0xff},
	color.RGBA{R: 0x17, G: 0xbe, B: 0xcf, A: 0xff},
}

// measure is something that is drawn against epochs.
type measure struct {
	title string
	of    func(Epoch) (train, val *float64)
}

var (
	losses     = measure{"Loss", func(e Epoch) (train, val *float64) { return &e.TrainLoss, e.ValLoss }}
	accuracies = measure{"Accuracy", func(e Epoch) (train, val *float64) { return e.TrainAcc, e.ValAcc }}
)

// points are the measurements of training and of validation.
func (m measure) points(epochs []Epoch) (train, val plotter.XYs) {
	for _, e := range epochs {
		t, v := m.of(e)
		if t != nil {
			train = append(train, plotter.XY{X: float64(e.Epoch), Y: *t})
		}
		if v != nil {
			val = append(val, plotter.XY{X: float64(e.Epoch), Y: *v})
		}
	}
	return train, val
}

// measures are those that epochs have.
func measures(epochs []Epoch) []measure {
	if slices.ContainsFunc(epochs, func(e Epoch) bool { return e.TrainAcc != nil || e.ValAcc != nil }) {
		return []measure{losses, accuracies}
	}
	return []measure{losses}
}

// curves draws loss and accuracy of training and validation, side by side.
func curves(epochs []Epoch) (*figure, error) {
	f := &figure{}
	for _, m := range measures(epochs) {
		p := newPlot(m.title)
		p.Legend.Top = m.title == losses.title // where the curves leave room
		train, val := m.points(epochs)
		for i, c := range []curve{{name: "training", points: train}, {name: "validation", points: val}} {
			c.style = draw.LineStyle{Color: palette[i], Width: vg.Points(1.5)}
			if err := c.add(p); err != nil {
				return nil, err
			}
		}
		f.plots = append(f.plots, p)
	}
	return f, nil
}

// DrawComparison draws the curves of several runs over one another, to a file.png or file.svg: validation, and dashed training.
func DrawComparison(path string, all []*Run) error {
	f := &figure{legend: plot.NewLegend(), legends: len(all) + 2}
	f.legend.Top, f.legend.Left, f.legend.Padding = true, true, vg.Millimeter
	f.legend.TextStyle.Font = font.From(sans, vg.Points(10))
	var epochs []Epoch
	for i, r := range all {
		epochs = append(epochs, r.Epochs...)
		f.note(r.Dir, runStyle(i))
	}
	f.note("validation", draw.LineStyle{Color: color.Black, Width: vg.Points(1.5)})
	f.note("training", trainStyle(draw.LineStyle{Color: color.Black}))
	for _, m := range measures(epochs) {
		p := newPlot(m.title)
		for i, r := range all {
			train, val := m.points(r.Epochs)
			for _, c := range []curve{{points: train, style: trainStyle(runStyle(i))}, {points: val, style: runStyle(i)}} {
				if err := c.add(p); err != nil {
					return fmt.Errorf("%s: run %s: %w", path, r.Dir, err)
				}
			}
		}
		f.plots = append(f.plots, p)
	}
	return f.write(path)
}

// note adds a line to the legend beside the plots.
func (f *figure) note(name string, style draw.LineStyle) {
	const longest = 60
	letters := []rune(drawable(name))
	if len(letters) > longest { // the end of a path says more than its start
		letters = append([]rune("…"), letters[len(letters)-longest:]...)
	}
	name = string(letters)
	f.legend.Add(name, &plotter.Line{LineStyle: style})
	f.wide = max(f.wide, f.legend.TextStyle.Width(name)+f.legend.ThumbnailWidth+vg.Centimeter)
}

// runStyle is that of a run's validation.
func runStyle(i int) draw.LineStyle {
	s := draw.LineStyle{Color: palette[i%len(palette)], Width: vg.Points(1.5)}
	if round := i / len(palette); round > 0 {
		s.Dashes = []vg.Length{vg.Points(6 * float64(round)), vg.Points(2)}
	}
	return s
}

func trainStyle(of draw.LineStyle) draw.LineStyle {
	of.Width, of.Dashes = vg.Points(0.75), []vg.Length{vg.Points(2), vg.Points(2)}
	return of
}

// draw keeps the curves of the epochs so far.
func (r *Folder) draw() error {
	f, err := curves(r.epochs)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Path(CurvesFile), err)
	}
	return cmp.Or(f.write(r.Path(CurvesFile)), f.write(r.Path(VectorFile)))
}

package tui

import (
	"fmt"
	"math"
	"strings"

	"github.com/gdamore/tcell/v2"
)

type point struct{ x, y float64 }

// curve is points in the order of x. What is not finite is not drawn.
type curve struct {
	name   string
	points []point
	marks  bool // an o for each point, instead of a line through all
	style  tcell.Style
}

// chart is curves over epochs, from 0.
type chart struct {
	title  string
	format string // of a value on the y axis
	curves []curve
}

// mark shows a point where there is no line; it can be told from one without colours.
const mark = 'o'

// bounds are of all that can be drawn. Low is less than high, and right greater than 0.
func (c *chart) bounds() (right, low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	ok := false
	for _, curve := range c.curves {
		for _, p := range curve.points {
			if finite(p) {
				right, low, high, ok = max(right, p.x), min(low, p.y), max(high, p.y), true
			}
		}
	}
	// A constant, or what differs by rounding only, lies in the middle.
	if size := max(math.Abs(low), math.Abs(high)); ok && high/2-low/2 <= max(size*1e-9, 1e-30) {
		around := max(size/10, 1e-6)
		low, high = max(low-around, -math.MaxFloat64), min(high+around, math.MaxFloat64)
	}
	if !ok {
		return 1, 0, 1
	}
	if right == 0 {
		right = 1
	}
	return right, low, high
}

func finite(p point) bool {
	return p.x >= 0 && !math.IsInf(p.x, 0) && !math.IsInf(p.y, 0) && !math.IsNaN(p.y)
}

// draw draws a chart of width x height cells, the upper left one at x, y: a title with what the curves are at, the curves, the axes.
func (c *chart) draw(s tcell.Screen, x, y, width, height int) {
	c.legend(s, x, y, width)
	right, low, high := c.bounds()
	top, bottom := fmt.Sprintf(c.format, high), fmt.Sprintf(c.format, low)
	margin := max(len(top), len(bottom))
	plot := area{x: x + margin + 1, y: y + 1, width: width - margin - 1, height: height - 3, right: right, low: low, high: high}
	if plot.width < 2 || plot.height < 1 {
		return
	}
	write(s, x, plot.y, margin, fmt.Sprintf("%*s", margin, top), tcell.StyleDefault)
	if plot.height > 1 {
		write(s, x, plot.y+plot.height-1, margin, fmt.Sprintf("%*s", margin, bottom), tcell.StyleDefault)
	}
	for row := range plot.height {
		write(s, plot.x-1, plot.y+row, 1, "│", tcell.StyleDefault)
	}
	write(s, plot.x-1, plot.y+plot.height, plot.width+1, "└"+strings.Repeat("─", plot.width), tcell.StyleDefault)
	write(s, plot.x-1, plot.y+plot.height+1, plot.width+1, fmt.Sprintf("0%*s", plot.width, fmt.Sprintf("epoch %.3g", right)), tcell.StyleDefault)
	for _, curve := range c.curves {
		plot.draw(s, curve)
	}
}

// legend names the curves, and the last value of each.
func (c *chart) legend(s tcell.Screen, x, y, width int) {
	end := x + width
	x += write(s, x, y, width, c.title, tcell.StyleDefault.Bold(true))
	for _, curve := range c.curves {
		sign := "─"
		if curve.marks {
			sign = string(mark)
		}
		text := fmt.Sprintf("  %s %s", sign, curve.name)
		if n := len(curve.points); n > 0 {
			text += " " + fmt.Sprintf(c.format, curve.points[n-1].y)
		}
		x += write(s, x, y, end-x, text, curve.style)
	}
}

// area is where curves are, and what its edges stand for. The left one is 0.
type area struct {
	x, y, width, height int
	right, low, high    float64
}

// at is the dot of a point, of columns x rows. Halves keep the difference of the greatest numbers finite.
func (a *area) at(p point, columns, rows int) (x, y int) {
	share := (a.high/2 - p.y/2) / (a.high/2 - a.low/2)
	return int(math.Round(p.x / a.right * float64(columns-1))), int(math.Round(share * float64(rows-1)))
}

func (a *area) draw(s tcell.Screen, c curve) {
	if c.marks {
		for _, p := range c.points {
			if finite(p) {
				x, y := a.at(p, a.width, a.height)
				s.SetContent(a.x+x, a.y+y, mark, nil, c.style)
			}
		}
		return
	}
	dots := newCanvas(a.width, a.height)
	lastX, lastY := -1, 0
	for _, p := range a.columns(c.points) {
		x, y := a.at(p, 2*a.width, 4*a.height)
		if lastX < 0 {
			lastX, lastY = x, y
		}
		dots.line(lastX, lastY, x, y)
		lastX, lastY = x, y
	}
	for y := range a.height {
		for x := range a.width {
			if r := dots.pattern(x, y); r != 0 {
				s.SetContent(a.x+x, a.y+y, r, nil, c.style)
			}
		}
	}
}

// columns makes one point of all those in a column of dots: their mean. So many are smoothed, and few are as they are.
func (a *area) columns(points []point) []point {
	means := make([]point, 0, 2*a.width)
	last, n := -1, 0.0
	for _, p := range points {
		if !finite(p) {
			continue
		}
		if x, _ := a.at(p, 2*a.width, 4*a.height); x != last {
			means, last, n = append(means, point{}), x, 0
		}
		n++
		mean := &means[len(means)-1]
		mean.x, mean.y = p.x, mean.y*((n-1)/n)+p.y/n
	}
	return means
}

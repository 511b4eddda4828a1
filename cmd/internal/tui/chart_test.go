package tui

import (
	"math"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"
	"github.com/stretchr/testify/require"
)

// simulated is a terminal that is none.
func simulated(t *testing.T, width, height int) tcell.SimulationScreen {
	t.Helper()
	s := tcell.NewSimulationScreen("UTF-8")
	require.NoError(t, s.Init())
	t.Cleanup(s.Fini)
	s.SetSize(width, height)
	return s
}

// text is what a terminal shows, without the blanks at the ends of lines.
func text(s tcell.Screen) string {
	width, height := s.Size()
	lines := make([]string, height)
	for y := range lines {
		for x := 0; x < width; {
			cell, _, taken := s.Get(x, y)
			lines[y] += cell
			x += max(1, taken)
		}
		lines[y] = strings.TrimRight(lines[y], " ")
	}
	return strings.Join(lines, "\n")
}

func TestChart(t *testing.T) {
	falling := make([]point, 10_000)
	for i := range falling {
		falling[i] = point{float64(i) / 1000, 1 - float64(i)/10_000 + 0.3*float64(i%2)} // what swings from step to step is smoothed
	}
	for _, row := range []struct {
		name   string
		curves []curve
		shown  string
	}{
		{"nothing", nil, `
loss
1│
 │
 │
0│
 └──────────────────
 0           epoch 1`},
		{"a line and marks", []curve{{name: "train", points: []point{{0, 4}, {1, 2}, {4, 0}}}, {name: "val", marks: true, points: []point{{2, 3}, {4, 1}}}}, `
loss  ─ train 0  o v
4│⠑⢄
 │  ⠉⠢⡀    o
 │    ⠈⠑⠒⠢⠤⢄⣀      o
0│           ⠉⠉⠒⠒⠤⠤⣀
 └──────────────────
 0           epoch 4`},
		{"one point", []curve{{name: "val", marks: true, points: []point{{0, 5}}}}, `
loss  o val 5
5.5│
   │
   │o
4.5│
   └────────────────
   0         epoch 1`},
		{"constant", []curve{{points: []point{{0, 0}, {1, 0}}}}, `
loss  ─  0
 1e-06│
      │
      │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
-1e-06│
      └─────────────
      0      epoch 1`},
		{"not finite", []curve{{points: []point{{0, math.NaN()}, {1, 1}, {2, math.Inf(1)}, {3, 0}, {4, math.Inf(-1)}}}}, `
loss  ─  -Inf
1│      ⠑⠢⣀
 │         ⠑⠢⣀
 │            ⠉⠢⢄
0│               ⠉⠢⢄
 └──────────────────
 0           epoch 3`},
		{"greatest numbers", []curve{{points: []point{{0, math.MaxFloat64}, {1, -math.MaxFloat64}}}}, `
loss  ─  -1.798e+308
 1.798e+308│⠑⢄
           │  ⠑⢄
           │    ⠑⢄
-1.798e+308│      ⠑⢄
           └────────
           0 epoch 1`},
		{"least numbers", []curve{{points: []point{{0, 0}, {1, math.SmallestNonzeroFloat64}}}}, `
loss  ─  4.941e-324
 1e-06│
      │
      │⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
-1e-06│
      └─────────────
      0      epoch 1`},
		{"thousands", []curve{{points: falling}}, `
loss  ─  0.3001
   1.3│⠤⣀
      │  ⠉⠑⠢⢄⡀
      │      ⠈⠑⠢⢄⣀
0.0002│           ⠉⠒
      └─────────────
      0     epoch 10`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := simulated(t, 20, 7)
			(&chart{"loss", "%.4g", row.curves}).draw(s, 0, 0, 20, 7)
			require.Equal(t, strings.TrimPrefix(row.shown, "\n"), text(s))
		})
	}
}

// No size and no values are too odd to be drawn, and nothing is drawn outside of the chart.
func TestChartSizes(t *testing.T) {
	odd := []float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-30}
	var points []point
	for _, x := range odd {
		for _, y := range odd {
			points = append(points, point{x, y})
		}
	}
	s := simulated(t, 40, 20)
	for width := range 36 {
		for height := range 18 {
			for n := 3; n < len(points); n += 41 {
				s.Clear()
				(&chart{"loss", "%.4g", []curve{{"a", points[:n], false, tcell.StyleDefault}, {"b", points[n:], true, tcell.StyleDefault}}}).draw(s, 2, 1, width, height)
				for y, line := range strings.Split(text(s), "\n") {
					if y < 1 || y >= 1+max(1, height) {
						require.Empty(t, line, "%d x %d, line %d", width, height, y)
						continue
					}
					require.LessOrEqual(t, len([]rune(line)), 2+width, "%d x %d: %s", width, height, line)
				}
			}
		}
	}
}

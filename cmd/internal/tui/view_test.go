package tui

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
	"fovea/cmd/internal/runs"
)

func number(v float64) *float64 { return &v }

// shown is a view of a training in its third epoch of 4, each of 10 steps.
func shown() *view {
	v := &view{title: "mlp, 623,290 parameters", facts: []string{"Device: cpu", "Data: mnist"}, tail: []string{"Epoch 1/4: 7.0 s", "Epoch 2/4: 7.1 s"},
		now: Now{Epoch: 3, Epochs: 4, Step: 5, Steps: 10, Left: "3s left", Figures: []string{"loss 0.250", "accuracy 91.0%", "4000 images/s", "lr 0.001"}}}
	c := live.Change{Reset: true, Start: &live.Start{EpochSteps: 10}, Progress: &live.Progress{Left: 10.4}}
	for i := 1; i <= 25; i++ {
		c.Steps = append(c.Steps, live.Step{Epoch: float64(i) / 10, Loss: 5 / float64(i), Accuracy: number(float64(i) / 27.5)})
	}
	for i := 1; i <= 2; i++ {
		c.Epochs = append(c.Epochs, runs.Epoch{Epoch: i, Step: 10 * i, ValLoss: number(1 / float64(i)), ValAcc: number(float64(i) / 4)})
	}
	v.change(c)
	return v
}

func TestView(t *testing.T) {
	s := simulated(t, 76, 18)
	shown().draw(s)
	require.Equal(t, strings.TrimPrefix(`
mlp, 623,290 parameters                            q: stop, keep the weights
Device: cpu
Data: mnist

Epoch 3/4  step 5/10   50% ██████████████──────────────  3s left, 10s in all
loss 0.250  accuracy 91.0%  4000 images/s  lr 0.001

loss  ─ train 0.2  o val 0.5           accuracy  ─ train 90.91%  o val 50%
  5│ ⠸⡀                                90.91%│                         ⢀⡠⠤⠒⠉
   │  ⡇                                      │                    ⢀⣀⠤⠒⠊⠁
   │  ⢱                                      │                ⣀⠤⠔⠊⠁  o
   │  ⠈⢢                                     │          ⣀⡠⠔⠊⠉⠉
   │    ⠑⠤⣀⡀     o                           │     ⢀⡠⠤⠒⠉  o
0.2│       ⠈⠑⠒⠒⠒⠢⠤⠤⠤⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀o⣀⣀⣀⣀⣀⣀  3.636%│ ⣀⠤⠒⠉⠁
   └─────────────────────────────────        └──────────────────────────────
   0                        epoch 2.5        0                     epoch 2.5
Epoch 1/4: 7.0 s
Epoch 2/4: 7.1 s`, "\n"), text(s))
}

// Each fold is a run of its own, and the curves are those of the last one.
func TestViewFolds(t *testing.T) {
	v := shown()
	v.change(live.Change{Run: 1, Reset: true, Start: &live.Start{EpochSteps: 5}, Steps: []live.Step{{Epoch: 0.2, Loss: 7}}})
	v.change(live.Change{Run: 0, Steps: []live.Step{{Epoch: 2.6, Loss: 9}}})
	v.change(live.Change{Run: 1, Epochs: []runs.Epoch{{Epoch: 1, Step: 5, ValLoss: number(6)}}})
	require.Equal(t, []point{{0.2, 7}}, v.loss)
	require.Equal(t, []point{{1, 6}}, v.valLoss)
	require.Empty(t, v.accuracy)
	require.Zero(t, v.left)
}

// However many epochs there are, their points are bounded, in order, and the last one is there.
func TestViewBounded(t *testing.T) {
	v := &view{epochSteps: 1}
	for i := 1; i <= 5*mostEpochs; i++ {
		v.change(live.Change{Epochs: []runs.Epoch{{Epoch: i, Step: i, ValLoss: number(1)}}})
		require.Equal(t, float64(i), v.valLoss[len(v.valLoss)-1].x)
	}
	require.LessOrEqual(t, len(v.valLoss), mostEpochs)
	require.Greater(t, len(v.valLoss), mostEpochs/4)
	for i, p := range v.valLoss[1:] {
		require.Greater(t, p.x, v.valLoss[i].x)
	}
}

// A training without accuracy has one chart as wide as the screen.
func TestViewOfRegression(t *testing.T) {
	v := shown()
	v.accuracy, v.valAccuracy = nil, nil
	s := simulated(t, 76, 18)
	v.draw(s)
	require.NotContains(t, text(s), "%│")
	require.Contains(t, text(s), "└"+strings.Repeat("─", 70))
}

// No size is too odd, nor are values; a screen that is too small says what it needs.
func TestViewSizes(t *testing.T) {
	v := shown()
	v.title, v.facts, v.tail = strings.Repeat("wide 世界 ", 40), []string{strings.Repeat("é́", 300)}, []string{strings.Repeat("x", 500), ""}
	v.left, v.now.Step = math.Inf(1), math.MaxInt
	for width := 0; width <= 200; width += 7 {
		for height := 0; height <= 60; height += 3 {
			s := simulated(t, width, height)
			v.draw(s)
			switch {
			case width >= minWidth && height >= minHeight:
				require.Contains(t, text(s), "wide 世界", "%d x %d", width, height)
				require.Contains(t, text(s), "q: stop, keep the weights")
			case width >= 20 && height >= 2:
				require.Equal(t, fmt.Sprintf("needs %d x %d\nthe training goes on", minWidth, minHeight), strings.TrimRight(text(s), "\n"))
			}
		}
	}
}

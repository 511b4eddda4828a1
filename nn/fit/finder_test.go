package fit

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// A loss that falls as 1 - 1/(1+exp(-k(x-c))) does in the logarithm x of the rate is steepest at c, and where the loss is least
// can be said beforehand: the suggestions follow. The smoothing lags behind: so here the points are given it.
func TestSuggestion(t *testing.T) {
	curve := func(loss func(x float64) float64) *RateCurve {
		c := &RateCurve{}
		for i := range 161 {
			x := -7 + float64(i)/20
			c.Points = append(c.Points, RatePoint{Rate: math.Pow(10, x), Smoothed: loss(x)})
			if c.Points[i].Smoothed < c.Points[c.least].Smoothed {
				c.least = i
			}
		}
		c.suggest()
		return c
	}
	falls := func(x float64) float64 { return 1 / (1 + math.Exp(3*(x+3))) }
	for _, row := range []struct {
		name            string
		loss            func(x float64) float64
		steepest, tenth float64
	}{
		{"falls and rises", func(x float64) float64 { return falls(x) + math.Exp(8*(x-0.5)) + 0.1*math.Abs(x+1) }, 1e-3, 1e-2},
		{"steeper after the least", func(x float64) float64 {
			return falls(x) + 0.1*math.Abs(x+1) - 9/(1+math.Exp(-40*(x-0.9))) + 10/(1+math.Exp(-40*(x-0.5)))
		}, 1e-3, 1e-2},
		{"a jump at first", func(x float64) float64 { return falls(x) + 0.1*math.Abs(x+1) + 5/(1+math.Exp(40*(x+6.8))) }, 1e-3, 1e-2},
		{"flat", func(float64) float64 { return 2.3 }, 0, 0},
		{"rises", math.Exp, 0, 0},
	} {
		c := curve(row.loss)
		require.InDelta(t, row.steepest, c.Steepest, 1e-9, row.name)
		require.InDelta(t, row.tenth, c.Tenth, 1e-9, row.name)
	}
	few := &RateCurve{Points: []RatePoint{{Rate: 1}, {Rate: 2}}}
	few.suggest()
	require.Zero(t, few.Steepest)
}

// The smoothed loss is the mean of all so far with weights 0.98^age.
func TestSmoothedLoss(t *testing.T) {
	c := &RateCurve{}
	losses := []float64{3, 5, 2, 8, 1, 1, 1, 4}
	for n, loss := range losses {
		c.add(1, loss)
		sum, weight := 0.0, 0.0
		for i, l := range losses[:n+1] {
			w := math.Pow(0.98, float64(n-i))
			sum, weight = sum+w*l, weight+w
		}
		require.InEpsilon(t, sum/weight, c.Points[n].Smoothed, 1e-12)
	}
}

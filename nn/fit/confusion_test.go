package fit_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/device/devicetest"
	"fovea/nn/fit"
)

func TestConfusion(t *testing.T) {
	nan := math.NaN()
	c := fit.NewConfusion(3)
	c.Add([]float64{
		1, 2, 3, // 2, then 1, 0
		5, 5, 5, // 0, then 1, 2: the first of equal ones
		0, nan, 9, // 1, then 2, 0
		nan, 1, nan, // 0, then 2, 1
	}, []int32{2, 1, 1, 2})
	c.Add([]float64{-1, -2, -3}, []int32{2})
	require.Equal(t, [][]int{{0, 0, 0}, {1, 1, 0}, {2, 0, 1}}, c.Counts)
	require.Equal(t, 5, c.Samples)
	require.Equal(t, 2.0/5, c.Top(1))
	require.Equal(t, 4.0/5, c.Top(2))
	require.Equal(t, 1.0, c.Top(3))
	require.Equal(t, 1.0, c.Top(5))
	for class, want := range [][3]float64{{0, 0, nan}, {2, 1, 0.5}, {3, 1, 1.0 / 3}} {
		samples, precision, recall := c.Class(class)
		got := [3]float64{float64(samples), precision, recall}
		for i := range want {
			require.True(t, want[i] == got[i] || math.IsNaN(want[i]) && math.IsNaN(got[i]), "class %d: %v, expected %v", class, got, want)
		}
	}
}

// What is counted on the host is what the device counts.
func TestEvaluateEach(t *testing.T) {
	for _, dev := range devicetest.Names() {
		set := corners(t, 20)
		tr := newTrainer(t, dev, everything(), set, method(t, "adam", 0.003))
		tr.Train.Batch = 8
		require.NoError(t, tr.Run(t.Context()))
		c := fit.NewConfusion(4)
		m, err := fit.EvaluateEach(t.Context(), tr.Network, &data.Loader{Set: set, Batch: 8}, c.Add)
		require.NoError(t, err)
		require.Equal(t, 20, c.Samples)
		require.Equal(t, m.Accuracy, c.Top(1), dev)
		for class := range 4 {
			samples, _, _ := c.Class(class)
			require.Equal(t, 5, samples)
		}
	}
}

package network

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSoftmax(t *testing.T) {
	for _, row := range []struct{ logits, want []float64 }{
		{[]float64{0, 0}, []float64{0.5, 0.5}},
		{[]float64{1, 2, 3}, []float64{0.09003057317038046, 0.24472847105479767, 0.6652409557748219}},
		{[]float64{1e30, 0}, []float64{1, 0}},
		{[]float64{-1000, -1001}, []float64{0.7310585786300049, 0.2689414213699951}},
		{[]float64{7}, []float64{1}},
	} {
		require.InDeltaSlice(t, row.want, Softmax(row.logits), 1e-15, "%v", row.logits)
	}
}

package network

import (
	"math"
	"slices"
)

// Softmax is exp(x) over the sum of them; the largest is taken off first, so that nothing overflows.
func Softmax(logits []float64) []float64 {
	largest, sum := slices.Max(logits), 0.0
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = math.Exp(v - largest)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

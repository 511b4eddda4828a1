package network

import (
	"cmp"
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

// Likeliest lists the k classes of the highest probabilities, the highest first, or all if there are no more; of equals, the
// lower class comes first.
func Likeliest(probabilities []float64, k int) []int {
	classes := make([]int, len(probabilities))
	for class := range classes {
		classes[class] = class
	}
	slices.SortStableFunc(classes, func(a, b int) int { return cmp.Compare(probabilities[b], probabilities[a]) })
	return classes[:min(k, len(classes))]
}

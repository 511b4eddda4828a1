package fit

import "math"

// Confusion counts what a network took samples for.
type Confusion struct {
	Counts  [][]int // [label][class found]
	Samples int

	within []int // samples whose label was among the first k+1
}

// NewConfusion makes an empty one.
func NewConfusion(classes int) *Confusion {
	c := &Confusion{Counts: make([][]int, classes), within: make([]int, classes)}
	for i := range c.Counts {
		c.Counts[i] = make([]int, classes)
	}
	return c
}

// Add counts the outputs [len(labels), classes] of a network, ordered as device.Loss does: among equal ones the first is
// the larger, and NaN is the largest of all.
func (c *Confusion) Add(outputs []float64, labels []int32) {
	classes := len(c.Counts)
	for i, label := range labels {
		row := outputs[i*classes : (i+1)*classes]
		found, rank := 0, 0
		for k := range row {
			if above(row, k, found) {
				found = k
			}
			if above(row, k, int(label)) {
				rank++
			}
		}
		c.Counts[label][found]++
		c.within[rank]++
		c.Samples++
	}
}

// above says that class a comes before class b.
func above(row []float64, a, b int) bool {
	x, y := row[a], row[b]
	if math.IsNaN(x) || math.IsNaN(y) {
		return math.IsNaN(x) && (!math.IsNaN(y) || a < b)
	}
	return x > y || x == y && a < b
}

// Top is the share of samples whose label was among the k largest outputs.
func (c *Confusion) Top(k int) float64 {
	n := 0
	for _, w := range c.within[:min(k, len(c.within))] {
		n += w
	}
	return float64(n) / float64(c.Samples)
}

// Class returns how many samples of a class there are, and of those found to be it the share that is (precision), and of
// those that are it the share that was found (recall); NaN for a share of nothing.
func (c *Confusion) Class(class int) (samples int, precision, recall float64) {
	found := 0
	for label, row := range c.Counts {
		found += row[class]
		if label == class {
			for _, n := range row {
				samples += n
			}
		}
	}
	right := float64(c.Counts[class][class])
	return samples, right / float64(found), right / float64(samples)
}

package augment

import (
	"math"

	"fovea/data"
	"fovea/device/philox"
)

// CutMix puts a rectangle of each sample's neighbour in the batch in its place (the first sample's neighbour is the last):
// 1-lambda of the area with one lambda of Beta(Alpha, Alpha) for the batch, its middle anywhere and what lies outside cut
// off. Targets are mixed by what area is left (Yun and others, 2019).
type CutMix struct{ Alpha float64 }

func (m CutMix) String() string { return mixerText("cutmix", m.Alpha) }

// Mix implements data.Mixer.
func (m CutMix) Mix(b *data.Batch, random *philox.Source) {
	shape := b.X.Shape()
	h, w := shape[2], shape[3]
	half := 0.5 * math.Sqrt(1-beta(m.Alpha, random))
	halfWidth, halfHeight := int(half*float64(w)), int(half*float64(h))
	x, y := random.Intn(w), random.Intn(h)
	left, right := max(x-halfWidth, 0), min(x+halfWidth, w)
	top, bottom := max(y-halfHeight, 0), min(y+halfHeight, h)
	paste(b.X.Data().([]float32), shape[0], shape[1], w, h, left, right, top, bottom)
	mixTargets(b, 1-float64((right-left)*(bottom-top))/float64(w*h))
}

// paste copies a rectangle of each sample onto the one after it.
func paste(x []float32, n, channels, w, h, left, right, top, bottom int) {
	size := right - left
	rows := borrow(channels * (bottom - top) * size) // of the last sample
	defer rows.giveBack()
	each := func(do func(at, row int)) {
		row := 0
		for c := range channels {
			for y := top; y < bottom; y++ {
				do((c*h+y)*w+left, row)
				row += size
			}
		}
	}
	sample := func(i int) []float32 { return x[i*channels*h*w:] }
	each(func(at, row int) { copy(rows.values[row:][:size], sample(n - 1)[at:]) })
	for i := n - 1; i > 0; i-- {
		each(func(at, _ int) { copy(sample(i)[at:][:size], sample(i - 1)[at:]) })
	}
	each(func(at, row int) { copy(sample(0)[at:][:size], rows.values[row:]) })
}

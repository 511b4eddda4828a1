package augment

import (
	"fovea/data"
	"fovea/device/philox"
)

// Mixup adds each sample to its neighbour in the batch (the first to the last), lambda of the one and 1-lambda of the other
// with one lambda of Beta(Alpha, Alpha) for the batch, and their targets likewise (Zhang and others, 2018).
type Mixup struct{ Alpha float64 }

func (m Mixup) String() string { return mixerText("mixup", m.Alpha) }

// Mix implements data.Mixer.
func (m Mixup) Mix(b *data.Batch, random *philox.Source) {
	lambda := beta(m.Alpha, random)
	x := b.X.Data().([]float32)
	roll(x, len(x)/b.X.Shape()[0], float32(lambda))
	mixTargets(b, lambda)
}

// roll makes each of the samples in x lambda of itself and 1-lambda of the one before it.
func roll(x []float32, size int, lambda float32) {
	last := borrow(size)
	defer last.giveBack()
	copy(last.values, x[len(x)-size:])
	for at := len(x) - size; at >= 0; at -= size {
		before := last.values
		if at > 0 {
			before = x[at-size : at]
		}
		sample := x[at : at+size][:len(before)]
		for i, v := range before {
			sample[i] = float32(lambda*sample[i]) + float32((1-lambda)*v)
		}
	}
}

// mixTargets mixes what belongs to samples that are lambda of themselves and 1-lambda of the one before.
func mixTargets(b *data.Batch, lambda float64) {
	if b.Targets != nil {
		y := b.Targets.Data().([]float32)
		roll(y, len(y)/b.Targets.Shape()[0], float32(lambda))
		return
	}
	n := len(b.Labels)
	if b.Mix == nil || len(b.Mix.Labels) != n {
		b.Mix = &data.Mix{Labels: make([]int32, n)}
	}
	for i := range n {
		b.Mix.Labels[i] = b.Labels[(i+n-1)%n]
	}
	b.Mix.Share = lambda
	if lambda < 0.5 {
		b.Mix.Share = 1 - lambda
		for i := range n {
			b.Labels[i], b.Mix.Labels[i] = b.Mix.Labels[i], b.Labels[i]
		}
	}
}

package data

import "fovea/device/philox"

// Mix says what the samples of a batch were mixed with. The loss of such a batch is Share of that for Batch.Labels plus
// 1-Share of that for Labels.
type Mix struct {
	Share  float64 // 0.5 to 1: Batch.Labels are those of the larger parts
	Labels []int32 // of the smaller parts
}

// Mixer mixes the samples of a batch with one another, in place: mixup, cutmix.
type Mixer interface {
	// Mix changes b.X; where b has labels it sets b.Mix, and where it has targets it mixes those. It draws what it needs
	// from random, which belongs to this batch of this epoch alone.
	Mix(b *Batch, random *philox.Source)
	// String is the mixer as the user writes it: "mixup:0.2".
	String() string
}

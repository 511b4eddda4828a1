package data

import "fovea/device/philox"

// Picture is a sample on its way from a set to a batch: C x H x W values, row-major, of 0 (black) to 1 (white). What a
// network was trained to see (mean taken off, divided by the deviation) is made of it last.
type Picture struct {
	C, H, W int
	Values  []float32
}

// Transform changes a picture in place: an augmentation. It is safe for concurrent use by any number of workers.
type Transform interface {
	// Apply draws what it needs from random, which belongs to this sample in this epoch alone: the same seed, epoch and
	// sample give the same picture on every machine and for any number of workers.
	Apply(p Picture, random *philox.Source)
	// String is the transform as the user writes it: "flip:0.5".
	String() string
}

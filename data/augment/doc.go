// Package augment has the changes that make more pictures of few: crops, flips, rotations, colour changes, distortions,
// noise, erased rectangles, and mixtures of two samples (mixup, cutmix).
//
// A transform is a [fovea/data.Transform]: it changes one picture of values 0 to 1 in place, with any number of channels,
// and draws what it needs from the random numbers it is handed, so that seed, epoch and sample decide what it does and
// nothing else. [Parse] reads them as a user writes them, "crop:4,flip,rotate:15"; the same may be written in Go as
// augment.Crop{Pixels: 4}, augment.Flip{P: 0.5}, augment.Rotate{Degrees: 15}. Transforms are meant for training only.
//
// [Mixup] and [CutMix] are a [fovea/data.Mixer]: they mix the samples of a batch with one another, and their labels.
//
// Geometry and colour follow torchvision's definitions, against which they are tested. To add a transform, write one file
// with its type and [Register] it from init, as flip.go does. docs/augmentation.md lists all of them.
package augment

package augment

import (
	"fmt"
	"strconv"

	"fovea/data"
	"fovea/device/philox"
)

// minAlpha and maxAlpha bound the parameter of the Beta distribution: samples as they are, and mixed half and half.
const minAlpha, maxAlpha = 0.001, 1000

// NewMixer makes what mixes batches with these parameters of the Beta distribution: mixup, cutmix, or for each batch one of
// them with equal chances. A parameter of 0 leaves that out; without any the mixer is nil.
func NewMixer(mixup, cutmix float64) (data.Mixer, error) {
	for _, a := range []struct {
		name  string
		alpha float64
	}{{"mixup", mixup}, {"cutmix", cutmix}} {
		if a.alpha != 0 && !(a.alpha >= minAlpha && a.alpha <= maxAlpha) {
			return nil, fmt.Errorf("%s: %v, expected %v to %v, or 0 for none", a.name, a.alpha, minAlpha, maxAlpha)
		}
	}
	switch {
	case mixup > 0 && cutmix > 0:
		return Either{Mixup{mixup}, CutMix{cutmix}}, nil
	case mixup > 0:
		return Mixup{mixup}, nil
	case cutmix > 0:
		return CutMix{cutmix}, nil
	}
	return nil, nil
}

// Either is for each batch one of two mixers, with equal chances.
type Either [2]data.Mixer

func (m Either) String() string { return m[0].String() + "|" + m[1].String() }

// Mix implements data.Mixer.
func (m Either) Mix(b *data.Batch, random *philox.Source) { m[random.Intn(2)].Mix(b, random) }

func mixerText(name string, alpha float64) string {
	return name + ":" + strconv.FormatFloat(alpha, 'g', -1, 64)
}

package main

import (
	"flag"
	"fmt"
	"sync"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/data"
)

// loading is how samples come out of pictures.
type loading struct {
	workers, resize int
	cropping        string
	onBad           string

	crop data.Crop // for training; nil: the samples have one size
	bad  badPictures
}

func (l *loading) declare(f *flag.FlagSet) {
	f.IntVar(&l.workers, "workers", 0, "pictures to decode and augment at once; 0: as many as there are processors. The numbers do not depend on it")
	f.StringVar(&l.cropping, "crop", "resized", "`part` of a picture to train on, for pictures of any size: "+data.CropForms+"\n(resized: 0.08 to 1 of the area, wide as high within 3/4 to 4/3; shifted: shorter side N, a part anywhere)")
	f.IntVar(&l.resize, "resize", 0, "`pixels` of the shorter side of pictures of any size before their middle is taken, to validate, to test and in predict\n(default 8/7 of the network's: 256 for 224)")
	f.StringVar(&l.onBad, "on-bad-image", "fail", "`what` to do about a damaged picture: fail, or skip (the next good one stands in its place, and they are counted)")
}

func (l *loading) check() (err error) {
	if err := cli.AtLeast("workers", l.workers, 0); err != nil {
		return err
	}
	if err := cli.AtLeast("resize", l.resize, 0); err != nil {
		return err
	}
	if l.onBad != "fail" && l.onBad != "skip" {
		return cli.Usagef("--on-bad-image: %q, expected fail or skip", l.onBad)
	}
	if l.crop, err = data.ParseCrop(l.cropping); err != nil {
		return cli.Usagef("--crop: %w", err)
	}
	return nil
}

// options are for data sets of pictures of any size, of which samples are made.
func (l *loading) options(o data.Options, sample tensor.Shape) data.Options {
	o.Sample, o.Resize = sample, l.resize
	return o
}

// set is set with damage passed over, if the user wants that; nil stays nil.
func (l *loading) set(set data.Set) data.Set {
	if set == nil || l.onBad == "fail" {
		return set
	}
	return &data.Tolerant{Set: set, OnBad: l.bad.add}
}

// badPictures counts damaged pictures.
type badPictures struct {
	mu    sync.Mutex
	count int // since take
	known map[string]bool
	fresh []string // messages of those that were not known
}

// maxKnown bounds how many damaged pictures are remembered, and named.
const maxKnown = 1000

func (b *badPictures) add(err *data.PictureError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if b.known[err.Path] || len(b.known) == maxKnown {
		return
	}
	if b.known == nil {
		b.known = map[string]bool{}
	}
	b.known[err.Path] = true
	b.fresh = append(b.fresh, err.Error())
}

// take is how many there were since it was called last. Those that are new are told to notice.
func (b *badPictures) take(notice func(line string)) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.fresh {
		notice("passed over: " + text)
	}
	n := b.count
	b.count, b.fresh = 0, nil
	if n > 0 {
		notice(fmt.Sprintf("%d damaged pictures passed over since the last epoch, the next good ones stood in their places", n))
	}
	return n
}

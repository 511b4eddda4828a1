package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/data/augment"
)

// augmentation is what is done to the samples of training batches, and to no others.
type augmentation struct {
	list          string
	mixup, cutmix float64

	transforms []data.Transform
	mixer      data.Mixer
}

func (a *augmentation) declare(f *flag.FlagSet) {
	f.StringVar(&a.list, "augment", "", "`list` of changes to the pictures to train on, in that order, such as crop:4,flip,rotate:15; or cifar, imagenet, mnist;\n--augment list shows all there are, inspect augment draws them")
	f.Float64Var(&a.mixup, "mixup", 0, "mix samples, and their classes, by a share of Beta(`a`, a); 0: not")
	f.Float64Var(&a.cutmix, "cutmix", 0, "put a part of one sample in another, its area by Beta(`a`, a); with --mixup too, each batch gets one of them; 0: neither")
}

// check reads the list. If it asks for what there is, that is printed and the error is flag.ErrHelp.
func (a *augmentation) check(stdout io.Writer) (err error) {
	if a.list == "list" {
		return errors.Join(flag.ErrHelp, augment.List(stdout))
	}
	if a.list != "" {
		if a.transforms, err = augment.Parse(a.list); err != nil {
			return cli.Usagef("--augment: %w", err)
		}
	}
	if a.mixer, err = augment.NewMixer(a.mixup, a.cutmix); err != nil {
		return cli.Usagef("--%w", err)
	}
	return nil
}

// fits says whether the samples are such that they can be changed.
func (a *augmentation) fits(training data.Set) error {
	if a.transforms == nil {
		return nil
	}
	if err := augment.Check(training); err != nil {
		return fmt.Errorf("--augment: %w", err)
	}
	return nil
}

// lines says what is done, if anything is.
func (a *augmentation) lines() []string {
	var what []string
	if a.transforms != nil {
		what = append(what, augment.Text(a.transforms))
	}
	if a.mixer != nil {
		what = append(what, a.mixer.String())
	}
	if what == nil {
		return nil
	}
	return []string{"Augmentation: " + strings.Join(what, ", then ")}
}

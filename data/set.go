package data

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// Info describes a data set.
type Info struct {
	Name       string
	Sample     tensor.Shape // one sample: channels, height, width (C, H, W)
	Classes    int          // number of classes; 0: the data does not say (npz)
	ClassNames []string     // optional, one per class
	Targets    int          // > 0: regression with that many float targets per sample; then there are no labels
	Scale      float32      // what raw pixel values 0..255 were multiplied with (1/255 for pictures, 0 if not from pixels)

	// What the network sees: (value - Mean) / Deviation, channel by channel; empty: the values as they are. Set.Read does
	// not do that, a Loader does it last.
	Mean, Deviation []float32
	// How a picture of another size becomes a sample where nothing is random: its shorter side gets Resize pixels and the
	// middle is taken; 0: it is stretched.
	Resize int
}

// ClassName is that of a class, by the names that classes have; one without a name is called by its number.
func ClassName(names []string, class int) string {
	if class < len(names) {
		return names[class]
	}
	return strconv.Itoa(class)
}

// Set is a finite, indexable collection of samples. Its methods are safe for concurrent use. Samples count from 0.
type Set interface {
	Info() Info
	Len() int
	// Read writes sample i, row-major, into x, whose length must be C*H*W.
	Read(i int, x []float32) error
	// Label returns the class of sample i, or -1 if the set has no such sample or no labels.
	Label(i int) int
	// Target writes the regression targets of sample i into y, whose length must be Info().Targets. It leaves y as it is
	// if the set has no such sample or no targets.
	Target(i int, y []float32)
}

// Cropper is a set of pictures of any size, of which samples can be made in many ways. Read makes them as [Info] says.
type Cropper interface {
	Set
	// ReadCrop is Read with another crop, which draws what is random from random.
	ReadCrop(i int, x []float32, crop Crop, random *philox.Source) error
}

// cropper is set as a Cropper, if it is one; of a subset, if what it is a part of is one.
func cropper(set Set) (Cropper, bool) {
	if s, part := set.(*Subset); part {
		if _, can := cropper(s.of); !can {
			return nil, false
		}
	}
	c, can := set.(Cropper)
	return c, can
}

// CheckLabels returns an error that names the first sample, counted from 0 in file order, whose label is outside
// [0, classes).
func CheckLabels(set Set, classes int) error {
	info := set.Info()
	if info.Targets > 0 {
		return fmt.Errorf("labels of %q: the data has %d regression targets per sample, expected class labels", info.Name, info.Targets)
	}
	if classes < 1 {
		return fmt.Errorf("labels of %q: %d classes asked for, expected at least 1", info.Name, classes)
	}
	for i := range set.Len() {
		if label := set.Label(i); label < 0 || label >= classes {
			return fmt.Errorf("labels of %q: sample %d has label %d, expected 0 to %d", info.Name, original(set, i), label, classes-1)
		}
	}
	return nil
}

// sampleSize returns the number of values in a sample, or an error if the shape is none of a sample.
func sampleSize(info Info) (int, error) {
	if len(info.Sample) != 3 {
		return 0, fmt.Errorf("data set %q: sample shape %s, expected (C, H, W)", info.Name, shapeText(info.Sample))
	}
	size, err := product(info.Sample)
	if err == nil && size == 0 {
		err = errors.New("a sample without values")
	}
	if err != nil {
		return 0, fmt.Errorf("data set %q: sample shape %s: %w", info.Name, shapeText(info.Sample), err)
	}
	return size, nil
}

// checkRead refuses what would read or write outside a sample.
func checkRead(info Info, length, size, i int, x []float32) error {
	if i < 0 || i >= length {
		return fmt.Errorf("data set %q: no sample %d, expected 0 to %d", info.Name, i, length-1)
	}
	if len(x) != size {
		return fmt.Errorf("data set %q: sample %d into a buffer of %d values, expected %d", info.Name, i, len(x), size)
	}
	return nil
}

// product multiplies dimensions, refusing negative ones and products that do not fit.
func product(dims []int) (int, error) {
	total := 1
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension %d", d)
		}
		if d > 0 && total > math.MaxInt/d {
			return 0, errors.New("the number of values does not fit an int")
		}
		total *= d
	}
	return total, nil
}

// shapeText writes dimensions for a message: "[3,4]".
func shapeText(dims []int) string {
	words := make([]string, len(dims))
	for i, d := range dims {
		words[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(words, ",") + "]"
}

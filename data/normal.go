package data

import (
	"fmt"
	"math"
)

// Normalise takes the mean off a sample's values and divides them by the deviation, channel by channel, if the data has
// them.
func (i Info) Normalise(x []float32) {
	if len(i.Mean) == 0 {
		return
	}
	plane := len(x) / len(i.Mean)
	for c, mean := range i.Mean {
		factor := 1 / i.Deviation[c]
		offset := -mean * factor
		values := x[c*plane : (c+1)*plane]
		for k, v := range values {
			values[k] = v*factor + offset
		}
	}
}

// checkNormal refuses what Normalise cannot use.
func (i Info) checkNormal() error {
	if len(i.Mean) == 0 && len(i.Deviation) == 0 {
		return nil
	}
	if len(i.Mean) != i.Sample[0] || len(i.Deviation) != i.Sample[0] {
		return fmt.Errorf("data set %q: %d means and %d deviations for %d channels", i.Name, len(i.Mean), len(i.Deviation), i.Sample[0])
	}
	for c := range i.Mean {
		mean, deviation := float64(i.Mean[c]), float64(i.Deviation[c])
		if math.IsNaN(mean) || math.IsInf(mean, 0) || !(deviation > 0) || math.IsInf(deviation, 1) {
			return fmt.Errorf("data set %q: channel %d has mean %v and deviation %v, expected finite numbers and a deviation above 0", i.Name, c, mean, deviation)
		}
	}
	return nil
}

// What pictures of the world have, over ImageNet, in red, green and blue (what torchvision's networks were trained with);
// and in grey, by the weights of brightness.
var (
	worldMean, worldDeviation = []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	greyMean, greyDeviation   = []float32{0.459}, []float32{0.226}
)

// worldNormal is that for samples of one channel or three.
func worldNormal(channels int) (mean, deviation []float32) {
	switch channels {
	case 1:
		return greyMean, greyDeviation
	case 3:
		return worldMean, worldDeviation
	}
	return nil, nil
}

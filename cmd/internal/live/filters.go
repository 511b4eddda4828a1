package live

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fovea/nn"
)

// mostFilters bounds how many are drawn.
const mostFilters = 64

// Filters are those of the first convolution, each from its own smallest weight (0) to its largest (255). Of three channels
// they are colours; of other depths the first channel is drawn.
type Filters struct {
	Layer    string `json:"layer"`
	Of       int    `json:"of"` // how many the layer has
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Channels int    `json:"channels"` // drawn: 1 or 3
	Pixels   []byte `json:"pixels"`   // [filter, channel, row, column]
}

// firstFilters is nil for a network without a convolution.
func firstFilters(net *nn.Network) (*Filters, error) {
	for _, p := range net.Parameters {
		if shape := p.Shape(); len(shape) == 4 {
			filters := min(shape[0], mostFilters)
			values, err := firstRows(p.Tensor(), filters*shape[1]*shape[2]*shape[3])
			if err != nil {
				return nil, err
			}
			f := &Filters{Layer: strings.TrimSuffix(p.Name, ".weight"), Of: shape[0], Height: shape[2], Width: shape[3], Channels: 1}
			if shape[1] == 3 {
				f.Channels = 3
			}
			each := shape[1] * shape[2] * shape[3]
			for i := range filters {
				f.Pixels = append(f.Pixels, levels(values[i*each:][:f.Channels*shape[2]*shape[3]])...)
			}
			return f, nil
		}
	}
	return nil, nil
}

// levels brings values to 0 (the smallest) to 255 (the largest); if all are alike, or not numbers, to 0.
func levels(values []float32) []byte {
	low, high := slices.Min(values), slices.Max(values)
	out := make([]byte, len(values))
	for i, v := range values {
		if share := float64(v-low) / float64(high-low); share > 0 && share <= 1 {
			out[i] = uint8(math.Round(255 * share))
		}
	}
	return out
}

// check refuses what cannot be drawn.
func (f *Filters) check() error {
	one := f.Channels
	for _, side := range []int{f.Width, f.Height} {
		if side < 1 || side > len(f.Pixels) {
			return fmt.Errorf("filters of %d x %d", f.Width, f.Height)
		}
		one *= side
	}
	if f.Channels != 1 && f.Channels != 3 || one > len(f.Pixels) || len(f.Pixels)%one != 0 || len(f.Pixels)/one > mostFilters {
		return fmt.Errorf("%d pixels of filters of %d x %d in %d channels", len(f.Pixels), f.Width, f.Height, f.Channels)
	}
	return nil
}

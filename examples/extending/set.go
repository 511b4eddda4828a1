package extending

import (
	"context"
	"fmt"
	"strconv"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device/philox"
)

func init() { data.Register("stripes:SAMPLES", openStripes) }

// stripes is a data set that is drawn when it is read: pictures of a bright line in noise, level or upright.
type stripes struct {
	samples int
	seed    uint64
}

const side = 16

// openStripes is called for --data stripes:2000.
func openStripes(_ context.Context, argument string, _ data.Options) (*data.Sets, error) {
	n, err := strconv.Atoi(argument)
	if err != nil || n < 1 || n > 1e6 {
		return nil, fmt.Errorf("stripes: %q samples, expected a whole number from 1 to 1000000", argument)
	}
	return &data.Sets{Train: stripes{n, 1}, Test: stripes{n, 2}}, nil
}

func (s stripes) Info() data.Info {
	return data.Info{Name: "stripes", Sample: tensor.Shape{1, side, side}, Classes: 2, ClassNames: []string{"level", "upright"}, Scale: 1.0 / 255}
}

func (s stripes) Len() int { return s.samples }

// Read draws sample i from a stream of its own, so that workers may read in any order.
func (s stripes) Read(i int, x []float32) error {
	if i < 0 || i >= s.samples || len(x) != side*side {
		return fmt.Errorf("stripes: sample %d into %d values, expected 0 to %d into %d", i, len(x), s.samples-1, side*side)
	}
	random := philox.NewSource(philox.Stream{Seed: s.seed, ID: uint64(i)})
	for at := range x {
		x[at] = float32(random.Uniform(0, 0.5))
	}
	line := random.Intn(side)
	for along := range side {
		if s.Label(i) == 0 {
			x[line*side+along] = 1
		} else {
			x[along*side+line] = 1
		}
	}
	return nil
}

func (s stripes) Label(i int) int {
	if i < 0 || i >= s.samples {
		return -1
	}
	return i % 2
}

func (s stripes) Target(int, []float32) {}

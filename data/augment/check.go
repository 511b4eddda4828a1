package augment

import (
	"fmt"

	"fovea/data"
)

// checked is how many samples Check looks at.
const checked = 64

// Check returns an error if a set does not hold pictures as transforms take them, values of 0 (black) to 1 (white): arrays
// may hold anything. It looks at the first samples, and at none of a set that was made of pixels.
func Check(set data.Set) error {
	info := set.Info()
	if info.Scale != 0 {
		return nil
	}
	x := make([]float32, info.Sample.TotalSize())
	for i := range min(checked, set.Len()) {
		if err := set.Read(i, x); err != nil {
			return err
		}
		for _, v := range x {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("data %q: sample %d has a value %v, expected 0 (black) to 1 (white) to augment", info.Name, i, v)
			}
		}
	}
	return nil
}

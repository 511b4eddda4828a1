package philox_test

import (
	"fmt"

	"fovea/device/philox"
)

// A stream's numbers depend on seed, stream and position only, so they can be had in any order.
func Example() {
	stream := philox.Stream{Seed: 1, ID: 2}
	source := philox.NewSource(stream)
	for range 4 {
		source.Uint32()
	}
	fifth := source.Uint32()
	fmt.Println(fifth == stream.Four(1)[0])
	fmt.Println(philox.NewSource(stream.Sub(3, 0)).Perm(5))
	// Output:
	// true
	// [2 3 4 0 1]
}

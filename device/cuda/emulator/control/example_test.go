//go:build cuda

package control_test

import (
	"fmt"

	"fovea/device/cuda/emulator/control"
)

// A test makes the third allocation from now fail, lets the device work, and looks at what it did.
func Example() {
	if control.Present() {
		_ = control.Do("fail-alloc 3")
		defer control.Reset()
	}
	fmt.Println(control.Counter("launches"))
	// Output: 0
}

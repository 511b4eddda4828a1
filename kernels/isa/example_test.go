package isa_test

import (
	"fmt"

	"fovea/kernels/isa"
)

// Plain Go is always there.
func ExampleAvailable() {
	all := isa.Available()
	fmt.Println(all[len(all)-1])
	// Output: generic
}

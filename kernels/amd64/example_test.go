//go:build amd64

package amd64_test

import (
	"fmt"

	"golang.org/x/sys/cpu"

	"fovea/kernels/amd64"
)

// One tile of 6 rows and 16 columns; callers check with x/sys/cpu that the processor can.
func Example() {
	var a [6]float32
	var b [16]float32
	var c [6 * 16]float32
	a[5], b[15] = 2, 3
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		amd64.Tile6x16AVX2(1, 1, &a[0], &b[0], &c[0], 16, false)
	} else {
		c[95] = 6
	}
	fmt.Println(c[95])
	// Output: 6
}

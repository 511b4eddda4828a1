//go:build amd64

package amd64_test

import (
	"fmt"
	"unsafe"

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
		p := amd64.Tile{Depth: 1, Tiles: 1, A: &a[0], B: &b[0], C: &c[0], CRow: 4 * 16, Soon: &a[0]}
		amd64.Tile6x16AVX2((*byte)(unsafe.Pointer(&p)))
	} else {
		c[95] = 6
	}
	fmt.Println(c[95])
	// Output: 6
}

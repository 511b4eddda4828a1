package gemm_test

import (
	"fmt"

	"fovea/kernels/gemm"
	"fovea/kernels/isa"
)

// The product of a 2x3 and a 3x2 matrix, both stored row by row. B is read by columns: its rows are columns of C.
func ExampleKernel_Multiply() {
	k := gemm.For(isa.Generic)
	a := gemm.Strided{Data: []float32{1, 2, 3, 4, 5, 6}, Row: 3, Depth: 1}
	b := gemm.Strided{Data: []float32{1, 0, 0, 1, 1, 1}, Row: 1, Depth: 2}
	c := make([]float32, 4)
	k.Multiply(k.NewWorkspace(func(n int) []float32 { return make([]float32, n) }), c, 2, gemm.Block(0, 2, 0, 2), 3, a, b, false)
	fmt.Println(c)
	// Output: [4 5 10 11]
}

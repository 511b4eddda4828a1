package gemm

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	kernels[isa.AVX2] = &Kernel{Name: "avx2", MR: 6, NR: 16, tile: assembly(6, 16, amd64.TileAVX2)}
	kernels[isa.AVX512] = &Kernel{Name: "avx512", MR: 14, NR: 32, tile: assembly(14, 32, amd64.TileAVX512)}
}

// assembly checks the slices' lengths, which the assembly cannot.
func assembly(rows, cols int, tile func(depth int, a, b, c *float32, ldc int, accumulate bool)) func(int, []float32, []float32, []float32, int, bool) {
	return func(depth int, a, b, c []float32, ldc int, accumulate bool) {
		if depth == 0 {
			return // the panels are empty, and so have no first element
		}
		_, _, _ = a[depth*rows-1], b[depth*cols-1], c[(rows-1)*ldc+cols-1]
		tile(depth, &a[0], &b[0], &c[0], ldc, accumulate)
	}
}

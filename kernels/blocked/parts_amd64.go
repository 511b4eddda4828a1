package blocked

import (
	"unsafe"

	"fovea/kernels/amd64"
)

func splitPixels(do func(dst *byte, src *float32, stride, rows, steps int, offsets *int) uint32) func(dst, x []float32, step, count int, t *Taps) bool {
	return func(dst, x []float32, step, count int, t *Taps) bool {
		return do(bytes(dst), &x[0], step, count, t.Steps(), &t.bytes[0]) == 0
	}
}

func splitWeights(do func(dst *byte, src *float32, stride int) uint32) func(dst, w []float32) bool {
	return func(dst, w []float32) bool { return do(bytes(dst), &w[0], Side) == 0 }
}

func splitPlaces(do func(dst *byte, src *float32, places *int, half int) uint32) func(dst, x []float32, places []int, half int) bool {
	return func(dst, x []float32, places []int, half int) bool {
		return do(bytes(dst), &x[0], &places[0], 4*half) == 0
	}
}

// turn exchanges rows and columns of the tiles of a step, whose elements are pairs.
func turn(dst, src []float32) {
	const side, tile = Side / 2, Side * Side / 4
	for at := 0; at < len(dst); at += tile {
		amd64.Transpose16AVX512(&dst[at], side, &src[at], side, 1)
	}
}

func productAMX(do func(p *byte)) func(p *PartsProduct) {
	return func(p *PartsProduct) {
		a, n := &p.args, len(p.Places)
		*a = amd64.ProductParts{Config: amd64.TilesOf16, Depth: p.Steps, Tiles: (n + Side - 1) / Side, A: bytes(p.X), B: bytes(p.W),
			Sums: &p.Sums[0], Y: unsafe.SliceData(p.y), Add: unsafe.SliceData(p.add), YBlock: 4 * p.YBlock, Places: &p.Places[0], LastPixels: (n-1)%Side + 1,
			Bias: &p.Bias[0], Blocks: p.Blocks}
		if p.ReLU {
			a.ReLU = 1
		}
		do((*byte)(unsafe.Pointer(a)))
		*a = amd64.ProductParts{}
	}
}

func bytes(x []float32) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(x))) }

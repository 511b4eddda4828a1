package gemm

import (
	"math"
	"unsafe"

	"fovea/kernels/amd64"
)

// call has what assembly is called with: functions in tables take their arguments on the heap, and these are there already.
// What it points to is forgotten after each call, for the memory may go before the workspace does.
type call struct {
	dots   amd64.Dots
	outer  amd64.Outer
	finish amd64.Finish
	tile   amd64.Tile
	parts  amd64.Parts
}

func bytes[T any](p *T) *byte { return (*byte)(unsafe.Pointer(p)) }

// bits are the first n of 16 lanes for AVX-512, table those of 8 for AVX2.
func bits(n int) uintptr { return 1<<n - 1 }

func table(n int) uintptr { return uintptr(unsafe.Pointer(&amd64.Lanes[8-n])) }

// tail is what a kernel is told of the step after its last whole one.
func tail(mask func(n int) uintptr, lanes int) uintptr {
	if lanes == 0 {
		return 0
	}
	return mask(lanes)
}

var skinnyAVX512 = skinny{lanes: 16, samples: []int{4, 2, 1}, outputs: []int{6, 2, 1}, widest: math.MaxInt, rows: []int{8, 4, 2, 1}, far: few{32, 24, 16}, near: few{24, 3, 12},
	dots: dots(16, bits, map[[2]int]kernel{
		{4, 6}: amd64.Dots4x6AVX512, {2, 6}: amd64.Dots2x6AVX512, {1, 6}: amd64.Dots1x6AVX512,
		{4, 2}: amd64.Dots4x2AVX512, {2, 2}: amd64.Dots2x2AVX512, {1, 2}: amd64.Dots1x2AVX512,
		{4, 1}: amd64.Dots4x1AVX512, {2, 1}: amd64.Dots2x1AVX512, {1, 1}: amd64.Dots1x1AVX512,
	}),
	total:  total(16, amd64.DotsTotalAVX512),
	outer:  outer(16, bits, map[int]kernel{8: amd64.Outer8AVX512, 4: amd64.Outer4AVX512, 2: amd64.Outer2AVX512, 1: amd64.Outer1AVX512}),
	finish: finish(16, bits, amd64.FinishAVX512),
}

var skinnyAVX2 = skinny{lanes: 8, samples: []int{4, 2, 1}, outputs: []int{6, 2, 1}, widest: 2, rows: []int{4, 2, 1}, far: few{28, 20, 8}, near: few{16, 3, 12},
	dots: dots(8, table, map[[2]int]kernel{
		{2, 6}: amd64.Dots2x6AVX2, {1, 6}: amd64.Dots1x6AVX2,
		{4, 2}: amd64.Dots4x2AVX2, {2, 2}: amd64.Dots2x2AVX2, {1, 2}: amd64.Dots1x2AVX2,
		{4, 1}: amd64.Dots4x1AVX2, {2, 1}: amd64.Dots2x1AVX2, {1, 1}: amd64.Dots1x1AVX2,
	}),
	total:  total(8, amd64.DotsTotalAVX2),
	outer:  outer(8, table, map[int]kernel{4: amd64.Outer4AVX2, 2: amd64.Outer2AVX2, 1: amd64.Outer1AVX2}),
	finish: finish(8, table, amd64.FinishAVX2),
}

type kernel = func(p *byte)

func dots(lanes int, mask func(n int) uintptr, kernels map[[2]int]kernel) func(*Workspace, int, int, []float32, int, []float32, int, int, []float32, bool, int, int) {
	var of [5][7]kernel
	for size, k := range kernels {
		of[size[0]][size[1]] = k
	}
	return func(ws *Workspace, r, q int, x []float32, ldx int, w []float32, ldw, depth int, sums []float32, accumulate bool, ahead, tiles int) {
		if depth == 0 {
			clear(sums[:r*q*lanes])
			return
		}
		_, _, _ = x[(r-1)*ldx+depth-1], w[(q-1)*ldw+depth-1], sums[r*q*lanes-1]
		ws.call.dots = amd64.Dots{X: &x[0], XRow: 4 * ldx, W: &w[0], WRow: 4 * ldw, Sums: &sums[0], Steps: depth / lanes, Tail: tail(mask, depth%lanes),
			Accumulate: one(accumulate), Ahead: uintptr(unsafe.Pointer(&w[0])) + uintptr(4*ahead), AheadStep: 64 / tiles}
		of[r][q](bytes(&ws.call.dots))
		ws.call.dots = amd64.Dots{}
	}
}

func total(lanes int, do func(sums, vectors *float32, n int)) func(totals, vectors []float32) {
	return func(totals, vectors []float32) {
		if n := len(totals); n > 0 {
			_ = vectors[n*lanes-1]
			do(&totals[0], &vectors[0], n)
		}
	}
}

func outer(lanes int, mask func(n int) uintptr, kernels map[int]kernel) func(*Workspace, int, []float32, []float32, int, []float32, int, int, int, bool, bool, int) {
	var of [9]kernel
	for rows, k := range kernels {
		of[rows] = k
	}
	return func(ws *Workspace, r int, a, b []float32, ldb int, c []float32, ldc, depth, cols int, accumulate, past bool, ahead int) {
		_, _, _ = a[depth*r-1], b[(depth-1)*ldb+cols-1], c[(r-1)*ldc+cols-1]
		rest := cols % (2 * lanes)
		p := amd64.Outer{A: &a[0], AStep: 4 * r, B: &b[0], BStep: 4 * ldb, C: &c[0], CRow: 4 * ldc, Depth: depth,
			Tiles: cols / (2 * lanes), Tail0: tail(mask, min(rest, lanes)), Tail1: mask(max(0, rest-lanes)), Accumulate: one(accumulate), Ahead: 4 * ahead}
		p.Past = one(past && uintptr(unsafe.Pointer(&c[0]))%uintptr(4*lanes) == 0 && ldc%lanes == 0)
		ws.call.outer = p
		of[r](bytes(&ws.call.outer))
		ws.call.outer = amd64.Outer{}
	}
}

func finish(lanes int, mask func(n int) uintptr, do kernel) func(*Workspace, []float32, int, int, []float32, bool) {
	return func(ws *Workspace, y []float32, ldy, rows int, bias []float32, relu bool) {
		n, floor := len(bias), float32(math.Inf(-1))
		if relu {
			floor = 0
		}
		_ = y[(rows-1)*ldy+n-1]
		ws.call.finish = amd64.Finish{Y: &y[0], YRow: 4 * ldy, Bias: &bias[0], Rows: rows, Steps: n / lanes, Tail: tail(mask, n%lanes),
			Floor: math.Float32bits(floor)}
		do(bytes(&ws.call.finish))
		ws.call.finish = amd64.Finish{}
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

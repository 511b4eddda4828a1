package gemm

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	kernels[isa.AVX2] = &Kernel{Name: "avx2", MR: 6, NR: 16, lie: 96, tiles: []tiles{avx2(3, 8, amd64.Tile3x8AVX2), avx2(6, 8, amd64.Tile6x8AVX2), avx2(3, 16, amd64.Tile3x16AVX2), avx2(6, 16, amd64.Tile6x16AVX2)},
		copying:   avx2(6, 16, amd64.Tile6x16CopyingAVX2).do,
		transpose: transposed(8, map[int]part{6: {6, amd64.Transpose6AVX2}, 16: {8, amd64.Transpose8AVX2}}),
		lines:     copied(map[int]lines{6: amd64.Lines6AVX2, 16: amd64.Lines16AVX2}),
		skinny:    skinnyAVX2}
	kernels[isa.AVX512] = &Kernel{Name: "avx512", MR: 14, NR: 32, lie: 256, meet: 16, tiles: []tiles{
		avx512(4, 16, amd64.Tile4x16AVX512, amd64.Tile4x16LyingAVX512),
		avx512(8, 16, amd64.Tile8x16AVX512, amd64.Tile8x16LyingAVX512),
		avx512(14, 16, amd64.Tile14x16AVX512, amd64.Tile14x16LyingAVX512),
		avx512(4, 32, amd64.Tile4x32AVX512, amd64.Tile4x32LyingAVX512),
		avx512(8, 32, amd64.Tile8x32AVX512, amd64.Tile8x32LyingAVX512),
		avx512(14, 32, amd64.Tile14x32AVX512, amd64.Tile14x32LyingAVX512)},
		copying:   avx512(14, 32, amd64.Tile14x32CopyingAVX512, nil).do,
		transpose: transposed(16, map[int]part{14: {14, amd64.Transpose14AVX512}, 32: {16, amd64.Transpose16AVX512}}),
		lines:     copied(map[int]lines{14: amd64.Lines14AVX512, 32: amd64.Lines32AVX512}),
		skinny:    skinnyAVX512}
}

// The functions below check the slices' lengths, which the assembly cannot.

// together is how many multiply-adds a call may have: more would keep the collector waiting for longer than 100 us.
const together = 1 << 23

func avx512(rows, cols int, packed, lying kernel) tiles {
	return assembly(14, rows, cols, packed, lying)
}
func avx2(rows, cols int, packed kernel) tiles { return assembly(6, rows, cols, packed, nil) }

// assembly makes tiles of some rows and cols, of panels of A as high as high, or of rows where they lie.
func assembly(high, height, cols int, packed, lying kernel) tiles {
	return tiles{height, cols, func(ws *Workspace, depth, count int, a rows, b panels, c []float32, ldc int, accumulate bool, then soon) {
		if depth == 0 || count == 0 {
			return // the panels are empty, and so have no first element
		}
		do, last := packed, depth*high-1
		if a.row > 0 {
			do, last = lying, (height-1)*a.row+depth-1
		}
		if b.copy != nil {
			_ = b.copy[count*depth*cols-1]
		}
		_, _, _ = a.data[last], b.data[(count-1)*b.next+(depth-1)*b.ldb+cols-1], c[(height-1)*ldc+count*cols-1]
		ws.call.tile = amd64.Tile{Depth: depth, A: &a.data[0], ARow: 4 * a.row, BStep: 4 * b.ldb, BNext: 4 * (b.next - depth*b.ldb), CRow: 4 * ldc, Accumulate: one(accumulate)}
		p := &ws.call.tile
		for most := max(1, together/(height*cols*depth)); count > 0; {
			var n int
			p.Soon, p.SoonRow, p.SoonNext, n = then.ask(p.A, height, amd64.Piece(count, most))
			p.Tiles, p.B, p.C = n, &b.data[0], &c[0]
			if b.copy != nil {
				p.Copy, b.copy = &b.copy[0], b.copy[n*depth*cols:]
			}
			do(bytes(p))
			if count -= n; count > 0 {
				b.data, c = b.data[n*b.next:], c[n*cols:]
			}
		}
		ws.call.tile = amd64.Tile{}
	}}
}

// ask is what a call of up to so many tiles of some rows asks for, in bytes, and how many tiles it has therefore; afterwards nothing is
// left to ask for. Where nothing was it asks for what is there.
func (s *soon) ask(there *float32, rows, tiles int) (data *float32, row, next, now int) {
	if s.tiles == 0 {
		return there, 0, 0, tiles
	}
	data, row, next, now = &s.data[0], 4*s.row, 4*(s.next-rows*s.row), min(tiles, s.tiles)
	*s = soon{}
	return data, row, next, now
}

// part transposes so many rows at a time; width is a multiple of it.
type part struct {
	rows int
	do   func(dst *float32, width int, src *float32, stride, blocks int)
}

// transposed packs panels of a width by the part for it, in blocks of lanes steps.
func transposed(lanes int, parts map[int]part) func(dst []float32, width int, src []float32, stride, steps int) int {
	return func(dst []float32, width int, src []float32, stride, steps int) int {
		p, blocks := parts[width], steps/lanes
		if blocks == 0 {
			return 0
		}
		steps = blocks * lanes
		_, _ = dst[steps*width-1], src[(width-1)*stride+steps-1]
		for row := 0; row < width; row += p.rows {
			p.do(&dst[row], width, &src[row*stride], stride, blocks)
		}
		return steps
	}
}

type lines = func(dst, src *float32, stride, steps int)

// copied packs panels of a width by the function for it.
func copied(widths map[int]lines) func(dst []float32, width int, src []float32, stride, steps int) {
	return func(dst []float32, width int, src []float32, stride, steps int) {
		if steps > 0 {
			_, _ = dst[steps*width-1], src[(steps-1)*stride+width-1]
			widths[width](&dst[0], &src[0], stride, steps)
		}
	}
}

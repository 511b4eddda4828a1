package gemm

import (
	"unsafe"

	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	amx := *kernels[isa.AVX512]
	amx.Name, amx.split = "amx", inParts(3, amd64.SplitRowsAVX512, amd64.SplitLinesAVX512, amd64.PartsAMX)
	rounded := amx
	rounded.split = inParts(1, amd64.RoundRowsAVX512, amd64.RoundLinesAVX512, amd64.RoundedAMX)
	amx.rounded = &rounded
	kernels[isa.AMX] = &amx
}

type (
	splitsRows  = func(dst *byte, src *float32, stride, rows, steps int, offsets *int) uint32
	splitsLines = func(dst *byte, src *float32, stride int) uint32
)

func inParts(parts int, rows splitsRows, lines splitsLines, tiles func(p *byte)) *split {
	return &split{parts, splitRows(parts, rows), splitLines(parts, lines), partsTiles(parts, tiles)}
}

// inARow are the places of a row's elements, 16 by 16.
var inARow = func() (at [splitDepth / 16]int) {
	for i := range at {
		at[i] = 64 * i
	}
	return at
}()

func splitRows(parts int, do splitsRows) func(dst, src []float32, stride, rows, steps int) bool {
	return func(dst, src []float32, stride, rows, steps int) bool {
		_, _ = src[(rows-1)*stride+Side*steps-1], dst[((steps-1)*parts+parts-1)*partFloats+16*rows-1]
		return do(address(dst), &src[0], stride, rows, steps, &inARow[0]) == 0
	}
}

func splitLines(parts int, do splitsLines) func(dst, src []float32, stride int) bool {
	return func(dst, src []float32, stride int) bool {
		_, _ = src[(Side-1)*stride+Side-1], dst[parts*partFloats-1]
		return do(address(dst), &src[0], stride) == 0
	}
}

func partsTiles(parts int, do func(p *byte)) func(ws *Workspace, steps, count int, a, b, c []float32, ldc int, accumulate bool, then soon) {
	return func(ws *Workspace, steps, count int, a, b, c []float32, ldc int, accumulate bool, then soon) {
		panel := steps * parts * partFloats
		_, _, _ = a[panel-1], b[count*panel-1], c[(Side-1)*ldc+count*Side-1]
		p := &ws.call.parts
		*p = amd64.Parts{Config: amd64.TilesOf16, Depth: steps, A: address(a), CRow: 4 * ldc, Accumulate: one(accumulate)}
		for at := 0; at < count; at += p.Tiles {
			p.B, p.C = address(b[at*panel:]), &c[at*Side]
			p.Soon, p.SoonRow, p.SoonNext, p.Tiles = then.ask(p.C, Side, amd64.Piece(count-at, max(1, together/(Side*Side*Side*steps))))
			do(bytes(p))
		}
		*p = amd64.Parts{}
	}
}

func address(x []float32) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(x))) }

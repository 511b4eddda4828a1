package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// multiplyAdd adds the products of vectors with the element at m to sums, one each. The element is broadcast to register l, or, embedded,
// by each multiply-add itself (AVX-512): that is a load more for each vector but the first, and one instruction to issue fewer.
//
// A core whose other thread is busy has every second turn to issue, and so 3 instructions a cycle: a step of 14 x 2 sums is 44
// in its 14 cycles, and the loop's. With every second row embedded it is 37, with loads in 23 of 28 places. Such tiles, in turns on a
// Xeon without AMX, both cores at once, GFLOP/s of a core that has its other thread for itself, and else: none embedded 174 and
// 137, 4 rows of 14 174 and 140, 7 174 and 150, 9 174 and 150, all 173 and 147. It gains only where m has no index: such an
// instruction is issued as two (7 rows embedded with an index: 118 and 140 on the two cores, where none embedded has 128 and 150).
// So of the rows of a tile every second is embedded where it can be, see embeds.
func multiplyAdd(m Mem, l reg.VecVirtual, vectors, sums []reg.VecVirtual, embedded bool) {
	if embedded {
		for j, v := range vectors {
			VFMADD231PS_BCST(m, v, sums[j])
		}
		return
	}
	VBROADCASTSS(m, l)
	for j, v := range vectors {
		VFMADD231PS(v, l, sums[j])
	}
}

// embeds says whether AVX-512's tiles embed row i, whose element is at m. A row of one vector gains an instruction at no load.
func embeds(m Mem, i, vectors int) bool { return m.Index == nil && (i%2 == 1 || vectors == 1) }

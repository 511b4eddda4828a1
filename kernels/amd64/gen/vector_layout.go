package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Pack and Unpack change between row-major maps and blocks of 16 channels: a register's worth of pixels times as many channels
// is transposed in registers. With AVX-512 that is 16 loads, 64 shuffles and 16 stores for 256 elements, so the shuffle unit
// bounds it, at 4 elements a cycle (AVX2: 24 for 64), which is faster than memory. What hangs over is left out by jumps along the
// pixels of a block, which lie one after another, and by a mask along those of a map.
func (s simd) layouts() {
	rows := func(limit reg.GPVirtual, label string, do func(i int)) {
		for i := range s.lanes {
			CMPQ(limit, U32(i))
			JLE(LabelRef(label))
			do(i)
		}
		Label(label)
	}
	write := func(name, doc, arrays string, packs bool, body func(pixels, count, stride, maps, block reg.GPVirtual, few condition)) {
		TEXT(name+s.set, attr.NOSPLIT, "func(pixels int, "+arrays+" *float32, stride, count int)")
		Doc(fmt.Sprintf("%s%s %s of %d channels.", name, s.set, doc, s.lanes))
		Pragma("noescape")
		general := func(parameter string) reg.GPVirtual { return Load(Param(parameter), GP64()).(reg.GPVirtual) }
		pixels, count, stride, maps, block := general("pixels"), general("count"), general("stride"), general("maps"), general("block")
		SHLQ(Imm(2), stride)
		Label("turn")
		CMPQ(pixels, Imm(0))
		JLE(LabelRef("done"))
		read, written := streams{block}, streams(nil)
		if packs {
			read, written = written, read
		}
		askAhead("turn", pixels, 64, 64*s.lanes, read, written)
		body(pixels, count, stride, maps, block, s.first(pixels))
		ADDQ(U32(64*s.lanes), block)
		ADDQ(U32(4*s.lanes), maps)
		SUBQ(U32(s.lanes), pixels)
		JMP(LabelRef("turn"))
		Label("done")
		VZEROUPPER()
		RET()
	}
	zeros := func() []reg.VecVirtual {
		r := make([]reg.VecVirtual, s.lanes)
		for i := range r {
			r[i] = s.load(spread(0)) // avo thinks that an exclusive or with itself needs what was there
		}
		return r
	}
	write("Pack", "sets block[p*16+c] = maps[c*stride+p] for c < count, 0 for the others", "block, maps", true,
		func(pixels, count, stride, maps, block reg.GPVirtual, few condition) {
			r, at := zeros(), GP64()
			MOVQ(maps, at)
			rows(count, "loaded", func(i int) {
				if s.wide() {
					VMOVUPS_Z(Mem{Base: at}, few, r[i])
				} else {
					VMASKMOVPS(Mem{Base: at}, few, r[i])
				}
				ADDQ(stride, at)
			})
			r = s.transposed(r)
			rows(pixels, "stored", func(i int) { VMOVUPS(r[i], Mem{Base: block, Disp: 64 * i}) })
		})
	write("Unpack", "sets maps[c*stride+p] = block[p*16+c] for c < count", "maps, block", false,
		func(pixels, count, stride, maps, block reg.GPVirtual, few condition) {
			r, at := zeros(), GP64()
			rows(pixels, "loaded", func(i int) { VMOVUPS(Mem{Base: block, Disp: 64 * i}, r[i]) })
			r = s.transposed(r)
			MOVQ(maps, at)
			rows(count, "stored", func(i int) {
				s.storeFirst(few, r[i], Mem{Base: at})
				ADDQ(stride, at)
			})
		})
}

// transposed gives the columns of a square.
func (s simd) transposed(r []reg.VecVirtual) []reg.VecVirtual {
	two := func(op func(ops ...Op), a, b Op, imm ...Op) reg.VecVirtual {
		t := s.reg()
		op(append(imm, b, a, t)...)
		return t
	}
	// Within each 128 bits: pairs, then fours. Afterwards element (i, j) of four, 4i+j, has column j of each quarter, of rows 4i to 4i+3.
	pairs := make([]reg.VecVirtual, s.lanes)
	for i := 0; i < s.lanes; i += 2 {
		pairs[i], pairs[i+1] = two(VUNPCKLPS, r[i], r[i+1]), two(VUNPCKHPS, r[i], r[i+1])
	}
	four := make([]reg.VecVirtual, s.lanes)
	for i := 0; i < s.lanes; i += 4 {
		for j := range 2 {
			a, b := pairs[i+j], pairs[i+j+2]
			four[i+2*j], four[i+2*j+1] = two(VUNPCKLPD, a, b), two(VUNPCKHPD, a, b)
		}
	}
	// Then the quarters themselves.
	result := make([]reg.VecVirtual, s.lanes)
	for j := range 4 {
		if !s.wide() {
			permute := func(ops ...Op) { VPERM2F128(ops[0], ops[1], ops[2], ops[3]) }
			result[j], result[4+j] = two(permute, four[j], four[4+j], Imm(0x20)), two(permute, four[j], four[4+j], Imm(0x31))
			continue
		}
		const even, odd = 0x88, 0xdd
		low, high := [2]Op{four[j], four[4+j]}, [2]Op{four[8+j], four[12+j]}
		for i, choice := range []uint64{even, odd} {
			a, b := two(VSHUFF32X4, low[0], low[1], Imm(choice)), two(VSHUFF32X4, high[0], high[1], Imm(choice))
			result[4*i+j], result[8+4*i+j] = two(VSHUFF32X4, a, b, Imm(even)), two(VSHUFF32X4, a, b, Imm(odd))
		}
	}
	return result
}

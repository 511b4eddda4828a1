package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// repeat does some(1) count times, count being a register that is used up, or some(unrolled) as often as that goes. With AVX2 a step
// of 12 multiply-adds is 20 instructions with its loads, and those of the loop are as many again as a fifth of them; on a core whose
// other thread is busy that is what bounds it (AMD Zen 3: 10 to 25 percent). AVX-512's steps have twice as many.
func repeat(name string, count reg.GPVirtual, unrolled int, some func(count int)) {
	many, few, one, end := "many"+name, "few"+name, "one"+name, "end"+name
	if unrolled > 1 {
		SUBQ(Imm(uint64(unrolled)), count)
		JL(LabelRef(few))
		Label(many)
		some(unrolled)
		SUBQ(Imm(uint64(unrolled)), count)
		JGE(LabelRef(many))
		Label(few)
		ADDQ(Imm(uint64(unrolled)), count)
	} else {
		TESTQ(count, count)
	}
	JE(LabelRef(end))
	Label(one)
	some(1)
	DECQ(count)
	JNE(LabelRef(one))
	Label(end)
}

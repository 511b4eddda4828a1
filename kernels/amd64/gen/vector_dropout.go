package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Dropout. Philox4x32-10 (package device/philox) on as many counters as a register has lanes: a counter is four words, a
// word of all of them is kept in two registers of 64-bit elements, those of even and of odd lanes, because the multiplication
// gives 64 bits. What lies in the upper halves does not matter, as it reads the lower ones only: a round of the two
// registers is 4 multiplications, 4 shuffles and 4 (AVX2: 8) exclusive ors, 12 to 16 instructions for 64 or 32 numbers and ten
// rounds of them; about one cycle a number, so arithmetic and memory are bounds of the same size.
//
// The four words are then four vectors whose lanes are the counters. For maps in blocks that is what is wanted, four pixels of 16
// channels. For contiguous elements the 4x4 words within each 128 bits are transposed, and the counters were numbered such
// that this leaves the elements in order.

// counters are a register of even and one of odd lanes, for each word.
type counters [4][2]reg.VecVirtual

// philox does the ten rounds and merges the words of even and odd lanes, of which the latter are a condition. Keys are 20 words in memory.
func (s simd) philox(c counters, keys reg.Register, odd condition) [4]reg.VecVirtual {
	multiplier0, multiplier1 := s.multiplier(0xD2511F53), s.multiplier(0xCD9E8D57)
	for round := range 10 {
		for i := range 2 {
			p0, p1, high0, high1 := s.reg(), s.reg(), s.reg(), s.reg()
			VPMULUDQ(multiplier0, c[0][i], p0)
			VPMULUDQ(multiplier1, c[2][i], p1)
			VMOVSHDUP(p0, high0)
			VMOVSHDUP(p1, high1)
			s.xor(high1, c[1][i], Mem{Base: keys, Disp: 8 * round})
			s.xor(high0, c[3][i], Mem{Base: keys, Disp: 8*round + 4})
			c[0][i], c[1][i], c[2][i], c[3][i] = high1, p1, high0, p0
		}
	}
	var words [4]reg.VecVirtual
	for w, half := range c {
		words[w] = half[0]
		if s.wide() {
			VMOVSLDUP(half[1], odd, half[0])
		} else {
			VPSLLQ(Imm(32), half[1], half[1])
			VPBLENDD(Imm(0xAA), half[1], half[0], half[0])
		}
	}
	return words
}

// odd is the condition that a lane's number is odd; AVX2 has it in the instruction.
func (s simd) odd() condition {
	if !s.wide() {
		return nil
	}
	bits, k := GP32(), K()
	MOVL(U32(0xAAAA), bits)
	KMOVW(bits, k)
	return k
}

// multiplier is a constant for VPMULUDQ: a register where there are many.
func (s simd) multiplier(m uint32) Op {
	if s.wide() {
		r := s.reg()
		VMOVDQU32(spreadBits(m), r)
		return r
	}
	return spreadBits(m)
}

// xor is x = x ^ a ^ key, key being one word of memory for all lanes.
func (s simd) xor(x, a reg.VecVirtual, key Mem) {
	if s.wide() {
		VPTERNLOGD_BCST(Imm(0x96), key, a, x)
		return
	}
	all := s.reg()
	VPBROADCASTD(key, all)
	VPXOR(a, x, x)
	VPXOR(all, x, x)
}

// kept is the condition that a number is at least the threshold, which is in all lanes.
func (s simd) kept(numbers, threshold reg.VecVirtual) condition {
	if s.wide() {
		k := K()
		VPCMPUD(Imm(5), threshold, numbers, k)
		return k
	}
	r := s.reg()
	VPMAXUD(threshold, numbers, r)
	VPCMPEQD(numbers, r, r)
	return r
}

func (s simd) broadcastLong(m Mem) reg.VecVirtual {
	r := s.reg()
	VPBROADCASTQ(m, r)
	return r
}

// longs finds memory with 64-bit numbers.
func (s simd) longs(name string, n int, at func(i int) uint64) Mem {
	name += s.set
	return table(name, 2*n, func(i int) uint32 { return uint32(at(i/2) >> (32 * (i % 2))) })
}

func parameter(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

func (s simd) addLong(a, b Op) reg.VecVirtual { r := s.reg(); VPADDQ(b, a, r); return r }

// upper moves the upper halves of 64-bit elements to the lower ones.
func (s simd) upper(a reg.VecVirtual) reg.VecVirtual { r := s.reg(); VPSRLQ(Imm(32), a, r); return r }

func (s simd) dropout() {
	s.dropoutStream()
	s.dropoutLanes()
}

func (s simd) dropoutStream() {
	TEXT("Dropout"+s.set, attr.NOSPLIT, "func(n int, y, x *float32, block, id uint64, keys *uint32, threshold uint32, factor float32)")
	Doc(fmt.Sprintf("Dropout%s computes y = factor*x where the numbers of a stream are at least the threshold, and 0 elsewhere. Element 0 takes", s.set),
		"the first number of the block. Keys are those of the ten rounds, two words each.")
	Pragma("noescape")
	n, y, x, keys := Load(Param("n"), GP64()), Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("keys"), GP64())
	threshold, factor := s.broadcast(parameter("threshold")), s.broadcast(parameter("factor"))
	// After the transposition, quarter q of vector v has the counter that was in lane 4q+v, and it should be number v*quarters+q.
	quarters := s.lanes / 4
	number := func(lane int) uint64 { return uint64(lane%4*quarters + lane/4) }
	block, odd := Load(Param("block"), GP64()), s.odd()
	low := XMM()
	Label("turn")
	CMPQ(n, Imm(0))
	JLE(LabelRef("done"))
	VMOVQ(block, low)
	base := s.reg()
	VPBROADCASTQ(low, base)
	var c counters
	for i, name := range []string{"even", "odd"} {
		c[0][i] = s.addLong(base, s.longs(name, s.lanes/2, func(at int) uint64 { return number(2*at + i) }))
		c[1][i] = s.upper(c[0][i])
		c[2][i] = s.broadcastLong(parameter("id"))
		c[3][i] = s.upper(c[2][i])
	}
	w := s.philox(c, keys, odd)
	var t, v [4]reg.VecVirtual
	for i := range 4 {
		t[i], v[i] = s.reg(), s.reg()
	}
	VPUNPCKLDQ(w[1], w[0], t[0])
	VPUNPCKHDQ(w[1], w[0], t[1])
	VPUNPCKLDQ(w[3], w[2], t[2])
	VPUNPCKHDQ(w[3], w[2], t[3])
	VPUNPCKLQDQ(t[2], t[0], v[0])
	VPUNPCKHQDQ(t[2], t[0], v[1])
	VPUNPCKLQDQ(t[3], t[1], v[2])
	VPUNPCKHQDQ(t[3], t[1], v[3])
	CMPQ(n, U32(4*s.lanes))
	JLT(LabelRef("rest"))
	askAhead("turn", n, 4, 16*s.lanes, streams{x}, streams{y})
	for i, numbers := range v {
		at := 4 * s.lanes * i
		VMOVUPS(s.only(s.kept(numbers, threshold), s.mul(factor, Mem{Base: x, Disp: at})), Mem{Base: y, Disp: at})
	}
	ADDQ(U32(16*s.lanes), x)
	ADDQ(U32(16*s.lanes), y)
	ADDQ(U32(s.lanes), block)
	SUBQ(U32(4*s.lanes), n)
	JMP(LabelRef("turn"))
	Label("rest")
	for i, numbers := range v {
		at := 4 * s.lanes * i
		few := s.first(n.(reg.GPVirtual))
		s.storeFirst(few, s.only(s.kept(numbers, threshold), s.mul(factor, s.loadFirst(few, Mem{Base: x, Disp: at}))), Mem{Base: y, Disp: at})
		SUBQ(U32(s.lanes), n)
		JLE(LabelRef("done"))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// dropoutLanes has a lane for each channel, whose elements lie elsewhere in the stream than its neighbours'. Where a map's
// size is no multiple of 4, they begin at any of a counter's four numbers: pixel t of four is number offset+t of two
// counters, the present and the next.
func (s simd) dropoutLanes() {
	TEXT("DropoutLanes"+s.set, attr.NOSPLIT, "func(pixels int, y, x *float32, blocks *uint64, offsets *uint32, id uint64, keys *uint32, threshold uint32, factor float32)")
	Doc(fmt.Sprintf("DropoutLanes%s does the same for %d channels of pixels that lie 16 elements apart. Each channel has a stretch of the stream of its own,", s.set, s.lanes),
		"which begins at a block's number offset < 4; blocks has the even channels first, then the odd ones.")
	Pragma("noescape")
	n, y, x, keys, blocks := Load(Param("pixels"), GP64()), Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("keys"), GP64()), Load(Param("blocks"), GP64())
	threshold, factor := s.broadcast(parameter("threshold")), s.broadcast(parameter("factor"))
	odd := s.odd()
	done := GP64() // counters
	XORQ(done, done)
	// The present words; AVX2 has no registers for them.
	var present [4]Op
	for i := range present {
		present[i] = s.reg()
	}
	if !s.wide() {
		room := AllocLocal(4 * 32)
		for i := range present {
			present[i] = room.Offset(32 * i)
		}
	}
	move := func(from, to Op) {
		if s.wide() {
			VMOVDQU32(from, to)
		} else {
			VMOVDQU(from, to)
		}
	}
	words := func() [4]reg.VecVirtual {
		low, base := XMM(), s.reg()
		VMOVQ(done, low)
		VPBROADCASTQ(low, base)
		INCQ(done)
		var c counters
		for i := range 2 {
			c[0][i] = s.addLong(base, Mem{Base: blocks, Disp: 4 * s.lanes * i})
			c[1][i] = s.upper(c[0][i])
			c[2][i] = s.broadcastLong(parameter("id"))
			c[3][i] = s.upper(c[2][i])
		}
		return s.philox(c, keys, odd)
	}
	for i, w := range words() {
		move(w, present[i])
	}
	offsets := Load(Param("offsets"), GP64())
	begins := func(offset uint32) condition {
		at, number := Mem{Base: offsets}, spreadBits(offset)
		if s.wide() {
			k, r := K(), s.reg()
			VMOVDQU32(at, r)
			VPCMPEQD(number, r, k)
			return k
		}
		r := s.reg()
		VMOVDQU(at, r)
		VPCMPEQD(number, r, r)
		return r
	}
	Label("turn")
	CMPQ(n, Imm(0))
	JLE(LabelRef("done"))
	next := words()
	askAhead("turn", n, 64, 256, streams{x}, streams{y})
	for t := range 4 {
		numbers := s.reg()
		move(present[t], numbers)
		for offset := 1; offset < 4; offset++ {
			var word Op
			if t+offset < 4 {
				word = present[t+offset]
			} else {
				word = next[t+offset-4]
			}
			c := begins(uint32(offset))
			if s.wide() {
				VMOVDQA32(word, c, numbers)
			} else {
				VPBLENDVB(c, word, numbers, numbers)
			}
		}
		VMOVUPS(s.only(s.kept(numbers, threshold), s.mul(factor, Mem{Base: x, Disp: 64 * t})), Mem{Base: y, Disp: 64 * t})
		if t < 3 {
			CMPQ(n, U32(t+1))
			JE(LabelRef("done"))
		}
	}
	for i, w := range next {
		move(w, present[i])
	}
	ADDQ(U32(256), x)
	ADDQ(U32(256), y)
	SUBQ(Imm(4), n)
	JMP(LabelRef("turn"))
	Label("done")
	VZEROUPPER()
	RET()
}

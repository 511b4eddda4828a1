package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The micro-kernels of package blocked: convolutions on maps whose channels lie in blocks of 16.
//
// Product computes a tile of pixels x output channels. Registers, AVX-512: 14 pixels (two runs of 7) x 32 channels are 28
// sums, two more hold a channel's weights and two the broadcast inputs: all 32. For each tap and input channel there are 2
// loads of weights, 14 broadcasts and 28 multiply-adds, so the two multiply-add units bound it (14 cycles) and not the two
// load ports (8); the weights, 128 bytes in that time, may come from the second-level cache. AVX2: 6 pixels (two runs of 3) x
// 16 channels are 12 sums of 8, two registers of weights, two of inputs: all 16. There is a kernel for each length of run, for
// what is left over at the end of a row.
//
// One call computes tile after tile of a line: of few input channels a call costs a good part of what a tile does.
//
// Pixels lie a run-time step apart. With the registers step, 3*step and 5*step every one of the seven of a run is base plus
// index times 1, 2 or 4. Where they lie side by side AVX-512 has a loop without an index (see multiplyAdd).
//
// Gradient sums products over pixels: 8 input channels x 32 output channels are 16 sums (16 x 16 for a single block), AVX2:
// 4 x 16 are 8 of them, enough to hide the latency of 4 cycles at 2 a cycle.
func blockedKernels() {
	for run := 7; run >= 1; run-- {
		product("AVX512", run, 2)
		product("AVX512", run, 1)
	}
	for run := 3; run >= 1; run-- {
		product("AVX2", run, 1)
	}
	gradient("AVX512", 8, 2)
	gradient("AVX512", 16, 1)
	gradient("AVX512", 8, 1)
	gradient("AVX2", 4, 1)
	gather("AVX512")
	gather("AVX2")
}

// vectors is how a row of output channels is held: AVX-512 has a register for a block, AVX2 two.
type vectors struct {
	set   string
	count int
	bytes int
}

func newVectors(set string, blocks int) vectors {
	if set == "AVX512" {
		return vectors{set, blocks, 64}
	}
	return vectors{set, 2 * blocks, 32}
}

func (v vectors) register() reg.VecVirtual {
	if v.bytes == 64 {
		return ZMM()
	}
	return YMM()
}

func (v vectors) zero(r reg.VecVirtual) {
	if v.bytes == 64 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

func (v vectors) registers() []reg.VecVirtual {
	rs := make([]reg.VecVirtual, v.count)
	for i := range rs {
		rs[i] = v.register()
	}
	return rs
}

// inMemory is vector j of the row at base (+ index*scale), blocks being block apart.
func (v vectors) inMemory(m Mem, blocks []reg.GPVirtual, j int) Mem {
	perBlock := 64 / v.bytes
	m.Base = blocks[j/perBlock]
	m.Disp = v.bytes * (j % perBlock)
	return m
}

// steps addresses the pixels of a run.
type steps struct{ one, three, five reg.GPVirtual }

func newSteps(run int, step reg.GPVirtual) steps {
	s := steps{one: step}
	if run > 3 {
		s.three = GP64()
		LEAQ(Mem{Base: step, Index: step, Scale: 2}, s.three)
	}
	if run > 5 {
		s.five = GP64()
		LEAQ(Mem{Base: step, Index: step, Scale: 4}, s.five)
	}
	return s
}

func (s steps) at(i int) Mem {
	switch i {
	case 1, 2, 4:
		return Mem{Index: s.one, Scale: uint8(i)}
	case 3, 6:
		return Mem{Index: s.three, Scale: uint8(i / 3)}
	case 5:
		return Mem{Index: s.five, Scale: 1}
	}
	return Mem{}
}

// field loads number i of the parameters.
func field(args reg.Register, i int) reg.GPVirtual {
	r := GP64()
	MOVQ(Mem{Base: args, Disp: 8 * i}, r)
	return r
}

// weightsAhead is how far ahead weights are fetched, in bytes: large weights meet a few tiles only, so most of their way is
// that from memory, and the processor's own prefetching ends at every page.
const weightsAhead = 4096

func product(set string, run, blocks int) {
	name := fmt.Sprintf("Product%sx%dx%d", set, run, blocks)
	v := newVectors(set, blocks)
	TEXT(name, attr.NOSPLIT, "func(product *byte)")
	Doc(fmt.Sprintf("%s computes tiles of two runs of %d pixels and %d channels.", name, run, 16*blocks))
	Pragma("noescape")
	args := Load(Param("product"), GP64())

	sums := make([][]reg.VecVirtual, 2*run)
	for i := range sums {
		sums[i] = v.registers()
	}
	Label("tile")
	bias := field(args, 7)
	TESTQ(bias, bias)
	JE(LabelRef("zero"))
	for i := range sums {
		for j, s := range sums[i] {
			VMOVUPS(Mem{Base: bias, Disp: v.bytes * j}, s)
		}
	}
	JMP(LabelRef("begin"))
	Label("zero")
	for i := range sums {
		for _, s := range sums[i] {
			v.zero(s)
		}
	}
	Label("begin")

	w, tap, taps, channels := field(args, 2), field(args, 8), field(args, 9), field(args, 10)
	tail := field(args, 11)
	at := newSteps(run, field(args, 13))
	x := [2]reg.GPVirtual{GP64(), GP64()}
	c := GP64()
	right, left := v.registers(), [2]reg.VecVirtual{v.register(), v.register()}
	TESTQ(taps, taps)
	JE(LabelRef("tail"))
	Label("taps")
	for k := range x {
		MOVQ(Mem{Base: tap}, x[k])
		ADDQ(Mem{Base: args, Disp: 8 * k}, x[k])
	}
	// some does so many channels of pixels at places, some of which multiply-adds broadcast themselves.
	some := func(count int, ahead bool, place func(i, channel int) Mem) {
		for channel := range count {
			row := channel * blocks * 64
			for j, r := range right {
				VMOVUPS(Mem{Base: w, Disp: row + v.bytes*j}, r)
			}
			for line := 0; ahead && line < blocks*64; line += 64 {
				PREFETCHT0(Mem{Base: w, Disp: row + weightsAhead + line})
			}
			for i := range sums {
				m := place(i, channel)
				multiplyAdd(m, left[i%2], right, sums[i], v.bytes == 64 && embeds(m, i, blocks))
			}
		}
		ADDQ(U32(64*blocks*count), w)
	}
	anywhere := func(i, channel int) Mem {
		m := at.at(i % run)
		m.Base, m.Disp = x[i/run], 4*channel
		return m
	}
	beside := func(i, channel int) Mem { return Mem{Base: x[i/run], Disp: 64*(i%run) + 4*channel} }
	// all does all channels of a tap.
	all := func(name string, unrolled int, place func(i, channel int) Mem) {
		MOVQ(channels, c)
		repeat(name, c, unrolled, func(count int) {
			some(count, true, place)
			ADDQ(Imm(uint64(4*count)), x[0])
			ADDQ(Imm(uint64(4*count)), x[1])
		})
	}
	if set == "AVX2" { // there the prefetches would cost more than they save where the pixels are neighbours
		CMPQ(at.one, Imm(64))
		JLE(LabelRef("near"))
	}
	for k := range x { // what the next tap reads; after the last there is one more offset
		next := GP64()
		MOVQ(Mem{Base: tap, Disp: 8}, next)
		ADDQ(Mem{Base: args, Disp: 8 * k}, next)
		for i := range run {
			m := at.at(i)
			m.Base = next
			PREFETCHT0(m)
		}
	}
	if set == "AVX2" { // a whole block straight on, its weights at hand: the loop and what asks for weights are a tenth of the instructions
		Label("near")
		CMPQ(channels, Imm(16))
		JNE(LabelRef("loop"))
		CMPQ(Mem{Base: args, Disp: 8 * 20}, Imm(0))
		JNE(LabelRef("loop"))
		some(16, false, anywhere)
		JMP(LabelRef("next"))
		Label("loop")
		all("Channels", 4, anywhere)
	} else {
		CMPQ(at.one, Imm(64)) // pixels of a block side by side: no index
		JE(LabelRef("near"))
		all("Channels", 1, anywhere)
		JMP(LabelRef("next"))
		Label("near")
		all("Near", 4, beside)
	}
	Label("next")
	ADDQ(Imm(8), tap)
	DECQ(taps)
	JNE(LabelRef("taps"))
	Label("tail")
	MOVQ(tail, taps)
	XORQ(tail, tail)
	MOVQ(Mem{Base: args, Disp: 8 * 12}, channels)
	TESTQ(taps, taps)
	JNE(LabelRef("taps"))

	to := newSteps(run, field(args, 14))
	block := field(args, 15)
	// each visits the vectors of the tile in the maps whose runs are numbers first and first+1 of the parameters.
	each := func(first int, visit func(m Mem, s reg.VecVirtual)) {
		for k := range 2 {
			bases := []reg.GPVirtual{field(args, first+k)}
			if blocks == 2 {
				second := GP64()
				LEAQ(Mem{Base: bases[0], Index: block, Scale: 1}, second)
				bases = append(bases, second)
			}
			for i := range run {
				for j, s := range sums[k*run+i] {
					visit(v.inMemory(to.at(i), bases, j), s)
				}
			}
		}
	}
	add := field(args, 5)
	TESTQ(add, add)
	JE(LabelRef("added"))
	each(5, func(m Mem, s reg.VecVirtual) { VADDPS(m, s, s) })
	Label("added")
	relu := field(args, 16)
	TESTQ(relu, relu)
	JE(LabelRef("store"))
	zero := right[0]
	v.zero(zero)
	for i := range sums {
		for _, s := range sums[i] {
			VMAXPS(s, zero, s) // of two operands one of which is NaN, the one that stands first here
		}
	}
	Label("store")
	each(3, func(m Mem, s reg.VecVirtual) { VMOVUPS(s, m) })

	if set == "AVX2" {
		MOVQ(U32(0), Mem{Base: args, Disp: 8 * 20})
	}
	DECQ(Mem{Base: args, Disp: 8 * 17})
	JE(LabelRef("done"))
	next := field(args, 18)
	for _, run := range []int{0, 1} {
		ADDQ(next, Mem{Base: args, Disp: 8 * run})
	}
	next, add = field(args, 19), field(args, 5)
	for _, run := range []int{3, 4} {
		ADDQ(next, Mem{Base: args, Disp: 8 * run})
	}
	TESTQ(add, add)
	JE(LabelRef("tile"))
	for _, run := range []int{5, 6} {
		ADDQ(next, Mem{Base: args, Disp: 8 * run})
	}
	JMP(LabelRef("tile"))
	Label("done")
	VZEROUPPER()
	RET()
}

func gradient(set string, channels, blocks int) {
	name := fmt.Sprintf("Gradient%sx%dx%d", set, channels, blocks)
	v := newVectors(set, blocks)
	TEXT(name, attr.NOSPLIT, "func(gradient *byte)")
	Doc(fmt.Sprintf("%s computes %d rows of %d channels.", name, channels, 16*blocks))
	Pragma("noescape")
	args := Load(Param("gradient"), GP64())
	sums := make([][]reg.VecVirtual, channels)
	for c := range sums {
		sums[c] = v.registers()
		for _, s := range sums[c] {
			v.zero(s)
		}
	}
	image := [2]reg.GPVirtual{field(args, 0), field(args, 1)} // of x and of dy
	images := field(args, 3)
	step, block := [2]reg.GPVirtual{field(args, 8), field(args, 11)}, field(args, 12)
	row, at := [2]reg.GPVirtual{GP64(), GP64()}, [2]reg.GPVirtual{GP64(), GP64()}
	rows, cols := GP64(), GP64()
	right, left := v.registers(), [2]reg.VecVirtual{v.register(), v.register()}

	Label("images")
	MOVQ(image[0], row[0])
	MOVQ(image[1], row[1])
	MOVQ(Mem{Base: args, Disp: 8 * 4}, rows)
	Label("rows")
	MOVQ(row[0], at[0])
	MOVQ(row[1], at[1])
	MOVQ(Mem{Base: args, Disp: 8 * 5}, cols)
	Label("cols")
	for j, r := range right {
		m := Mem{Base: at[1], Disp: v.bytes * j}
		if v.bytes == 64 && j == 1 {
			m = Mem{Base: at[1], Index: block, Scale: 1}
		}
		VMOVUPS(m, r)
	}
	for c := range sums {
		multiplyAdd(Mem{Base: at[0], Disp: 4 * c}, left[c%2], right, sums[c], set == "AVX512" && c%4 == 3)
	}
	ADDQ(step[0], at[0])
	ADDQ(step[1], at[1])
	DECQ(cols)
	JNE(LabelRef("cols"))
	for k, number := range [2]int{7, 10} {
		ADDQ(Mem{Base: args, Disp: 8 * number}, row[k])
	}
	DECQ(rows)
	JNE(LabelRef("rows"))
	for k, number := range [2]int{6, 9} {
		ADDQ(Mem{Base: args, Disp: 8 * number}, image[k])
	}
	DECQ(images)
	JNE(LabelRef("images"))

	accumulate, weightStep := field(args, 14), field(args, 13)
	TESTQ(accumulate, accumulate)
	JE(LabelRef("store"))
	dw := field(args, 2)
	for c := range sums {
		for j, s := range sums[c] {
			VADDPS(Mem{Base: dw, Disp: v.bytes * j}, s, s)
		}
		ADDQ(weightStep, dw)
	}
	Label("store")
	dw = field(args, 2)
	for c := range sums {
		for j, s := range sums[c] {
			VMOVUPS(s, Mem{Base: dw, Disp: v.bytes * j})
		}
		ADDQ(weightStep, dw)
	}
	VZEROUPPER()
	RET()
}

// gather copies rows of 16 numbers that lie at the same offsets from a row's place; with it weights are brought into the
// order of the micro-kernels and back. The offsets stay in registers; a gather costs about a cycle for each of its loads.
func gather(set string) {
	name := "Gather" + set
	TEXT(name, attr.NOSPLIT, "func(dst *float32, step int, src *float32, offsets *int32, places *int, rows int)")
	Doc(name + " copies rows (at least one) of 16 numbers: dst[r*step+i] = src[places[r]+offsets[i]].")
	Pragma("noescape")
	dst, step, src := Load(Param("dst"), GP64()), Load(Param("step"), GP64()), Load(Param("src"), GP64())
	offsets, places, rows := Load(Param("offsets"), GP64()), Load(Param("places"), GP64()), Load(Param("rows"), GP64())
	SHLQ(Imm(2), step)
	v := newVectors(set, 1)
	index := v.registers()
	for j, x := range index {
		VMOVUPS(Mem{Base: offsets, Disp: v.bytes * j}, x)
	}
	base := GP64()
	to := v.registers()
	var ones reg.VecVirtual
	mask := K()
	if v.bytes == 32 {
		ones = YMM()
	}
	Label("rows")
	MOVQ(Mem{Base: places}, base)
	LEAQ(Mem{Base: src, Index: base, Scale: 4}, base)
	for j, x := range index {
		v.zero(to[j]) // or a gather would wait for the one before, into which it merges; so would a mask made of itself
		if v.bytes == 64 {
			KXNORW(reg.K0, reg.K0, mask)
			VGATHERDPS(Mem{Base: base, Index: x, Scale: 4}, mask, to[j])
		} else {
			VPCMPEQD(ones, ones, ones)
			VGATHERDPS(ones, Mem{Base: base, Index: x, Scale: 4}, to[j])
		}
	}
	for j, r := range to {
		VMOVUPS(r, Mem{Base: dst, Disp: v.bytes * j})
	}
	ADDQ(Imm(8), places)
	ADDQ(step, dst)
	DECQ(rows)
	JNE(LabelRef("rows"))
	VZEROUPPER()
	RET()
}

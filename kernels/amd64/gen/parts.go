package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of float32s by the tiles of AMX, which multiply bfloat16s and add float32s.
//
// A float32 x is the sum of three bfloat16s: x0, x rounded to 8 bits to even; x1, the rest rounded so; and x2, what is left, which
// has 8 bits at most. Of the nine products of the parts of x and y the three smallest, x1 y2, x2 y1 and x2 y2, are less than 2^-26
// of x y each, a quarter of what rounding to a float32 may change; the others are added, the largest last. (Henry, Tang, Heinecke:
// "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations", 2019.)
//
// A tile has 16 rows of 64 bytes: of A, 16 rows with 32 elements each; of B, 16 pairs of rows with 16 columns, pair by pair; of C,
// 16 rows with 16 float32s. Parts: two tiles of A and two of B at a time give four of C; the eight tiles are all there are.
// 24 products of 16 cycles hide 14 loads of 8.
//
// SplitRows writes the parts of rows of A, SplitLines those of 32 rows of 32 columns of B: the rounding is made of integer additions.
// A tile of B with rows and columns of its 4 bytes exchanged is one of A that has B's columns for rows.
//
// Parts multiplies matrices, ProductParts convolves maps whose channels lie in blocks of 16: rows of A are pixels then, the
// places of whose inputs SplitRows is told, and a tile of sums is written aside and then, pixel by pixel, to where it belongs.
//
// Where float32s are to be no more than bfloat16s the first part is all there is: Round instead of Split, Rounded instead of Parts.
func partsKernels() {
	oddWords := GLOBL("oddwords", attr.RODATA|attr.NOPTR)
	for i := range 32 {
		DATA(2*i, U16(2*i+1))
	}
	for _, k := range []inParts{
		{"Split", "Parts", "parts", 3, [][2]int{{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}}, 2},
		{"Round", "Rounded", "first part", 1, [][2]int{{0, 0}}, 4},
	} {
		k.splitRows(oddWords)
		k.splitLines()
		k.splitPlaces()
		k.matrices()
		k.maps()
	}
}

// inParts is a family of kernels that take numbers for so many parts.
type inParts struct {
	verb, noun, text string
	parts            int
	// pairs are the parts of A and B that are multiplied: each product needs one new part at most; the largest comes last.
	pairs [][2]int
	// pixels is how many of the tile before are written while a pair is multiplied.
	pixels int
}

// stepBytes is the size of a step of 32 products: the parts of two tiles lie together.
func (k inParts) stepBytes() int { return k.parts * partBytes }

// splitter rounds vectors to their parts, and remembers whether one could not be: bfloat16 has no room for it, or it is no number.
type splitter struct {
	one, half, high, most, sign reg.VecVirtual
	bad                         reg.OpmaskVirtual
}

func newSplitter() *splitter {
	s := &splitter{bad: K()}
	for _, c := range []struct {
		r    *reg.VecVirtual
		bits uint32
	}{{&s.one, 1}, {&s.half, 0x7fff}, {&s.high, 0xffff0000}, {&s.most, 0x7f7f7fff}, {&s.sign, 0x7fffffff}} {
		*c.r = ZMM()
		bits := GP32()
		MOVL(U32(c.bits), bits)
		VPBROADCASTD(bits, *c.r)
	}
	KXORW(s.bad, s.bad, s.bad)
	return s
}

// round returns x rounded to the upper half of its bits, to even, in them.
func (s *splitter) round(x reg.VecVirtual) reg.VecVirtual {
	y := ZMM()
	VPSRLD(Imm(16), x, y)
	VPANDD(s.one, y, y)
	VPADDD(s.half, y, y)
	VPADDD(x, y, y)
	VPANDD(s.high, y, y)
	return y
}

// split returns the first parts of x, so many, each in the upper half of its bits.
func (s *splitter) split(x reg.VecVirtual, parts int) []reg.VecVirtual {
	size, k := ZMM(), K()
	VPANDD(s.sign, x, size)
	VPCMPUD(Imm(6), s.most, size, k) // greater
	KORW(k, s.bad, s.bad)
	x0 := s.round(x)
	if parts == 1 {
		return []reg.VecVirtual{x0}
	}
	rest, last := ZMM(), ZMM()
	VSUBPS(x0, x, rest)
	x1 := s.round(rest)
	VSUBPS(x1, rest, last)
	return []reg.VecVirtual{x0, x1, last}
}

// finish returns whether all could be split.
func (s *splitter) finish() {
	bits := GP32()
	KMOVW(s.bad, bits)
	Store(bits, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

const (
	tileBytes = 1024
	partBytes = 2 * tileBytes // of two tiles
)

func (k inParts) splitRows(oddWords Mem) {
	name := k.verb + "RowsAVX512"
	TEXT(name, attr.NOSPLIT, "func(dst *byte, src *float32, stride, rows, steps int, offsets *int) uint32")
	Doc(fmt.Sprintf("%s writes the %s of steps*32 elements of rows, stride elements apart, as rows of a tile of A: part p of step s of row i", name, k.text),
		fmt.Sprintf("at dst[s*%d+p*2048+i*64]. The 16 elements of half h of step s begin offsets[2*s+h] bytes from their row's first. At least one row and", k.stepBytes()),
		"step. It returns 0, or bits where a number is not finite or as large as almost 2^128.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	steps := Load(Param("steps"), GP64())
	offsets := Load(Param("offsets"), GP64())
	SHLQ(Imm(2), stride)
	s := newSplitter()
	odd := ZMM() // the odd words of two vectors
	VMOVUPS(oddWords, odd)
	// Row by row within a step: neighbours lie side by side, where the processor sees what comes next.
	Label("step" + name)
	rows, to := Load(Param("rows"), GP64()), GP64()
	MOVQ(dst, to)
	from := [2]reg.GPVirtual{GP64(), GP64()}
	for half, at := range from {
		MOVQ(Mem{Base: offsets, Disp: 8 * half}, at)
		ADDQ(src, at)
	}
	Label("row" + name)
	x, y := ZMM(), ZMM()
	VMOVUPS(Mem{Base: from[0]}, x)
	VMOVUPS(Mem{Base: from[1]}, y)
	left, right := s.split(x, k.parts), s.split(y, k.parts)
	for p := range left {
		VPERMT2W(right[p], odd, left[p])
		VMOVUPS(left[p], Mem{Base: to, Disp: p * partBytes})
	}
	for _, at := range from {
		ADDQ(stride, at)
	}
	ADDQ(Imm(64), to)
	DECQ(rows)
	JNE(LabelRef("row" + name))
	ADDQ(Imm(16), offsets)
	ADDQ(U32(uint64(k.stepBytes())), dst)
	DECQ(steps)
	JNE(LabelRef("step" + name))
	s.finish()
}

func (k inParts) splitLines() {
	name := k.verb + "LinesAVX512"
	TEXT(name, attr.NOSPLIT, "func(dst *byte, src *float32, stride int) uint32")
	Doc(name+" writes the "+k.text+" of 32 lines of 32 columns, stride elements apart, as tiles of B: pair m of columns 16g to 16g+15 of part p",
		"at dst[p*2048+g*1024+m*64]. It returns 0, or bits where a number is not finite or as large as almost 2^128.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	SHLQ(Imm(2), stride)
	k.splitPairs(name, dst, func() [2][2]Mem {
		first, second := Mem{Base: src}, Mem{Base: src, Index: stride, Scale: 1}
		return [2][2]Mem{{first, first.Offset(64)}, {second, second.Offset(64)}}
	}, func() { LEAQ(Mem{Base: src, Index: stride, Scale: 2}, src) })
}

func (k inParts) splitPlaces() {
	name := k.verb + "PlacesAVX512"
	TEXT(name, attr.NOSPLIT, "func(dst *byte, src *float32, places *int, half int) uint32")
	Doc(name + " is " + k.verb + "LinesAVX512 of lines that begin places[k] bytes from src, and whose columns 16 to 31 are half bytes farther.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	places := Load(Param("places"), GP64())
	half := Load(Param("half"), GP64())
	ADDQ(src, half)
	k.splitPairs(name, dst, func() (lines [2][2]Mem) {
		for i := range lines {
			at := GP64()
			MOVQ(Mem{Base: places, Disp: 8 * i}, at)
			lines[i] = [2]Mem{{Base: src, Index: at, Scale: 1}, {Base: half, Index: at, Scale: 1}}
		}
		return lines
	}, func() { ADDQ(Imm(16), places) })
}

// splitPairs splits 16 pairs of lines, the halves of which lines says, to dst.
func (k inParts) splitPairs(name string, dst reg.Register, lines func() [2][2]Mem, next func()) {
	s := newSplitter()
	pairs := GP64()
	MOVQ(U32(16), pairs)
	Label("loop" + name)
	of := lines()
	for g := range 2 {
		x, y := ZMM(), ZMM()
		VMOVUPS(of[0][g], x)
		VMOVUPS(of[1][g], y)
		first, second := s.split(x, k.parts), s.split(y, k.parts)
		for p := range first {
			VPSRLD(Imm(16), first[p], first[p])
			VPORD(second[p], first[p], first[p])
			VMOVUPS(first[p], Mem{Base: dst, Disp: p*partBytes + g*tileBytes})
		}
	}
	next()
	ADDQ(Imm(64), dst)
	DECQ(pairs)
	JNE(LabelRef("loop" + name))
	s.finish()
}

// Go's assembler has no words for AMX: its instructions are written as bytes, with the registers that these say.
const (
	rax = iota
	rcx
	rdx
	rbx
	_
	_
	rsi
	rdi
)

var general = map[int]reg.Register{rax: reg.RAX, rcx: reg.RCX, rdx: reg.RDX, rbx: reg.RBX, rsi: reg.RSI, rdi: reg.RDI}

func code(bytes []byte, inputs ...reg.Register) {
	for _, b := range bytes {
		i := &ir.Instruction{Opcode: "BYTE", Operands: []Op{Imm(uint64(b))}}
		for _, r := range inputs {
			i.Inputs = append(i.Inputs, r)
		}
		Instruction(i)
	}
}

// vex is the start of an instruction of AMX with low registers: pp says which one, v is a third operand.
func vex(pp, v int, opcode byte) []byte {
	return []byte{0xc4, 0xe2, byte(^v&15<<3 | pp), opcode}
}

// tileMemory is TILELOADD (pp 3) or TILESTORED (2) of a tile whose rows are step bytes apart.
func tileMemory(pp, tile, base, step, disp int) {
	bytes := append(vex(pp, 0, 0x4b), byte(0x80|tile<<3|4), byte(step<<3|base))
	for i := range 4 {
		bytes = append(bytes, byte(disp>>(8*i)))
	}
	code(bytes, general[base], general[step])
}

func (k inParts) matrices() {
	name := k.noun + "AMX"
	TEXT(name, attr.NOSPLIT, "func(p *byte)")
	Doc(name + " computes tiles of 32 rows and columns.")
	Pragma("noescape")
	Load(Param("p"), reg.RDI)
	field := func(i int) Mem { return Mem{Base: reg.RDI, Disp: 8 * i} } // of Parts, in its order
	configure()
	const fields = 8               // the configuration takes 64 bytes
	MOVQ(field(fields+4), reg.RAX) // C
	MOVQ(field(fields+3), reg.RSI) // B
	MOVQ(field(fields+5), reg.RCX) // CRow
	MOVQ(field(fields+1), reg.R8)  // Tiles
	MOVQ(field(fields+7), reg.R11) // Soon
	MOVQ(field(fields+8), reg.R12) // SoonRow
	MOVQ(U32(64), reg.RDX)
	lowerHalf := func() { // of C: RBX
		MOVQ(reg.RCX, reg.RBX)
		SHLQ(Imm(4), reg.RBX)
		ADDQ(reg.RAX, reg.RBX)
	}
	Label("next" + name)
	lowerHalf() // it is found again when it is stored
	CMPQ(field(fields+6), Imm(0))
	JE(LabelRef("zero" + name))
	for i, base := range []int{rax, rbx} {
		for j := range 2 {
			tileMemory(3, 2*i+j, base, rcx, 64*j)
		}
	}
	JMP(LabelRef("start" + name))
	Label("zero" + name)
	zeroSums()
	Label("start" + name)
	// The next tile of C is asked for, and something for the caller.
	MOVQ(reg.RAX, reg.RBX)
	for range 32 {
		PREFETCHT0(Mem{Base: reg.RBX, Disp: 128})
		PREFETCHT0(Mem{Base: reg.RBX, Disp: 192})
		PREFETCHT1(Mem{Base: reg.R11})
		ADDQ(reg.RCX, reg.RBX)
		ADDQ(reg.R12, reg.R11)
	}
	ADDQ(field(fields+9), reg.R11)
	MOVQ(field(fields+2), reg.R9) // A
	MOVQ(field(fields), reg.R10)  // Depth
	k.products("loop"+name, func(int) {})
	lowerHalf()
	for i, base := range []int{rax, rbx} {
		for j := range 2 {
			tileMemory(2, 2*i+j, base, rcx, 64*j)
		}
	}
	ADDQ(U32(128), reg.RAX)
	DECQ(reg.R8)
	JNE(LabelRef("next" + name))
	release()
}

// configure is LDTILECFG (RDI): what the kernels are called with begins with it, 64 bytes.
func configure() { code(append(vex(0, 0, 0x49), rdi), reg.RDI) }

// zeroSums is TILEZERO of the four tiles of sums.
func zeroSums() {
	for tile := range 4 {
		code(append(vex(3, 0, 0x49), byte(0xc0|tile<<3)))
	}
}

// products adds the products of R10 steps of A at R9 and B at RSI to the sums, and moves both to their ends. RDX is 64; RBX is lost.
// Between the products of a pair of parts and those of the next the processor has time for something else.
func (k inParts) products(loop string, meanwhile func(pair int)) {
	Label(loop)
	MOVQ(reg.R9, reg.RBX)
	// Vectors' units that do nothing for 0.7 us fall asleep, and TILESTORED then waits 0.3 us for them.
	VPADDD(reg.Z31, reg.Z31, reg.Z31)
	at := [2]int{-1, -1}
	for number, pair := range k.pairs {
		for side, part := range pair {
			if at[side] == part {
				continue
			}
			at[side] = part
			for tile := range 2 {
				tileMemory(3, 4+2*side+tile, []int{rbx, rsi}[side], rdx, part*partBytes+tile*tileBytes)
			}
		}
		for i := range 2 {
			for j := range 2 { // TDPBF16PS
				code(append(vex(2, 6+j, 0x5c), byte(0xc0|(2*i+j)<<3|(4+i))))
			}
		}
		meanwhile(number)
	}
	ADDQ(U32(uint64(k.stepBytes())), reg.R9)
	ADDQ(U32(uint64(k.stepBytes())), reg.RSI)
	DECQ(reg.R10)
	JNE(LabelRef(loop))
}

// release is TILERELEASE, and the end.
func release() {
	code(append(vex(0, 0, 0x49), 0xc0))
	VZEROUPPER()
	RET()
}

func (k inParts) maps() {
	function := "Product" + k.noun + "AMX"
	TEXT(function, attr.NOSPLIT, "func(p *byte)")
	Doc(function + " computes tiles of 32 pixels and 32 channels.")
	Pragma("noescape")
	Load(Param("p"), reg.RDI)
	field := func(i int) Mem { return Mem{Base: reg.RDI, Disp: 64 + 8*i} } // of ProductParts, in its order
	configure()
	bias, floor, sum := [2]reg.Register{reg.Z0, reg.Z1}, reg.Z2, reg.Z3
	MOVQ(field(10), reg.RAX)
	for block, b := range bias {
		VMOVUPS(Mem{Base: reg.RAX, Disp: 64 * block}, b)
	}
	VPXORD(floor, floor, floor)
	CMPQ(field(11), Imm(0)) // ReLU
	JNE(LabelRef("start" + function))
	MOVL(U32(0xff800000), reg.EAX) // minus infinity
	VPBROADCASTD(reg.EAX, floor)
	Label("start" + function)
	MOVQ(field(5), reg.RAX) // Y
	MOVQ(field(6), reg.R15) // Add
	MOVQ(field(8), reg.R11) // Places
	MOVQ(U32(128), reg.RCX)
	MOVQ(U32(64), reg.RDX)
	// R12 pixels of the tile before wait to be written, with their sums at R8: it is done while this tile's products are made.
	XORQ(reg.R12, reg.R12)
	pixel := func(name string) {
		MOVQ(Mem{Base: reg.R11}, reg.R13)
		for block, b := range bias {
			added := fmt.Sprintf("added%d%s", block, name)
			VADDPS(Mem{Base: reg.R8, Disp: 64 * block}, b, sum)
			TESTQ(reg.R15, reg.R15)
			JE(LabelRef(added))
			VADDPS(Mem{Base: reg.R15, Index: reg.R13, Scale: 1}, sum, sum)
			Label(added)
			VMAXPS(sum, floor, sum) // of two operands one of which is NaN, the one that stands first here
			VMOVUPS(sum, Mem{Base: reg.RAX, Index: reg.R13, Scale: 1})
			if block == 0 {
				CMPQ(field(12), Imm(1)) // Blocks
				JE(LabelRef("done" + name))
				ADDQ(field(7), reg.R13) // YBlock
			}
		}
		Label("done" + name)
		ADDQ(Imm(8), reg.R11)
		ADDQ(Imm(128), reg.R8)
		DECQ(reg.R12)
	}
	rest := func(name string) { // writes all that wait
		TESTQ(reg.R12, reg.R12)
		JE(LabelRef("written" + name))
		Label("pixel" + name)
		pixel(name)
		JNE(LabelRef("pixel" + name))
		Label("written" + name)
	}
	MOVQ(field(2), reg.R9) // A: no field, since a pointer in Go's memory may never be beyond what it points into
	Label("next" + function)
	zeroSums()
	MOVQ(field(3), reg.RSI) // B
	MOVQ(field(0), reg.R10) // Depth
	k.products("loop"+function, func(pair int) {
		for i := range k.pixels {
			name := fmt.Sprintf("Meanwhile%d%d%s", pair, i, function)
			TESTQ(reg.R12, reg.R12)
			JE(LabelRef("none" + name))
			pixel(name)
			Label("none" + name)
		}
	})
	rest("Before" + function)
	MOVQ(field(4), reg.RBX) // Sums, in rows of 32
	for tile := range 4 {   // TILESTORED
		tileMemory(2, tile, rbx, rcx, tile/2*2048+tile%2*64)
	}
	MOVQ(reg.RBX, reg.R8)
	MOVQ(U32(32), reg.R12)
	DECQ(field(1)) // Tiles
	JNE(LabelRef("next" + function))
	MOVQ(field(9), reg.R12) // LastPixels
	rest("After" + function)
	release()
}

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// target is an instruction set: its registers decide the size of a tile.
type target struct {
	name   string
	rows   int // of a tile
	lanes  int // float32s in a register; a tile is two registers wide
	vector func() reg.VecVirtual

	unrolled int // steps of an inner loop's turn
}

// The micro-kernels of package gemm, and what copies matrices to their panels.
//
// Tile: for each k, two vectors of B are loaded once and each element of A is broadcast once; every product goes to a sum of
// its own that stays in a register until the end. The tile of C is asked for in the first steps, a line in each lest they
// stand in the way of B, so that it is in the first-level cache when the sums are done, KC steps later; the panel of B, which
// comes from the second-level one, some steps ahead. One call does the tiles of a row of C, whose panels of B follow each other; they
// may also lie in a matrix, side by side. In the first steps it also asks, for the second-level cache, for what the caller will pack
// next: 28 multiply-adds leave time for that, while packing it from beyond waits for each line.
// Tiles that copy B write each step to a panel as they read it: two stores in the time of 28 multiply-adds.
// Tiles of fewer rows are for the last rows of C: they read the first elements of each step of a panel of A, and are as fast as
// long as their sums are enough to hide that an addition takes 4 cycles (8 sums, for two units). Tiles of half the width are for
// the last columns: they read the first half of each step of a panel of B.
//
// Transpose turns rows of a matrix into columns of a panel, as many rows at a time as a vector has lanes. Loads put four elements of four
// rows (AVX2: two) into one register, which any unit does; two stages of shuffles turn them, of which the one unit that does them makes one
// a cycle: 8 elements a cycle with AVX-512 (32 shuffles for 256), 4 with AVX2. Lines copies what lies as a panel wants it.
func tiles() {
	// 28 sums, two vectors of B and one of A, or two where A lies: 31 or all 32 registers.
	wide := target{"AVX512", 14, 16, ZMM, 2}
	for _, rows := range []int{14, 8, 4} {
		for _, f := range []form{packed, lying} {
			tile(wide, rows, 2, f)
			tile(wide, rows, 1, f)
		}
	}
	tile(wide, 14, 2, copying)
	transpose(wide, 14)
	transpose(wide, 16)
	lines(wide, 14)
	lines(wide, 32)
	// 12 sums, two vectors of B and two of A: all 16 registers.
	narrow := target{"AVX2", 6, 8, YMM, 4}
	for _, rows := range []int{6, 3} {
		tile(narrow, rows, 2, packed)
		tile(narrow, rows, 1, packed)
	}
	tile(narrow, 6, 2, copying)
	transpose(narrow, 6)
	transpose(narrow, 8)
	lines(narrow, 6)
	lines(narrow, 16)
}

// Elements of B are asked for 1<<ahead steps before they are needed.
const ahead = 4

// zero clears a register.
func (t target) zero(r reg.VecVirtual) {
	if t.lanes == 16 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// bytes of a register.
func (t target) bytes() int { return 4 * t.lanes }

// form is what a tile reads: a panel of A, rows of A that lie where they are, or a panel of A and columns of B that it copies to a panel.
type form int

const (
	packed form = iota
	lying
	copying
)

// tile writes the tiles of so many rows and vectors, of panels for t.rows and two vectors.
func tile(t target, rows, vectors int, f form) {
	cols := vectors * t.lanes
	name, doc := fmt.Sprintf("Tile%dx%d%s", rows, cols, t.name), fmt.Sprintf("of panels of A for %d rows", t.rows)
	switch f {
	case lying:
		name, doc = fmt.Sprintf("Tile%dx%dLying%s", rows, cols, t.name), "of rows of A, ARow from each to the next"
	case copying:
		name, doc = fmt.Sprintf("Tile%dx%dCopying%s", rows, cols, t.name), doc+", and copies B to Copy"
	}
	TEXT(name, attr.NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s computes tiles of %d rows and %d columns, %s.", name, rows, cols, doc))
	Pragma("noescape")
	p := Load(Param("p"), GP64())
	field := func(i int) Mem { return Mem{Base: p, Disp: 8 * i} } // of Tile, in its order
	load := func(i int) reg.GPVirtual {
		r := GP64()
		MOVQ(field(i), r)
		return r
	}
	b, c, bStep, soon := load(3), load(4), load(5), load(9)
	tiles, cRow, soonRow := field(1), field(7), field(10)
	bStep3 := GP64()
	if t.unrolled > 3 {
		LEAQ(Mem{Base: bStep, Index: bStep, Scale: 2}, bStep3)
	}
	var left place
	if f == lying {
		left = lyingRows(rows, load(12))
	} else {
		left = packedRows(t)
	}
	var to reg.GPVirtual
	if f == copying {
		to = load(13)
	}
	next := "next" + t.name
	Label(next)
	left.begin(field(2))
	far := GP64()
	MOVQ(bStep, far)
	SHLQ(Imm(ahead), far)
	ADDQ(b, far)
	sums := make([][]reg.VecVirtual, rows)
	for i := range sums {
		sums[i] = make([]reg.VecVirtual, vectors)
		for j := range sums[i] {
			sums[i][j] = t.vector()
			t.zero(sums[i][j])
		}
	}
	right := make([]reg.VecVirtual, vectors)
	for j := range right {
		right[j] = t.vector()
	}
	elements := [2]reg.VecVirtual{t.vector(), t.vector()}
	// after is the place some steps of B behind another.
	after := func(base reg.Register, steps int) Mem {
		switch steps {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: bStep3, Scale: 1}
		}
		return Mem{Base: base, Index: bStep, Scale: uint8(steps)}
	}
	some := func(count int) {
		for k := range count {
			for j, r := range right {
				VMOVUPS(after(b, k).Offset(t.bytes()*j), r)
				if f == copying {
					VMOVUPS(r, Mem{Base: to, Disp: t.bytes() * (k*vectors + j)})
				}
			}
			for at := 0; at < vectors*t.bytes(); at += 64 {
				PREFETCHT0(after(far, k).Offset(at))
			}
			for i := range sums {
				m := left.at(i, k)
				multiplyAdd(m, elements[i%2], right, sums[i], t.lanes == 16 && embeds(m, i, vectors))
			}
		}
		left.advance(count)
		LEAQ(after(b, count), b)
		if f == copying {
			ADDQ(U32(t.bytes()*count*vectors), to)
		}
		LEAQ(after(far, count), far)
	}
	// What asks for a row of C: it may start anywhere in a line of the cache, but its last byte is in the last one.
	var parts []int
	for at := 0; at < vectors*t.bytes(); at += 64 {
		parts = append(parts, at)
	}
	parts = append(parts, vectors*t.bytes()-1)
	asking, rest := "asking"+name, "rest"+name
	steps, count, line := load(0), GP64(), GP64()
	CMPQ(steps, Imm(uint64(rows*len(parts))))
	JL(LabelRef(rest))
	MOVQ(U32(rows), count)
	MOVQ(c, line)
	Label(asking)
	for i, at := range parts {
		PREFETCHT0(Mem{Base: line, Disp: at})
		if i == 0 {
			PREFETCHT1(Mem{Base: soon})
		}
		some(1)
	}
	ADDQ(cRow, line)
	ADDQ(soonRow, soon)
	SUBQ(Imm(uint64(len(parts))), steps)
	DECQ(count)
	JNE(LabelRef(asking))
	Label(rest)
	repeat(name, steps, t.unrolled, some)

	set := "set" + t.name
	CMPQ(field(8), Imm(0))
	JE(LabelRef(set))
	MOVQ(c, line)
	for i := range sums {
		for j := range sums[i] {
			VADDPS(Mem{Base: line, Disp: t.bytes() * j}, sums[i][j], sums[i][j])
		}
		if i+1 < rows {
			ADDQ(cRow, line)
		}
	}
	Label(set)
	MOVQ(c, line)
	for i := range sums {
		for j := range sums[i] {
			VMOVUPS(sums[i][j], Mem{Base: line, Disp: t.bytes() * j})
		}
		if i+1 < rows {
			ADDQ(cRow, line)
		}
	}
	ADDQ(field(6), b)
	ADDQ(Imm(uint64(vectors*t.bytes())), c)
	ADDQ(field(11), soon)
	DECQ(tiles)
	JNE(LabelRef(next))
	VZEROUPPER()
	RET()
}

// place is where the elements of A are: begin sets it to where they start, at is that of row i some steps on, and advance goes so many on.
type place struct {
	begin   func(a Mem)
	at      func(i, steps int) Mem
	advance func(steps int)
}

// packedRows are the elements of a step side by side, a panel's height of them.
func packedRows(t target) place {
	a := GP64()
	return place{
		begin:   func(from Mem) { MOVQ(from, a) },
		at:      func(i, steps int) Mem { return Mem{Base: a, Disp: 4 * (t.rows*steps + i)} },
		advance: func(steps int) { ADDQ(Imm(uint64(4*t.rows*steps)), a) },
	}
}

// lyingRows are rows of a matrix, so many bytes from each to the next. Every seventh has a register; those behind it are told from that one and
// one of three distances, once, twice or four times.
func lyingRows(rows int, distance reg.GPVirtual) place {
	const each = 7
	three, five := GP64(), GP64()
	steps := [each]struct {
		distance reg.GPVirtual
		scale    uint8
	}{{}, {distance, 1}, {distance, 2}, {three, 1}, {distance, 4}, {five, 1}, {three, 2}}
	if rows > 3 {
		LEAQ(Mem{Base: distance, Index: distance, Scale: 2}, three)
	}
	if rows > 5 {
		LEAQ(Mem{Base: distance, Index: distance, Scale: 4}, five)
	}
	bases := make([]reg.GPVirtual, (rows+each-1)/each)
	for i := range bases {
		bases[i] = GP64()
	}
	return place{
		begin: func(from Mem) {
			MOVQ(from, bases[0])
			for i := range bases[1:] { // 7 = 8 - 1
				LEAQ(Mem{Base: bases[i], Index: distance, Scale: each + 1}, bases[i+1])
				SUBQ(distance, bases[i+1])
			}
		},
		at: func(i, step int) Mem {
			m := Mem{Base: bases[i/each], Disp: 4 * step}
			if s := steps[i%each]; s.scale > 0 {
				m.Index, m.Scale = s.distance, s.scale
			}
			return m
		},
		advance: func(steps int) {
			for _, r := range bases {
				ADDQ(Imm(uint64(4*steps)), r)
			}
		},
	}
}

// transpose writes the copy of rows that become columns: dst[k*width+i] = src[i*stride+k] for rows i, and blocks*lanes steps k.
func transpose(t target, rows int) {
	name := fmt.Sprintf("Transpose%d%s", rows, t.name)
	TEXT(name, attr.NOSPLIT, "func(dst *float32, width int, src *float32, stride, blocks int)")
	Doc(fmt.Sprintf("%s copies %d rows of blocks*%d elements to columns: dst[k*width+i] = src[i*stride+k]. At least one block.", name, rows, t.lanes))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	width := Load(Param("width"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	blocks := Load(Param("blocks"), GP64())
	SHLQ(Imm(2), width)
	SHLQ(Imm(2), stride)
	stride3, width3 := GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	LEAQ(Mem{Base: width, Index: width, Scale: 2}, width3)
	fours := make([]reg.GPVirtual, (rows+3)/4) // rows 0, 4, 8, ...
	for i := range fours {
		fours[i] = GP64()
		if i == 0 {
			MOVQ(src, fours[i])
		} else {
			LEAQ(Mem{Base: fours[i-1], Index: stride, Scale: 4}, fours[i])
		}
	}
	// element i of a row of lines that start at base and lie step apart
	inRow := func(base, step, step3 reg.Register, i int) Mem {
		switch i {
		case 1:
			return Mem{Base: base, Index: step, Scale: 1}
		case 2:
			return Mem{Base: base, Index: step, Scale: 2}
		case 3:
			return Mem{Base: base, Index: step3, Scale: 1}
		}
		return Mem{Base: base}
	}
	var mask reg.Register // the first rows lanes
	if rows < t.lanes {
		if t.lanes == 16 {
			k, bits := K(), GP32()
			MOVL(U32(1<<rows-1), bits)
			KMOVW(bits, k)
			mask = k
		} else {
			mask = firstLanes(rows)
		}
	}
	pair := func(low, high func(a, b, r reg.VecVirtual), a, b reg.VecVirtual) (l, h reg.VecVirtual) {
		l, h = t.vector(), t.vector()
		low(a, b, l)
		high(a, b, h)
		return l, h
	}
	loop := "loop" + name
	Label(loop)
	// Four steps of row 4q+r are quarter q of x[k][r]. A row's loads are together, since rows may push each other out of the first-level cache.
	x := make([][4]reg.VecVirtual, t.lanes/4)
	for i := range rows {
		for k := range x {
			if i < 4 {
				x[k][i] = t.vector()
			}
			t.quarter(inRow(fours[i/4], stride, stride3, i%4).Offset(16*k), i/4, x[k][i%4])
		}
	}
	for _, x := range x {
		low, high := func(a, b, r reg.VecVirtual) { VUNPCKLPS(b, a, r) }, func(a, b, r reg.VecVirtual) { VUNPCKHPS(b, a, r) }
		low01, high01 := pair(low, high, x[0], x[1])
		low23, high23 := pair(low, high, x[2], x[3])
		low, high = func(a, b, r reg.VecVirtual) { VUNPCKLPD(b, a, r) }, func(a, b, r reg.VecVirtual) { VUNPCKHPD(b, a, r) }
		column := make([]reg.VecVirtual, 4)
		column[0], column[1] = pair(low, high, low01, low23)
		column[2], column[3] = pair(low, high, high01, high23)
		for i, v := range column {
			t.store(v, mask, inRow(dst, width, width3, i))
		}
		LEAQ(Mem{Base: dst, Index: width, Scale: 4}, dst)
	}
	for _, p := range fours {
		ADDQ(Imm(uint64(t.bytes())), p)
	}
	DECQ(blocks)
	JNE(LabelRef(loop))
	VZEROUPPER()
	RET()
}

// quarter loads 4 lanes to the q-th four of a register, and the first to all others too.
func (t target) quarter(m Mem, q int, r reg.VecVirtual) {
	switch {
	case q == 0 && t.lanes == 16:
		VBROADCASTF32X4(m, r)
	case q == 0:
		VBROADCASTF128(m, r)
	case t.lanes == 16:
		VINSERTF32X4(Imm(uint64(q)), m, r, r)
	default:
		VINSERTF128(Imm(uint64(q)), m, r, r)
	}
}

// masks are the tables that firstLanes has written.
var masks = map[int]Mem{}

// firstLanes is an AVX2 mask of the first n of 8 lanes.
func firstLanes(n int) reg.VecVirtual {
	table, known := masks[n]
	if !known {
		table = GLOBL(fmt.Sprintf("first%d", n), attr.RODATA|attr.NOPTR)
		for i := range 8 {
			lane := U32(0)
			if i < n {
				lane = 0xffffffff
			}
			DATA(4*i, lane)
		}
		masks[n] = table
	}
	mask := YMM()
	VMOVUPS(table, mask)
	return mask
}

// lines writes the copy of what lies as it should: dst[k*width+i] = src[k*stride+i].
func lines(t target, width int) {
	name := fmt.Sprintf("Lines%d%s", width, t.name)
	TEXT(name, attr.NOSPLIT, "func(dst, src *float32, stride, steps int)")
	Doc(fmt.Sprintf("%s copies lines of %d elements: dst[k*%d+i] = src[k*stride+i], k < steps. At least one.", name, width, width),
		"It asks for the lines to the right of them, which the next panel copies.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	stride := Load(Param("stride"), GP64())
	steps := Load(Param("steps"), GP64())
	SHLQ(Imm(2), stride)
	var mask reg.Register
	if rest := width % t.lanes; rest != 0 && t.lanes == 16 {
		k, bits := K(), GP32()
		MOVL(U32(1<<rest-1), bits)
		KMOVW(bits, k)
		mask = k
	} else if rest != 0 {
		mask = firstLanes(rest)
	}
	loop := "loop" + name
	Label(loop)
	for at := 0; at < width; at += t.lanes {
		v, some := t.vector(), mask
		if at+t.lanes <= width {
			some = nil
		}
		t.load(Mem{Base: src, Disp: 4 * at}, some, v)
		t.store(v, some, Mem{Base: dst, Disp: 4 * at})
	}
	for at := 0; at < 4*width; at += 64 {
		PREFETCHT1(Mem{Base: src, Disp: 4*width + at})
	}
	ADDQ(stride, src)
	ADDQ(Imm(uint64(4*width)), dst)
	DECQ(steps)
	JNE(LabelRef(loop))
	VZEROUPPER()
	RET()
}

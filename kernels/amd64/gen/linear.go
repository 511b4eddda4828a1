package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The micro-kernels of fully connected layers at small batch, whose weights are larger than the caches and used a few times
// each: they read them where they lie, once, in order, with no copy.
//
// Dots computes y = x w': rows of x times rows of w, both read along the row, a vector of each at a time. The sums are vectors
// too; lane l of sum (r, q) has the products of elements l, l+lanes, ... AVX-512: 4 rows of x and 6 of w are 24 sums, 4
// vectors of x stay while those of w come and go: 10 loads for 24 multiply-adds (12 cycles). AVX2: 4 x 2 are 8 sums, as many
// as it takes to hide the latency of 4 cycles at 2 a cycle, and 2 x 6 or 1 x 6 read more streams where nothing but memory counts.
// Rows of w are so many streams, each in the order of its addresses.
// The kernel asks for what comes next in those rows, since the processor's own prefetching ends at every page; and while
// several tiles of x meet a piece of w in the first-level cache, each asks for its share of the next. DotsTotal adds up the lanes
// of such sums.
//
// Outer computes c = a b, b read where it lies: for each row of b, a tile's two vectors of it are loaded once and meet the
// broadcast elements of a. 8 rows of c (AVX2: 4) x 2 vectors are 16 sums, with 10 loads for 16 multiply-adds; a kernel goes
// through many tiles from left to right, so that all rows of b, and of c, are streams. The caller keeps the rows of b few (the
// streams that the prefetchers can follow are 16 to 32), the sums meanwhile waiting in c, in the second-level cache.
//
// Finish adds a bias and takes the activation, of what is still in the cache.
func linearKernels() {
	for _, t := range []target{{"AVX512", 8, 16, ZMM, 1}, {"AVX2", 4, 8, YMM, 1}} {
		for _, q := range []int{6, 2, 1} {
			for _, r := range []int{4, 2, 1} {
				if r*q < 16 || t.lanes == 16 {
					dots(t, r, q)
				}
			}
		}
		dotsTotal(t)
		for r := t.rows; r >= 1; r /= 2 {
			outer(t, r)
		}
		finish(t)
	}
}

// fieldOf loads a field of the parameter struct that all these kernels have, by its number.
func fieldOf(p reg.Register, number int) reg.GPVirtual {
	r := GP64()
	MOVQ(Mem{Base: p, Disp: 8 * number}, r)
	return r
}

// maskOf is what a field says of the lanes to use: AVX-512 has it as bits, AVX2 a pointer to 8 lanes.
func (t target) maskOf(p reg.Register, number int) reg.Register {
	from := fieldOf(p, number)
	if t.lanes == 16 {
		k := K()
		KMOVW(from.As32(), k)
		return k
	}
	mask := YMM()
	VMOVUPS(Mem{Base: from}, mask)
	return mask
}

func (t target) load(m Mem, mask reg.Register, v reg.VecVirtual) {
	switch {
	case mask == nil:
		VMOVUPS(m, v)
	case t.lanes == 16:
		VMOVUPS_Z(m, mask, v)
	default:
		VMASKMOVPS(m, mask, v)
	}
}

func (t target) store(v reg.VecVirtual, mask reg.Register, m Mem) {
	switch {
	case mask == nil:
		VMOVUPS(v, m)
	case t.lanes == 16:
		VMOVUPS(v, mask, m)
	default:
		VMASKMOVPS(v, mask, m)
	}
}

// apart addresses rows that lie a run-time step apart: base plus index times 1, 2, 4 or 8, the index being an odd multiple.
type apart struct{ odd []reg.Register }

func newApart(step reg.Register, rows int) apart {
	a := apart{[]reg.Register{nil, step}}
	for i := 3; i < rows; i += 2 {
		r := GP64()
		LEAQ(Mem{Base: a.odd[i-2], Index: step, Scale: 2}, r)
		a.odd = append(a.odd, nil, r)
	}
	return a
}

func (a apart) row(base reg.Register, i int) Mem {
	if i == 0 {
		return Mem{Base: base}
	}
	scale := i & -i
	return Mem{Base: base, Index: a.odd[i/scale], Scale: uint8(scale)}
}

func dots(t target, rows, outputs int) {
	name := fmt.Sprintf("Dots%dx%d%s", rows, outputs, t.name)
	TEXT(name, attr.NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies %d rows of x by %d of w; p is a Dots.", name, rows, outputs))
	Pragma("noescape")
	p := Load(Param("p"), GP64())
	x, w, sumAt, steps := fieldOf(p, 0), fieldOf(p, 2), fieldOf(p, 4), fieldOf(p, 5)
	left, right := newApart(fieldOf(p, 1), rows), newApart(fieldOf(p, 3), outputs)
	sums := make([][]reg.VecVirtual, rows)
	for r := range sums {
		sums[r] = make([]reg.VecVirtual, outputs)
		for q := range sums[r] {
			sums[r][q] = t.vector()
			t.zero(sums[r][q])
		}
	}
	inMemory := func(r, q int) Mem { return Mem{Base: sumAt, Disp: (r*outputs + q) * t.bytes()} }
	fresh, end := "fresh"+name, "end"+name
	CMPQ(Mem{Base: p, Disp: 8 * 7}, Imm(0)) // Accumulate
	JE(LabelRef(fresh))
	for r := range sums {
		for q, s := range sums[r] {
			VMOVUPS(inMemory(r, q), s)
		}
	}
	Label(fresh)
	step := func(mask reg.Register) {
		xs := make([]reg.VecVirtual, rows)
		for r := range xs {
			xs[r] = t.vector()
			t.load(left.row(x, r), mask, xs[r])
		}
		for q := range outputs {
			v := t.vector()
			t.load(right.row(w, q), mask, v)
			for r := range xs {
				VFMADD231PS(xs[r], v, sums[r][q])
			}
		}
	}
	// A loop takes a line of each row, which is asked for once: one step with AVX-512, two with AVX2.
	ahead, aheadStep, perLine := fieldOf(p, 8), fieldOf(p, 9), 64/t.bytes()
	repeat("Steps", steps, perLine, func(count int) {
		if count == perLine {
			for q := range outputs {
				PREFETCHT1(right.row(ahead, q))
			}
			ADDQ(aheadStep, ahead)
		}
		for range count {
			step(nil)
			ADDQ(Imm(uint64(t.bytes())), x)
			ADDQ(Imm(uint64(t.bytes())), w)
		}
	})
	CMPQ(Mem{Base: p, Disp: 8 * 6}, Imm(0)) // Tail
	JE(LabelRef(end))
	step(t.maskOf(p, 6))
	Label(end)
	for r := range sums {
		for q, s := range sums[r] {
			VMOVUPS(s, inMemory(r, q))
		}
	}
	VZEROUPPER()
	RET()
}

// dotsTotal writes the sum of each vector's lanes: halves, quarters, pairs.
func dotsTotal(t target) {
	name := "DotsTotal" + t.name
	TEXT(name, attr.NOSPLIT, "func(sums, vectors *float32, n int)")
	Doc(fmt.Sprintf("%s sets sums[i] to the sum of vectors[%d*i] to vectors[%d*i+%d], i < n. At least one.", name, t.lanes, t.lanes, t.lanes-1))
	Pragma("noescape")
	to := Load(Param("sums"), GP64())
	from := Load(Param("vectors"), GP64())
	n := Load(Param("n"), GP64())
	loop := "loop" + name
	Label(loop)
	y, other := YMM(), YMM()
	VMOVUPS(Mem{Base: from}, y)
	if t.lanes == 16 {
		VADDPS(Mem{Base: from, Disp: 32}, y, y)
	}
	VEXTRACTF128(Imm(1), y, other.AsX())
	x := y.AsX()
	VADDPS(other.AsX(), x, x)
	VMOVHLPS(x, x, other.AsX())
	VADDPS(other.AsX(), x, x)
	VMOVSHDUP(x, other.AsX())
	VADDSS(other.AsX(), x, x)
	VMOVSS(x, Mem{Base: to})
	ADDQ(Imm(4), to)
	ADDQ(Imm(uint64(t.bytes())), from)
	DECQ(n)
	JNE(LabelRef(loop))
	VZEROUPPER()
	RET()
}

func outer(t target, rows int) {
	name := fmt.Sprintf("Outer%d%s", rows, t.name)
	TEXT(name, attr.NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s computes %d rows of c; p is an Outer.", name, rows))
	Pragma("noescape")
	p := Load(Param("p"), GP64())
	b, bStep, c, tiles, ahead := fieldOf(p, 2), fieldOf(p, 3), fieldOf(p, 4), fieldOf(p, 7), fieldOf(p, 12)
	sums := make([][2]reg.VecVirtual, rows)
	for r := range sums {
		sums[r] = [2]reg.VecVirtual{t.vector(), t.vector()}
	}
	// Full tiles first, then one with masks.
	body := func(kind string, masks [2]reg.Register) {
		for r := range sums {
			for _, s := range sums[r] {
				t.zero(s)
			}
		}
		fresh, loop := "fresh"+kind+name, "loop"+kind+name
		CMPQ(Mem{Base: p, Disp: 8 * 10}, Imm(0)) // Accumulate
		JE(LabelRef(fresh))
		inC := func(do func(r, j int, m Mem, mask reg.Register)) {
			line := GP64()
			MOVQ(c, line)
			for r := range sums {
				for j := range sums[r] {
					do(r, j, Mem{Base: line, Disp: j * t.bytes()}, masks[j])
				}
				if r+1 < rows {
					ADDQ(Mem{Base: p, Disp: 8 * 5}, line)
				}
			}
		}
		inC(func(r, j int, m Mem, mask reg.Register) { t.load(m, mask, sums[r][j]) })
		Label(fresh)
		a, bAt, depth := GP64(), GP64(), GP64()
		MOVQ(Mem{Base: p}, a)
		MOVQ(b, bAt)
		MOVQ(Mem{Base: p, Disp: 8 * 6}, depth)
		Label(loop)
		for line := 0; line < 2*t.bytes(); line += 64 {
			PREFETCHT1(Mem{Base: bAt, Disp: line, Index: ahead, Scale: 1})
		}
		right := [2]reg.VecVirtual{t.vector(), t.vector()}
		for j, v := range right {
			t.load(Mem{Base: bAt, Disp: j * t.bytes()}, masks[j], v)
		}
		for r := range sums {
			v := t.vector()
			VBROADCASTSS(Mem{Base: a, Disp: 4 * r}, v)
			for j := range sums[r] {
				VFMADD231PS(right[j], v, sums[r][j])
			}
		}
		ADDQ(Mem{Base: p, Disp: 8 * 1}, a)
		ADDQ(bStep, bAt)
		DECQ(depth)
		JNE(LabelRef(loop))
		store := func(r, j int, m Mem, mask reg.Register) { t.store(sums[r][j], mask, m) }
		if kind == "tail" {
			inC(store)
			return
		}
		past, stored := "past"+name, "stored"+name
		CMPQ(Mem{Base: p, Disp: 8 * 11}, Imm(0)) // Past
		JNE(LabelRef(past))
		inC(store)
		JMP(LabelRef(stored))
		Label(past)
		inC(func(r, j int, m Mem, _ reg.Register) { VMOVNTPS(sums[r][j], m) })
		Label(stored)
		ADDQ(Imm(uint64(2*t.bytes())), b)
		ADDQ(Imm(uint64(2*t.bytes())), c)
	}
	full, tail, end := "full"+name, "tail"+name, "end"+name
	TESTQ(tiles, tiles)
	JE(LabelRef(tail))
	Label(full)
	body("full", [2]reg.Register{})
	DECQ(tiles)
	JNE(LabelRef(full))
	Label(tail)
	CMPQ(Mem{Base: p, Disp: 8 * 8}, Imm(0)) // Tail0
	JE(LabelRef(end))
	body("tail", [2]reg.Register{t.maskOf(p, 8), t.maskOf(p, 9)})
	Label(end)
	SFENCE() // those past the cache come before whatever the program writes next
	VZEROUPPER()
	RET()
}

func finish(t target) {
	name := "Finish" + t.name
	TEXT(name, attr.NOSPLIT, "func(p *byte)")
	Doc(name + " adds a bias to rows, and takes max(0, y); p is a Finish.")
	Pragma("noescape")
	p := Load(Param("p"), GP64())
	rows := fieldOf(p, 3)
	y, yRow := fieldOf(p, 0), fieldOf(p, 1)
	floor := t.vector() // what max takes: 0, or nothing is less
	v := GP64()
	MOVQ(Mem{Base: p, Disp: 8 * 6}, v)
	VMOVD(v.As32(), floor.AsX())
	VBROADCASTSS(floor.AsX(), floor)
	row, loop, tail, end := "row"+name, "loop"+name, "tail"+name, "end"+name
	Label(row)
	at, bias, n := GP64(), fieldOf(p, 2), fieldOf(p, 4)
	MOVQ(y, at)
	step := func(mask reg.Register) {
		sum, b := t.vector(), t.vector()
		t.load(Mem{Base: at}, mask, sum)
		t.load(Mem{Base: bias}, mask, b)
		VADDPS(b, sum, sum)
		VMAXPS(sum, floor, sum) // of a number that is none and the floor it takes the number, the second
		t.store(sum, mask, Mem{Base: at})
	}
	TESTQ(n, n)
	JE(LabelRef(tail))
	Label(loop)
	step(nil)
	ADDQ(Imm(uint64(t.bytes())), at)
	ADDQ(Imm(uint64(t.bytes())), bias)
	DECQ(n)
	JNE(LabelRef(loop))
	Label(tail)
	CMPQ(Mem{Base: p, Disp: 8 * 5}, Imm(0)) // Tail
	JE(LabelRef(end))
	step(t.maskOf(p, 5))
	Label(end)
	ADDQ(yRow, y)
	DECQ(rows)
	JNE(LabelRef(row))
	VZEROUPPER()
	RET()
}

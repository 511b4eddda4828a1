package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// totals are four vectors of float64 sums: of the low and the high half of the lanes, of even and odd vectors of a turn.
type totals struct {
	sums [4]reg.VecVirtual
	next int
}

func (t *totals) begin(s simd) {
	for i := range t.sums {
		t.sums[i] = s.zero()
	}
}

// halves converts a vector to float64.
func (s simd) halves(x reg.VecVirtual) [2]reg.VecVirtual {
	low, high := s.reg(), s.reg()
	if s.wide() {
		upper := YMM()
		VEXTRACTF64X4(Imm(1), x, upper)
		VCVTPS2PD(x.AsY(), low)
		VCVTPS2PD(upper, high)
	} else {
		upper := XMM()
		VEXTRACTF128(Imm(1), x, upper)
		VCVTPS2PD(x.AsX(), low)
		VCVTPS2PD(upper, high)
	}
	return [2]reg.VecVirtual{low, high}
}

// take adds a vector, or under a condition some of its lanes.
func (t *totals) take(s simd, x values, few condition) {
	v := x["sum"]
	if few != nil {
		v = s.only(few, v)
	}
	terms := s.halves(v)
	factors := terms
	times, product := x["times"]
	if product && times != x["sum"] {
		factors = s.halves(times)
	}
	for i, term := range terms {
		sum := t.sums[t.next+i]
		if product {
			VFMADD231PD(factors[i], term, sum)
		} else {
			VADDPD(term, sum, sum)
		}
	}
	t.next = (t.next + 2) % 4
}

// end adds all up, in an order that does not depend on anything, and returns it.
func (t *totals) end(s simd) {
	VADDPD(t.sums[1], t.sums[0], t.sums[0])
	VADDPD(t.sums[3], t.sums[2], t.sums[2])
	VADDPD(t.sums[2], t.sums[0], t.sums[0])
	all := t.sums[0]
	half := all.AsY()
	if s.wide() {
		upper := YMM()
		VEXTRACTF64X4(Imm(1), all, upper)
		VADDPD(upper, half, half)
	}
	quarter := XMM()
	VEXTRACTF128(Imm(1), half, quarter)
	low := all.AsX()
	VADDPD(quarter, low, low)
	VPERMILPD(Imm(1), low, quarter)
	VADDSD(quarter, low, low)
	Store(low, ReturnIndex(0))
}

// Sums are in float64: a conversion of a vector is about 2 instructions, an addition 2.
func (s simd) sums() {
	s.loop(stream{name: "Sum", doc: "adds up x.", read: "x", turn: 2},
		func(x values, _ func(string) reg.VecVirtual) { x["sum"] = x["x"] }, &totals{})
	s.loop(stream{name: "Dot", doc: "adds up a*b.", read: "a b", turn: 2},
		func(x values, _ func(string) reg.VecVirtual) { x["sum"], x["times"] = x["a"], x["b"] }, &totals{})
	s.loop(stream{name: "Distance", doc: "adds up (a-b)^2.", read: "a b", turn: 2},
		func(x values, _ func(string) reg.VecVirtual) { d := s.sub(x["a"], x["b"]); x["sum"], x["times"] = d, d }, &totals{})
	s.loop(stream{name: "ExpSum", doc: "computes y = exp(x - shift) and adds it up.", write: "y", read: "x", constants: "shift", turn: 2},
		func(x values, constant func(string) reg.VecVirtual) {
			x["y"] = s.exp(s.sub(x["x"], constant("shift")))
			x["sum"] = x["y"]
		}, &totals{})
	s.max()
}

// max writes the search for the largest.
func (s simd) max() {
	TEXT("Max"+s.set, attr.NOSPLIT, "func(n int, x *float32) float32")
	Doc("Max" + s.set + " finds the largest of x but for NaN; -Inf if there is none.")
	Pragma("noescape")
	n, at := Load(Param("n"), GP64()), Load(Param("x"), GP64())
	lowest := s.load(spread(float32(math.Inf(-1))))
	top := []reg.VecVirtual{s.copy(lowest), s.copy(lowest)}
	Label("turn")
	CMPQ(n, U32(2*s.lanes))
	JLT(LabelRef("rest"))
	for i, t := range top {
		// The second source is the answer where one is NaN: what has been found so far.
		VMAXPS(t, s.load(Mem{Base: at, Disp: 4 * s.lanes * i}), t)
	}
	ADDQ(U32(8*s.lanes), at)
	SUBQ(U32(2*s.lanes), n)
	JMP(LabelRef("turn"))
	Label("rest")
	CMPQ(n, Imm(0))
	JLE(LabelRef("done"))
	few := s.first(n.(reg.GPVirtual))
	VMAXPS(top[0], s.pick(few, s.loadFirst(few, Mem{Base: at}), lowest), top[0])
	ADDQ(U32(4*s.lanes), at)
	SUBQ(U32(s.lanes), n)
	JMP(LabelRef("rest"))
	Label("done")
	VMAXPS(top[1], top[0], top[0])
	half, quarter := YMM(), XMM()
	if s.wide() {
		VEXTRACTF64X4(Imm(1), top[0], half)
		VMAXPS(half, top[0].AsY(), half)
	} else {
		VMOVAPS(top[0], half)
	}
	VEXTRACTF128(Imm(1), half, quarter)
	low := XMM()
	VMAXPS(quarter, half.AsX(), low)
	for _, order := range []uint64{0b01_00_11_10, 0b10_11_00_01} {
		VPERMILPS(Imm(order), low, quarter)
		VMAXPS(quarter, low, low)
	}
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// lanewise writes the loops over rows of up to 16 lanes: the channels of a pixel of a map in blocks, or of a matrix.
func (s simd) lanewise() {
	parts := 16 / s.lanes // vectors in a row
	{
		TEXT("SumLanes"+s.set, attr.NOSPLIT, "func(rows, step int, x *float32, count int, sums *float64)")
		Doc("SumLanes" + s.set + " adds x[r*step+i] over r < rows to sums[i], for i < count; sums has 16 elements, of which the others stay.")
		Pragma("noescape")
		rows, step, at, count := Load(Param("rows"), GP64()), Load(Param("step"), GP64()), Load(Param("x"), GP64()), Load(Param("count"), GP64())
		SHLQ(Imm(2), step)
		few := make([]condition, parts)
		for i := range few {
			few[i] = s.first(count.(reg.GPVirtual))
			SUBQ(U32(s.lanes), count)
		}
		// Two rows, so that an addition need not wait for the one before.
		var sums [2][][2]reg.VecVirtual
		for turn := range sums {
			for range parts {
				sums[turn] = append(sums[turn], [2]reg.VecVirtual{s.zero(), s.zero()})
			}
		}
		row := func(turn int) {
			for i := range parts {
				for half, term := range s.halves(s.loadFirst(few[i], Mem{Base: at, Disp: 4 * s.lanes * i})) {
					VADDPD(term, sums[turn][i][half], sums[turn][i][half])
				}
			}
			ADDQ(step, at)
		}
		// Rows of a matrix are far apart, so they are asked for as rows: as far ahead as if they were 64 bytes long.
		const rowsAhead = lineAhead / 64
		far := GP64()
		IMUL3Q(Imm(rowsAhead), step, far)
		Label("turn")
		CMPQ(rows, Imm(2))
		JLT(LabelRef("rest"))
		CMPQ(rows, Imm(rowsAhead+2))
		JL(LabelRef("near"))
		next := GP64()
		LEAQ(Mem{Base: at, Index: far, Scale: 1}, next)
		PREFETCHT0(Mem{Base: next})
		PREFETCHT0(Mem{Base: next, Index: step, Scale: 1})
		Label("near")
		row(0)
		row(1)
		SUBQ(Imm(2), rows)
		JMP(LabelRef("turn"))
		Label("rest")
		TESTQ(rows, rows)
		JE(LabelRef("done"))
		row(0)
		Label("done")
		to := Load(Param("sums"), GP64())
		for i := range parts {
			for half := range 2 {
				sum, place := sums[0][i][half], Mem{Base: to, Disp: 4 * s.lanes * (2*i + half)}
				VADDPD(sums[1][i][half], sum, sum)
				VADDPD(place, sum, sum)
				VMOVUPD(sum, place)
			}
		}
		VZEROUPPER()
		RET()
	}
	{
		TEXT("AddLanes"+s.set, attr.NOSPLIT, "func(rows int, y, x, b *float32)")
		Doc("AddLanes" + s.set + " computes y = x + b for rows of 16 elements.")
		Pragma("noescape")
		rows, y, x, b := Load(Param("rows"), GP64()), Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("b"), GP64())
		added := make([]reg.VecVirtual, parts)
		for i := range added {
			added[i] = s.load(Mem{Base: b, Disp: 4 * s.lanes * i})
		}
		for _, some := range []struct {
			label, next string
			rows        int
		}{{"turn", "rest", 4}, {"rest", "done", 1}} {
			Label(some.label)
			CMPQ(rows, U32(some.rows))
			JLT(LabelRef(some.next))
			askAhead(some.label, rows, 64, 64*some.rows, streams{x}, streams{y})
			for i := range some.rows * parts {
				VMOVUPS(s.add(added[i%parts], Mem{Base: x, Disp: 4 * s.lanes * i}), Mem{Base: y, Disp: 4 * s.lanes * i})
			}
			ADDQ(U32(64*some.rows), x)
			ADDQ(U32(64*some.rows), y)
			SUBQ(U32(some.rows), rows)
			JMP(LabelRef(some.label))
		}
		Label("done")
		VZEROUPPER()
		RET()
	}
}

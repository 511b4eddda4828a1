package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The loops of package vector: arithmetic on contiguous float32s, sums of them, optimisers, dropout.
//
// Each is written once, in terms of [simd], for both instruction sets. A loop over streams takes a few whole vectors a turn;
// what is left it takes one vector a turn under a mask, with the same instructions, so that an element's bits do not depend
// on where it stands. Nothing is unrolled for the sake of latencies: the iterations are independent, and memory is the bound
// (4 to 28 bytes an element against 1 to 20 instructions a vector). Constants lie in memory, spread over 64 bytes, and are
// operands of the arithmetic; those of a call are broadcast once into registers with AVX-512, whenever they are needed with AVX2
// where there are many.
func vectorKernels() {
	for _, s := range []simd{{"AVX512", 16}, {"AVX2", 8}} {
		s.arithmetic()
		s.activations()
		s.optimisers()
		s.sums()
		s.lanewise()
		s.dropout()
		s.layouts()
	}
}

// simd is an instruction set: 16 or 8 float32s in a register.
type simd struct {
	set   string
	lanes int
}

func (s simd) wide() bool { return s.lanes == 16 }

func (s simd) reg() reg.VecVirtual {
	if s.wide() {
		return ZMM()
	}
	return YMM()
}

func (s simd) zero() reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

// The operations give a new register, but for those that say otherwise. The last operand may be in memory.

func (s simd) load(m Op) reg.VecVirtual { r := s.reg(); VMOVUPS(m, r); return r }

func (s simd) broadcast(m Op) reg.VecVirtual { r := s.reg(); VBROADCASTSS(m, r); return r }

func (s simd) copy(a Op) reg.VecVirtual { r := s.reg(); VMOVAPS(a, r); return r }

func (s simd) add(a, b Op) reg.VecVirtual { r := s.reg(); VADDPS(b, a, r); return r }

func (s simd) sub(a, b Op) reg.VecVirtual { r := s.reg(); VSUBPS(b, a, r); return r }

func (s simd) mul(a, b Op) reg.VecVirtual { r := s.reg(); VMULPS(b, a, r); return r }

func (s simd) div(a, b Op) reg.VecVirtual { r := s.reg(); VDIVPS(b, a, r); return r }

func (s simd) sqrt(a Op) reg.VecVirtual { r := s.reg(); VSQRTPS(a, r); return r }

// atLeast and atMost clamp to b; NaN stays, as the instructions answer with their second source if one is NaN.
func (s simd) atLeast(a reg.VecVirtual, b Mem) reg.VecVirtual {
	r := s.load(b)
	VMAXPS(a, r, r)
	return r
}

func (s simd) atMost(a reg.VecVirtual, b Mem) reg.VecVirtual {
	r := s.load(b)
	VMINPS(a, r, r)
	return r
}

// fma changes its first operand: sum = sum + a*b.
func (s simd) fma(sum reg.VecVirtual, a, b Op) { VFMADD231PS(b, a, sum) }

// fnma changes its first operand: sum = sum - a*b.
func (s simd) fnma(sum reg.VecVirtual, a, b Op) { VFNMADD231PS(b, a, sum) }

// horner changes its first operand: p = p*x + c.
func (s simd) horner(p reg.VecVirtual, x, c Op) { VFMADD213PS(c, x, p) }

func (s simd) and(a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VPANDD(b, a, r)
	} else {
		VPAND(b, a, r)
	}
	return r
}

func (s simd) or(a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VPORD(b, a, r)
	} else {
		VPOR(b, a, r)
	}
	return r
}

func (s simd) round(a Op) reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VRNDSCALEPS(Imm(8), a, r)
	} else {
		VROUNDPS(Imm(8), a, r)
	}
	return r
}

// condition is a truth value for each lane: a mask register, or a vector of all ones and all zeros.
type condition = Op

// Comparisons, of which NaN satisfies none.
const (
	atMostZero = 0x12
	aboveZero  = 0x1e
)

func (s simd) compare(a Op, how uint64, b Op) condition {
	if s.wide() {
		k := K()
		VCMPPS(Imm(how), b, a, k)
		return k
	}
	r := s.reg()
	VCMPPS(Imm(how), b, a, r)
	return r
}

// pick is a where the condition holds and b elsewhere.
func (s simd) pick(c condition, a, b Op) reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VBLENDMPS(a, b, c, r)
	} else {
		VBLENDVPS(c, a, b, r)
	}
	return r
}

// only is a where the condition holds and 0 elsewhere.
func (s simd) only(c condition, a reg.VecVirtual) reg.VecVirtual {
	if !s.wide() {
		return s.and(a, c)
	}
	r := s.reg()
	VMOVAPS_Z(a, c, r)
	return r
}

// spread finds 64 bytes of memory with 16 times the same number.
func spread(v float32) Mem { return spreadBits(math.Float32bits(v)) }

func spreadBits(bits uint32) Mem {
	name := fmt.Sprintf("x%08x", bits)
	if m, known := tables[name]; known {
		return m
	}
	return table(name, 16, func(int) uint32 { return bits })
}

var tables = map[string]Mem{}

func table(name string, n int, at func(i int) uint32) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range n {
		DATA(4*i, U32(at(i)))
	}
	tables[name] = m
	return m
}

// first is the condition that a lane's number is below n.
func (s simd) first(n reg.GPVirtual) condition {
	numbers, known := tables["numbers"]
	if !known {
		numbers = table("numbers", 16, func(i int) uint32 { return uint32(i) })
	}
	low, all := XMM(), s.reg()
	VMOVD(n.As32(), low)
	VPBROADCASTD(low, all)
	if s.wide() {
		k := K()
		VPCMPGTD(numbers, all, k)
		return k
	}
	mask := s.reg()
	VPCMPGTD(numbers, all, mask)
	return mask
}

// loadFirst gives the lanes of a condition, and 0 in the others, whose memory is not touched.
func (s simd) loadFirst(c condition, m Mem) reg.VecVirtual {
	r := s.reg()
	if s.wide() {
		VMOVUPS_Z(m, c, r)
	} else {
		VMASKMOVPS(m, c, r)
	}
	return r
}

func (s simd) storeFirst(c condition, r reg.VecVirtual, m Mem) {
	if s.wide() {
		VMOVUPS(r, c, m)
	} else {
		VMASKMOVPS(r, c, m)
	}
}

// stream is a loop over arrays: those that it writes, those that it reads, and numbers that are the same for all elements.
type stream struct {
	name, doc   string
	write, read string // names of arrays; one that is in both is updated
	constants   string // float32 parameters
	fields      bool   // they are given by a pointer to the first of them
	turn        int    // vectors in each turn of the loop
}

// values are a vector's lanes of the arrays by name; the body adds those that it writes.
type values map[string]reg.VecVirtual

// body computes one vector; constant gives a constant's register.
type body func(x values, constant func(name string) reg.VecVirtual)

func (s simd) stream(d stream, do body) { s.loop(d, do, nil) }

// loop writes a stream; sum, if there is one, takes what the body leaves in "sum" (times "times").
func (s simd) loop(d stream, do body, sum *totals) {
	write, read, constants := strings.Fields(d.write), strings.Fields(d.read), strings.Fields(d.constants)
	arrays := slices.Clone(write)
	for _, name := range read {
		if !slices.Contains(arrays, name) {
			arrays = append(arrays, name)
		}
	}
	signature := "func(n int, " + strings.Join(arrays, ", ") + " *float32"
	switch {
	case d.fields:
		signature += ", constants *float32"
	case len(constants) > 0:
		signature += ", " + strings.Join(constants, ", ") + " float32"
	}
	signature += ")"
	if sum != nil {
		signature += " float64"
	}
	TEXT(d.name+s.set, attr.NOSPLIT, signature)
	Doc(d.name + s.set + " " + d.doc)
	Pragma("noescape")
	n := Load(Param("n"), GP64())
	at := map[string]reg.GPVirtual{}
	for _, name := range arrays {
		at[name] = Load(Param(name), GP64()).(reg.GPVirtual)
	}
	held, places := values{}, map[string]Mem{}
	var block reg.Register
	if d.fields {
		block = Load(Param("constants"), GP64())
	}
	for i, name := range constants {
		if d.fields {
			places[name] = Mem{Base: block, Disp: 4 * i}
		} else {
			b, err := Param(name).Resolve()
			if err != nil {
				panic(err)
			}
			places[name] = b.Addr
		}
		if s.wide() || !d.fields {
			held[name] = s.broadcast(places[name])
		}
	}
	constant := func(name string) reg.VecVirtual {
		if r, is := held[name]; is {
			return r
		}
		return s.broadcast(places[name])
	}
	if sum != nil {
		sum.begin(s)
	}
	advance := func(lanes int) {
		for _, name := range arrays {
			ADDQ(U32(4*lanes), at[name])
		}
		SUBQ(U32(lanes), n)
	}
	turn := max(d.turn, 1)
	Label("turn")
	CMPQ(n, U32(turn*s.lanes))
	JLT(LabelRef("rest"))
	var all streams
	for _, name := range arrays {
		all = append(all, at[name])
	}
	askAhead("turn", n, 4, 4*s.lanes*turn, all[len(write):], all[:len(write)])
	for u := range turn {
		x := values{}
		for _, name := range read {
			x[name] = s.load(Mem{Base: at[name], Disp: 4 * s.lanes * u})
		}
		do(x, constant)
		for _, name := range write {
			VMOVUPS(x[name], Mem{Base: at[name], Disp: 4 * s.lanes * u})
		}
		if sum != nil {
			sum.take(s, x, nil)
		}
	}
	advance(turn * s.lanes)
	JMP(LabelRef("turn"))
	Label("rest")
	CMPQ(n, Imm(0))
	JLE(LabelRef("done"))
	few := s.first(n.(reg.GPVirtual))
	x := values{}
	for _, name := range read {
		x[name] = s.loadFirst(few, Mem{Base: at[name]})
	}
	do(x, constant)
	for _, name := range write {
		s.storeFirst(few, x[name], Mem{Base: at[name]})
	}
	if sum != nil {
		sum.take(s, x, few)
	}
	advance(s.lanes)
	JMP(LabelRef("rest"))
	Label("done")
	if sum != nil {
		sum.end(s)
	}
	VZEROUPPER()
	RET()
}

func (s simd) arithmetic() {
	s.stream(stream{name: "Fill", doc: "sets y = v.", write: "y", constants: "v", turn: 4},
		func(x values, constant func(string) reg.VecVirtual) { x["y"] = constant("v") })
	s.stream(stream{name: "Scale", doc: "computes y = factor*x + offset.", write: "y", read: "x", constants: "factor offset", turn: 4},
		func(x values, constant func(string) reg.VecVirtual) {
			s.horner(x["x"], constant("factor"), constant("offset"))
			x["y"] = x["x"]
		})
	s.stream(stream{name: "Axpy", doc: "computes y = y + factor*x.", write: "y", read: "y x", constants: "factor", turn: 4},
		func(x values, constant func(string) reg.VecVirtual) { s.fma(x["y"], x["x"], constant("factor")) })
	for _, op := range []struct {
		name, sign string
		do         func(a, b Op) reg.VecVirtual
	}{{"Add", "+", s.add}, {"Sub", "-", s.sub}, {"Mul", "*", s.mul}, {"Div", "/", s.div}} {
		s.stream(stream{name: op.name, doc: "computes y = a " + op.sign + " b.", write: "y", read: "a b", turn: 4},
			func(x values, _ func(string) reg.VecVirtual) { x["y"] = op.do(x["a"], x["b"]) })
	}
}

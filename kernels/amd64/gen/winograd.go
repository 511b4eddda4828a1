package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The transforms of package winograd, F(4x4, 3x3) (Lavin and Gray, arXiv:1509.09308): a two-dimensional transform is a
// one-dimensional one of the columns and then of the rows, done for 16 channels of a tile at a time (AVX2: for 8, twice).
//
// The rows of each matrix are taken in pairs that share their sums (rows 1 and 2 of the input's are a+b and a-b). For a pair
// of rows, the columns' transform makes 12 vectors, which stay in registers, and the rows' transform takes those: 12 and
// 3 of arithmetic fit the 16 registers of AVX2, and no vector goes through memory between the two. The price is that the
// pixels are loaded for every pair: 84 loads a tile where 36 would do. Loads are not the bound: a tile of the input is 144
// additions and multiply-adds (72 cycles on two units), 84 loads (42 cycles) and 36 stores (36 cycles). AVX-512 holds the
// factors in registers, AVX2 takes them from memory.
//
// The coefficients of a tile lie a run-time stride apart: with the registers stride, 3*stride and 5*stride, each of the
// six in a row of them is base plus index times 1, 2 or 4 (steps in blocked.go).
func winogradKernels() {
	factors := newFactors(transformFactors()...)
	zeros := zeroRow()
	counting := countingUp()
	for _, set := range []string{"AVX512", "AVX2"} {
		w := winograd{set: set, v: newVectors(set, 1), table: factors, zeros: zeros, counting: counting}
		w.toTiles("Input", 6, w.inputSteps(), "B^T d B for 6x6 pixels d")
		w.toTiles("Gradient", 4, w.gradientSteps(), "A dy A^T for 4x4 pixels dy")
		w.output("WinogradOutput"+set, false)
		w.output("WinogradOutputAdd"+set, true)
		w.weights()
		w.weightsGradient()
	}
}

// winograd is what the kernels of one instruction set share.
type winograd struct {
	set             string
	v               vectors
	table           factors
	factor          map[float32]Op
	zeros, counting Mem
}

// factors are the numbers that the transforms multiply with, each eight times in memory.
type factors struct {
	memory Mem
	values []float64
}

func newFactors(values ...float64) factors {
	f := factors{GLOBL("factors", attr.RODATA|attr.NOPTR), values}
	for i, v := range values {
		for j := range 8 {
			DATA(32*i+4*j, U32(math.Float32bits(float32(v)))) // avo writes F32(4) without a point, which the assembler takes for the integer
		}
	}
	return f
}

// zeroRow is six pixels of zeros, the rows of a tile that lie outside of the map.
func zeroRow() Mem {
	m := GLOBL("zeros", attr.RODATA|attr.NOPTR)
	for i := range 6 * 64 / 8 {
		DATA(8*i, U64(0))
	}
	return m
}

// countingUp is the numbers of the lanes.
func countingUp() Mem {
	m := GLOBL("counting", attr.RODATA|attr.NOPTR)
	for i := range 16 {
		DATA(4*i, U32(i))
	}
	return m
}

// use readies some factors.
func (w *winograd) use(values ...float64) {
	w.factor = map[float32]Op{}
	for i, v := range w.table.values {
		for _, wanted := range values {
			if v != wanted {
				continue
			}
			w.factor[float32(v)] = w.table.memory.Offset(32 * i)
			if w.set == "AVX512" {
				r := ZMM()
				VBROADCASTSS(w.factor[float32(v)], r)
				w.factor[float32(v)] = r
			}
		}
	}
}

// by is a factor ready for use. A product of factors may differ from what was readied in float64's last digit.
func (w *winograd) by(f float64) Op { return w.factor[float32(f)] }

// source is a vector in memory or a register.
type source struct {
	w    *winograd
	op   func() Op // what an instruction can name as its source
	held reg.VecVirtual
}

func (w *winograd) memory(m Mem) source { return source{w: w, op: func() Op { return m }} }

func (w *winograd) register(r reg.VecVirtual) source {
	return source{w: w, op: func() Op { return r }, held: r}
}

// loaded is the vector in a register, which must not be changed; own is a copy that may.
func (s source) loaded() reg.VecVirtual {
	if s.held != nil {
		return s.held
	}
	switch op := s.op().(type) {
	case reg.VecVirtual:
		return op
	default:
		r := s.w.v.register()
		VMOVUPS(op, r)
		return r
	}
}

func (s source) own() reg.VecVirtual {
	if s.held == nil {
		return s.loaded()
	}
	r := s.w.v.register()
	VMOVAPS(s.held, r)
	return r
}

func (w *winograd) sum(a, b source) reg.VecVirtual {
	r, left := w.v.register(), a.loaded()
	VADDPS(b.op(), left, r)
	return r
}

func (w *winograd) difference(a, b source) reg.VecVirtual {
	r, left := w.v.register(), a.loaded()
	VSUBPS(b.op(), left, r)
	return r
}

// times is s*f.
func (w *winograd) times(s source, f float64) reg.VecVirtual {
	r := w.v.register()
	if c, is := w.by(f).(reg.VecVirtual); is {
		VMULPS(s.op(), c, r)
	} else {
		VMULPS(w.by(f), s.loaded(), r)
	}
	return r
}

// plus is r + s*f, minus is r - s*f, both in r.
func (w *winograd) plus(r reg.VecVirtual, s source, f float64) reg.VecVirtual {
	if c, is := w.by(f).(reg.VecVirtual); is {
		VFMADD231PS(s.op(), c, r)
	} else {
		VFMADD231PS(w.by(f), s.loaded(), r)
	}
	return r
}

func (w *winograd) minus(r reg.VecVirtual, s source, f float64) reg.VecVirtual {
	if c, is := w.by(f).(reg.VecVirtual); is {
		VFNMADD231PS(s.op(), c, r)
	} else {
		VFNMADD231PS(w.by(f), s.loaded(), r)
	}
	return r
}

// step computes some rows of a one-dimensional transform.
type step struct {
	rows []int
	do   func(d []source) []reg.VecVirtual
}

// The points of the method, beside 0 and infinity, are +-p and +-q. With 1 and 2, which Lavin and Gray take, numbers of very
// different size are added up; 3/4 and 3/2 halve the error (see package winograd) and cost no instruction more but in the output.
const (
	p, q       = 3. / 4, 3. / 2
	both0      = p * p * q * q // of the row of 0: (x^2 - p^2)(x^2 - q^2)
	both2      = p*p + q*q
	g0, gp, gq = 1 / both0, 1 / (2 * p * p * (p*p - q*q)), 1 / (2 * q * q * (q*q - p*p)) // G's first column
)

// What the kernels multiply with.
var (
	pixelFactors  = []float64{p, q, p * p, q * q, both0, both2}
	outputFactors = []float64{p, q, p * p, q * q, p * p * p, q * q * q}
	windowFactors = []float64{g0, gp, gp * p, gp * p * p, gq, gq * q, gq * q * q}
)

// transformFactors are all of these, once.
func transformFactors() []float64 {
	all := slices.Concat(pixelFactors, outputFactors, windowFactors)
	slices.Sort(all)
	return slices.Compact(all)
}

// inputSteps is B^T, a row for each point: the coefficients of the polynomial that is 0 at all other points.
//
//	p^2q^2    0     -(p^2+q^2)     0      1  0
//	  0    -pq^2      -q^2         p      1  0
//	  0     pq^2      -q^2        -p      1  0
//	  0    -p^2q      -p^2         q      1  0
//	  0     p^2q      -p^2        -q      1  0
//	  0    p^2q^2      0      -(p^2+q^2)  0  1
func (w *winograd) inputSteps() []step {
	pair := func(d []source, at, other float64) []reg.VecVirtual {
		return w.apart(w.minus(d[4].own(), d[2], other*other), w.minus(d[3].own(), d[1], other*other), at)
	}
	return []step{
		{[]int{1, 2}, func(d []source) []reg.VecVirtual { return pair(d, p, q) }},
		{[]int{3, 4}, func(d []source) []reg.VecVirtual { return pair(d, q, p) }},
		{[]int{0}, func(d []source) []reg.VecVirtual {
			return []reg.VecVirtual{w.minus(w.plus(d[4].own(), d[0], both0), d[2], both2)}
		}},
		{[]int{5}, func(d []source) []reg.VecVirtual {
			return []reg.VecVirtual{w.minus(w.plus(d[5].own(), d[1], both0), d[3], both2)}
		}},
	}
}

// apart is a+b*f and a-b*f, given an a of one's own.
func (w *winograd) apart(a, b reg.VecVirtual, f float64) []reg.VecVirtual {
	sum := w.plus(w.register(a).own(), w.register(b), f)
	return []reg.VecVirtual{sum, w.minus(a, w.register(b), f)}
}

// outputSteps is A^T, and bias added to each number of the result, if it is not nil: a column for each point, of its powers.
//
//	1   1    1    1    1   0
//	0   p   -p    q   -q   0
//	0  p^2  p^2  q^2  q^2  0
//	0  p^3 -p^3  q^3 -q^3  1
func (w *winograd) outputSteps(bias *source) []step {
	weighted := func(a, b reg.VecVirtual, f, g float64) reg.VecVirtual { // f*a + g*b
		if bias == nil {
			return w.plus(w.times(w.register(a), f), w.register(b), g)
		}
		return w.plus(w.plus(bias.own(), w.register(a), f), w.register(b), g)
	}
	biased := func(m source) source {
		if bias == nil {
			return m
		}
		return w.register(w.sum(*bias, m))
	}
	return []step{
		{[]int{0, 2}, func(m []source) []reg.VecVirtual {
			a, b := w.sum(m[1], m[2]), w.sum(m[3], m[4])
			first := w.sum(w.register(a), biased(m[0]))
			VADDPS(b, first, first)
			return []reg.VecVirtual{first, weighted(a, b, p*p, q*q)}
		}},
		{[]int{1, 3}, func(m []source) []reg.VecVirtual {
			a, b := w.difference(m[1], m[2]), w.difference(m[3], m[4])
			last := w.plus(biased(m[5]).own(), w.register(a), p*p*p)
			return []reg.VecVirtual{weighted(a, b, p, q), w.plus(last, w.register(b), q*q*q)}
		}},
	}
}

// gradientSteps is A.
func (w *winograd) gradientSteps() []step {
	pair := func(y []source, at float64) []reg.VecVirtual {
		return w.apart(w.plus(y[0].own(), y[2], at*at), w.plus(y[1].own(), y[3], at*at), at)
	}
	return []step{
		{[]int{1, 2}, func(y []source) []reg.VecVirtual { return pair(y, p) }},
		{[]int{3, 4}, func(y []source) []reg.VecVirtual { return pair(y, q) }},
		{[]int{0}, func(y []source) []reg.VecVirtual { return []reg.VecVirtual{y[0].loaded()} }},
		{[]int{5}, func(y []source) []reg.VecVirtual { return []reg.VecVirtual{y[3].loaded()} }},
	}
}

// weightsSteps is G: a row for each point, of its powers by what the point's row of B^T is there.
//
//	g0     0      0
//	gp   gp p   gp p^2
//	gp  -gp p   gp p^2
//	gq   gq q   gq q^2
//	gq  -gq q   gq q^2
//	 0     0      1
func (w *winograd) weightsSteps() []step {
	pair := func(g []source, first, at float64) []reg.VecVirtual {
		return w.apart(w.plus(w.times(g[0], first), g[2], first*at*at), g[1].loaded(), first*at)
	}
	return []step{
		{[]int{1, 2}, func(g []source) []reg.VecVirtual { return pair(g, gp, p) }},
		{[]int{3, 4}, func(g []source) []reg.VecVirtual { return pair(g, gq, q) }},
		{[]int{0}, func(g []source) []reg.VecVirtual { return []reg.VecVirtual{w.times(g[0], g0)} }},
		{[]int{5}, func(g []source) []reg.VecVirtual { return []reg.VecVirtual{g[2].loaded()} }},
	}
}

// weightsGradientSteps is G^T.
func (w *winograd) weightsGradientSteps() []step {
	return []step{
		{[]int{0}, func(u []source) []reg.VecVirtual {
			r := w.plus(w.times(u[0], g0), w.register(w.sum(u[1], u[2])), gp)
			return []reg.VecVirtual{w.plus(r, w.register(w.sum(u[3], u[4])), gq)}
		}},
		{[]int{1}, func(u []source) []reg.VecVirtual {
			r := w.times(w.register(w.difference(u[1], u[2])), gp*p)
			return []reg.VecVirtual{w.plus(r, w.register(w.difference(u[3], u[4])), gq*q)}
		}},
		{[]int{2}, func(u []source) []reg.VecVirtual {
			r := w.plus(u[5].own(), w.register(w.sum(u[1], u[2])), gp*p*p)
			return []reg.VecVirtual{w.plus(r, w.register(w.sum(u[3], u[4])), gq*q*q)}
		}},
	}
}

// both dimensions: from is the element of row i and column j, of which there are cols; to gets those of the result.
func (w *winograd) transform(first, second []step, rows, cols int, from func(i, j int) source, to func(i, j int, r reg.VecVirtual)) {
	for _, vertical := range first {
		lines := make([][]source, len(vertical.rows))
		for j := range cols {
			column := make([]source, rows)
			for i := range column {
				column[i] = from(i, j)
			}
			for k, r := range vertical.do(column) {
				lines[k] = append(lines[k], w.register(r))
			}
		}
		for k, i := range vertical.rows {
			for _, horizontal := range second {
				for l, r := range horizontal.do(lines[k]) {
					to(i, horizontal.rows[l], r)
				}
			}
		}
	}
}

// coefficients addresses the 36 vectors of a tile, row by row: going to another row is an addition that the next must wait
// for, so those that read coefficients transform the rows first.
type coefficients struct {
	base, line reg.GPVirtual
	stride     steps
	six        reg.GPVirtual
	now        int // line's row
}

func newCoefficients(base, stride reg.GPVirtual) *coefficients {
	c := &coefficients{base: base, line: GP64(), stride: newSteps(6, stride), six: GP64()}
	LEAQ(Mem{Base: c.stride.three, Index: c.stride.three, Scale: 1}, c.six)
	return c
}

// begin points to the first row.
func (c *coefficients) begin() {
	MOVQ(c.base, c.line)
	c.now = 0
}

func (c *coefficients) at(i, j, disp int) Mem {
	for ; c.now < i; c.now++ {
		ADDQ(c.six, c.line)
	}
	for ; c.now > i; c.now-- {
		SUBQ(c.six, c.line)
	}
	m := c.stride.at(j)
	m.Base, m.Disp = c.line, disp
	return m
}

// parts is the part of the 16 channels that a register holds, one after the other.
func (w *winograd) parts(do func(disp int)) {
	for disp := 0; disp < 64; disp += w.v.bytes {
		do(disp)
	}
}

func bytes(param string) reg.GPVirtual {
	r := Load(Param(param), GP64()).(reg.GPVirtual)
	SHLQ(Imm(2), r)
	return r
}

func pointer(param string) reg.GPVirtual { return Load(Param(param), GP64()).(reg.GPVirtual) }

// toTiles writes a transform of pixels to coefficients: one of a row of tiles that lie inside the map, one of a tile at its rim.
func (w *winograd) toTiles(name string, size int, steps []step, what string) {
	full := "Winograd" + name + w.set
	TEXT(full, attr.NOSPLIT, "func(tiles int, v *float32, stride int, x *float32, row int)")
	Doc(fmt.Sprintf("%s is %s, for tiles of 16 channels whose first pixels are x[64*t]:", full, what),
		"coefficient i of tile t goes to v[i*stride+16*t]. Rows of pixels are row apart.")
	Pragma("noescape")
	tiles, x := pointer("tiles"), pointer("x")
	to := newCoefficients(pointer("v"), bytes("stride"))
	row := newSteps(size, bytes("row"))
	w.use(pixelFactors...)
	Label("tile")
	w.parts(func(disp int) {
		to.begin()
		w.transform(steps, steps, size, size, func(i, j int) source {
			m := row.at(i)
			m.Base, m.Disp = x, 64*j+disp
			return w.memory(m)
		}, func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to.at(i, j, disp)) })
	})
	ADDQ(Imm(64), to.base)
	ADDQ(U32(4*64), x)
	DECQ(tiles)
	JNE(LabelRef("tile"))
	VZEROUPPER()
	RET()

	full = "WinogradRim" + name + w.set
	TEXT(full, attr.NOSPLIT, "func(v *float32, stride int, x *float32, offset, row int, inside *uint32)")
	Doc(fmt.Sprintf("%s is the same for one tile at the rim of the map, which begins at x[offset].", full),
		"Numbers i and 6+j of inside say whether row i and column j are inside of the map (all ones) or 0.")
	Pragma("noescape")
	inside := pointer("inside")
	to = newCoefficients(pointer("v"), bytes("stride"))
	offset, step := bytes("offset"), bytes("row")
	ADDQ(pointer("x"), offset)
	lines := make([]reg.GPVirtual, size)
	none := GP64()
	LEAQ(w.zeros, none)
	for i := range lines {
		lines[i] = GP64()
		MOVQ(offset, lines[i])
		CMPL(Mem{Base: inside, Disp: 4 * i}, Imm(0))
		CMOVQEQ(none, lines[i])
		if i+1 < size {
			ADDQ(step, offset)
		}
	}
	masks := make([]reg.OpmaskVirtual, size)
	for j := range masks {
		if w.set == "AVX512" {
			masks[j] = K()
			KMOVW(Mem{Base: inside, Disp: 4 * (6 + j)}, masks[j])
		}
	}
	w.use(pixelFactors...)
	w.parts(func(disp int) {
		to.begin()
		w.transform(steps, steps, size, size, func(i, j int) source {
			m := Mem{Base: lines[i], Disp: 64*j + disp}
			return source{w: w, op: func() Op {
				r := w.v.register()
				if w.set == "AVX512" {
					VMOVUPS_Z(m, masks[j], r)
				} else {
					VBROADCASTSS(Mem{Base: inside, Disp: 4 * (6 + j)}, r)
					VMASKMOVPS(m, r, r)
				}
				return r
			}}
		}, func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to.at(i, j, disp)) })
	})
	VZEROUPPER()
	RET()
}

// output writes A^T m A, plus a bias and perhaps another map, not below a floor.
func (w *winograd) output(name string, add bool) {
	other, what := "", fmt.Sprintf("%s is A^T m A, for tiles of 16 channels whose coefficients i are m[i*stride+16*t]: 4x4 pixels from", name)
	if add {
		other, what = ", add *float32", fmt.Sprintf("%s is that plus add, which is laid out as y: 4x4 pixels from", name)
	}
	TEXT(name, attr.NOSPLIT, "func(tiles int, y *float32, row int, m *float32, stride int, epilogue *float32"+other+")")
	Doc(what, "y[64*t] on, rows being row apart. epilogue is 16 numbers to add and 16 that nothing may be below.")
	Pragma("noescape")
	tiles, y, epilogue := pointer("tiles"), pointer("y"), pointer("epilogue")
	from := newCoefficients(pointer("m"), bytes("stride"))
	row := newSteps(4, bytes("row"))
	var residual reg.GPVirtual
	if add {
		residual = pointer("add")
	}
	w.use(outputFactors...)
	Label("tile")
	w.parts(func(disp int) {
		from.begin()
		bias := w.memory(Mem{Base: epilogue, Disp: disp})
		w.transform(w.outputSteps(nil), w.outputSteps(&bias), 6, 6, func(i, j int) source {
			return source{w: w, op: func() Op { return from.at(j, i, disp) }}
		}, func(i, j int, r reg.VecVirtual) {
			m := row.at(j)
			m.Disp = 64*i + disp
			if add {
				m.Base = residual
				VADDPS(m, r, r)
			}
			floor := w.v.register()
			VMOVUPS(Mem{Base: epilogue, Disp: 64 + disp}, floor)
			VMAXPS(r, floor, r) // NaN if r is
			m.Base = y
			VMOVUPS(r, m)
		})
	})
	ADDQ(Imm(64), from.base)
	ADDQ(U32(4*64), y)
	if add {
		ADDQ(U32(4*64), residual)
	}
	DECQ(tiles)
	JNE(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// weights writes G g G^T. The numbers of a vector lie a run-time distance apart, so they are gathered.
func (w *winograd) weights() {
	name := "WinogradWeights" + w.set
	TEXT(name, attr.NOSPLIT, "func(count int, u *float32, stride, step int, w *float32, lane, tap, next, lanes int)")
	Doc(fmt.Sprintf("%s is G g G^T for count times 16 windows: coefficient i of lane l of number n is u[i*stride+n*step+l];", name),
		"tap k of its window is w[l*lane+k*tap+n*next] where l < lanes (1 to 16), and 0 elsewhere.")
	Pragma("noescape")
	count, from, lane, lanes := pointer("count"), pointer("w"), pointer("lane"), pointer("lanes")
	to := newCoefficients(pointer("u"), bytes("stride"))
	tap, next, step := bytes("tap"), bytes("next"), bytes("step")
	w.use(windowFactors...)
	var some reg.OpmaskVirtual // AVX-512
	mask := GP64()
	if w.set == "AVX512" {
		some = K()
		MOVQ(lanes, reg.RCX)
		MOVQ(I32(1), mask)
		SHLQ(reg.CL, mask)
		DECQ(mask)
	}
	at := GP64()
	var scratch Mem // AVX2 has not the registers for nine taps
	if w.set == "AVX2" {
		scratch = AllocLocal(9 * 32)
	}
	distance := w.v.register()
	narrow := XMM()
	VMOVQ(lane, narrow)
	VPBROADCASTD(narrow, distance)
	Label("window")
	w.parts(func(disp int) {
		index := w.v.register()
		VMOVUPS(w.counting.Offset(disp), index)
		VPMULLD(distance, index, index)
		taps := make([]source, 9)
		MOVQ(from, at)
		for k := range taps {
			r := w.v.register()
			w.v.zero(r)
			if w.set == "AVX512" {
				KMOVW(mask.As32(), some)
				VGATHERDPS(Mem{Base: at, Index: index, Scale: 4}, some, r)
				taps[k] = w.register(r)
			} else {
				present, wide := YMM(), XMM()
				VMOVQ(lanes, wide)
				VPBROADCASTD(wide, present)
				VPCMPGTD(w.counting.Offset(disp), present, present)
				VGATHERDPS(present, Mem{Base: at, Index: index, Scale: 4}, r)
				VMOVUPS(r, scratch.Offset(32*k))
				taps[k] = w.memory(scratch.Offset(32 * k))
			}
			if k < 8 {
				ADDQ(tap, at)
			}
		}
		to.begin()
		w.transform(w.weightsSteps(), w.weightsSteps(), 3, 3, func(i, j int) source { return taps[3*i+j] },
			func(i, j int, r reg.VecVirtual) { VMOVUPS(r, to.at(i, j, disp)) })
	})
	ADDQ(step, to.base)
	ADDQ(next, from)
	DECQ(count)
	JNE(LabelRef("window"))
	VZEROUPPER()
	RET()
}

// weightsGradient writes G^T u G.
func (w *winograd) weightsGradient() {
	name := "WinogradWeightsGradient" + w.set
	TEXT(name, attr.NOSPLIT, "func(count int, dw *float32, u *float32, stride, step int)")
	Doc(fmt.Sprintf("%s is G^T u G for count times 16 windows: coefficient i of lane l of number n is u[i*stride+n*step+l],", name),
		"tap k is dw[(9*n+k)*16+l].")
	Pragma("noescape")
	count, dw := pointer("count"), pointer("dw")
	from := newCoefficients(pointer("u"), bytes("stride"))
	step := bytes("step")
	w.use(windowFactors...)
	Label("window")
	w.parts(func(disp int) {
		from.begin()
		w.transform(w.weightsGradientSteps(), w.weightsGradientSteps(), 6, 6, func(i, j int) source {
			return source{w: w, op: func() Op { return from.at(j, i, disp) }}
		}, func(i, j int, r reg.VecVirtual) { VMOVUPS(r, Mem{Base: dw, Disp: 64*(3*j+i) + disp}) })
	})
	ADDQ(step, from.base)
	ADDQ(U32(9*64), dw)
	DECQ(count)
	JNE(LabelRef("window"))
	VZEROUPPER()
	RET()
}

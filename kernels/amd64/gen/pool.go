package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wide is an instruction set as kernels on whole pixels see it: a pixel's 16 channels (64 bytes) are a ZMM register or two
// YMM registers.
type wide struct {
	name   string
	parts  int // registers of a pixel
	vector func() reg.VecVirtual
}

var widths = []wide{{"AVX512", 1, ZMM}, {"AVX2", 2, YMM}}

const pixelBytes = 64

// pixel is one in registers.
type pixel []reg.VecVirtual

func (w wide) pixel() pixel {
	p := make(pixel, w.parts)
	for i := range p {
		p[i] = w.vector()
	}
	return p
}

// part is the memory of one register of the pixel at m.
func (w wide) part(m Mem, i int) Mem { return m.Offset(i * pixelBytes / w.parts) }

func (w wide) load(m Mem, p pixel) {
	for i := range p {
		VMOVUPS(w.part(m, i), p[i])
	}
}

func (w wide) store(p pixel, m Mem) {
	for i := range p {
		VMOVUPS(p[i], w.part(m, i))
	}
}

// zero and ones clear and set every bit.
func (w wide) zero(p pixel) {
	for _, v := range p {
		if w.parts == 1 {
			VPXORD(v, v, v)
		} else {
			VXORPS(v, v, v)
		}
	}
}

func (w wide) ones(p pixel) {
	for _, v := range p {
		if w.parts == 1 {
			VPTERNLOGD(Imm(0xff), v, v, v)
		} else {
			VPCMPEQD(v, v, v)
		}
	}
}

// Predicates of VCMPPS.
const (
	equal      = 0x00 // both numbers, and equal
	unordered  = 0x03 // one is NaN
	ordered    = 0x07 // none is NaN
	notAtLeast = 0x19 // less, or one is NaN
	atLeast    = 0x1d // its opposite
	greater    = 0x1e // both numbers, and greater
)

// windows are the arguments of every pooling kernel: count windows of rows x cols pixels, each step pixels after the one
// before; the rows of a window are line pixels apart. step and line become bytes.
type windows struct{ count, rows, cols, line, step reg.GPVirtual }

const windowArguments = "count, rows, cols, line, step int"

func loadWindows() windows {
	w := windows{GP64(), GP64(), GP64(), GP64(), GP64()}
	Load(Param("count"), w.count)
	Load(Param("rows"), w.rows)
	Load(Param("cols"), w.cols)
	Load(Param("line"), w.line)
	Load(Param("step"), w.step)
	SHLQ(Imm(6), w.line)
	SHLQ(Imm(6), w.step)
	return w
}

// each writes the loop over the windows: those of 2 or 3 rows and columns (the squares that networks use, and what the edges
// of a map leave of them) have a loop of their own with every tap written out, all others have loops over rows and columns.
//
//	begin, end   before the first tap of a window, after its last
//	tap          a tap at an offset from the window's first pixel; rowEnd after each row, where it is not nil
//	small        all taps of a small window, named for its labels; nil if there are no such loops
//	advance      to the next window
func (p windows) each(begin func(), tap func(at Mem), rowEnd, end, advance func(), small func(rows, cols int, name string)) {
	TESTQ(p.count, p.count)
	JE(LabelRef("done"))
	for rows := 2; rows <= 3 && small != nil; rows++ {
		for cols := 2; cols <= 3; cols++ {
			name := fmt.Sprintf("%dx%d", rows, cols)
			CMPQ(p.rows, Imm(uint64(rows)))
			JNE(LabelRef("not" + name))
			CMPQ(p.cols, Imm(uint64(cols)))
			JNE(LabelRef("not" + name))
			Label("all" + name)
			small(rows, cols, name)
			advance()
			DECQ(p.count)
			JNE(LabelRef("all" + name))
			JMP(LabelRef("done"))
			Label("not" + name)
		}
	}
	row, at, left, across := GP64(), GP64(), GP64(), GP64()
	Label("window")
	begin()
	XORQ(row, row)
	MOVQ(p.rows, left)
	Label("row")
	MOVQ(row, at)
	MOVQ(p.cols, across)
	Label("tap")
	tap(Mem{Index: at, Scale: 1})
	ADDQ(Imm(pixelBytes), at)
	DECQ(across)
	JNE(LabelRef("tap"))
	if rowEnd != nil {
		rowEnd()
	}
	ADDQ(p.line, row)
	DECQ(left)
	JNE(LabelRef("row"))
	end()
	advance()
	DECQ(p.count)
	JNE(LabelRef("window"))
	Label("done")
	VZEROUPPER()
	RET()
}

// smallTap is the memory of tap i, j of a window of at most three rows.
func (p windows) smallTap(base reg.Register, i, j int) Mem {
	if i == 0 {
		return Mem{Base: base, Disp: pixelBytes * j}
	}
	return Mem{Base: base, Index: p.line, Scale: uint8(i), Disp: pixelBytes * j}
}

// poolKernels writes pooling of maps in blocks of 16 channels, a row of windows at a time.
//
// A pixel is one vector, so that every lane is a channel and no kernel moves anything across lanes; what bounds the speed
// is memory: a 3x3 window with stride 2 takes nine loads from the first-level cache but four pixels from further away.
func poolKernels() {
	for _, w := range widths {
		w.extreme("MaxPool", "largest", VMAXPS)
		w.extreme("MinPool", "smallest", VMINPS)
		w.winner()
		w.choose()
		w.give()
		w.sum()
		w.spread()
	}
}

// extreme writes the largest or smallest of each window. VMAXPS gives its last source if one is NaN or both are zero, and
// that is the best so far: so the first of equals stays, but a NaN is lost. NaNs are therefore found by comparing,
// two taps at a time, and put in at the end.
//
// Registers: the best of each row, two taps, and which lanes are NaN: a mask (AVX-512), or a vector that is all ones there.
func (w wide) extreme(name, what string, better func(...Op)) {
	TEXT(name+w.name, attr.NOSPLIT, "func(y, x *float32, "+windowArguments+")")
	Doc(fmt.Sprintf("%s%s writes the %s pixel of each window of x, channel by channel, to y: NaN if the window has one. Windows", name, w.name, what),
		"have at least one pixel.")
	Pragma("noescape")
	y, x := Load(Param("y"), GP64()), Load(Param("x"), GP64())
	p := loadWindows()
	best, v, nan := w.pixel(), w.pixel(), w.pixel()
	var bad, more reg.OpmaskVirtual
	if w.parts == 1 {
		bad, more = K(), K()
		w.ones(nan)
	}
	find := func(a, b pixel, begin bool) { // NaN in a or b
		for i := range a {
			switch {
			case w.parts == 1 && begin:
				VCMPPS(Imm(unordered), a[i], b[i], bad)
			case w.parts == 1:
				VCMPPS(Imm(unordered), a[i], b[i], more)
				KORW(more, bad, bad)
			case begin:
				VCMPPS(Imm(unordered), a[i], b[i], nan[i])
			default:
				found := w.vector()
				VCMPPS(Imm(unordered), a[i], b[i], found)
				VORPS(found, nan[i], nan[i])
			}
		}
	}
	end := func(best pixel) {
		for i := range best {
			if w.parts == 1 {
				VMOVAPS(nan[i], bad, best[i])
			} else {
				VORPS(nan[i], best[i], best[i])
			}
		}
		w.store(best, Mem{Base: y})
	}
	p.each(
		func() {
			w.load(Mem{Base: x}, best)
			find(best, best, true)
		},
		func(at Mem) {
			at.Base = x
			w.load(at, v)
			for i := range v {
				better(best[i], v[i], best[i])
			}
			find(v, v, false)
		},
		nil, func() { end(best) },
		func() {
			ADDQ(Imm(pixelBytes), y)
			ADDQ(p.step, x)
		},
		func(rows, cols int, _ string) { // each row has a best of its own, so that the chain of comparisons is short
			bests := make([]pixel, rows)
			take := func(n int, v pixel) {
				if n%cols == 0 {
					bests[n/cols] = v
					return
				}
				for i, b := range bests[n/cols] {
					better(b, v[i], b)
				}
			}
			for n := 0; n < rows*cols; n += 2 {
				a := w.pixel()
				w.load(p.smallTap(x, n/cols, n%cols), a)
				if n+1 == rows*cols {
					find(a, a, false)
					take(n, a)
					break
				}
				b := w.pixel()
				w.load(p.smallTap(x, (n+1)/cols, (n+1)%cols), b)
				find(a, b, n == 0)
				take(n, a)
				take(n+1, b)
			}
			for i := 1; i < rows; i++ {
				for j, v := range bests[i] {
					better(bests[0][j], v, bests[0][j])
				}
			}
			end(bests[0])
		})
}

// winner writes the gradient of extreme: the first tap, row by row, that is what was chosen gets dy added. A window's lanes
// that are still looking for it are a mask (AVX-512) or a vector of all ones (AVX2); a tap that is found leaves them.
// As long as y has no NaN no x has, and one comparison for each tap is enough.
func (w wide) winner() {
	TEXT("PoolWinner"+w.name, attr.NOSPLIT, "func(dx, dy, x, y *float32, "+windowArguments+")")
	Doc(fmt.Sprintf("PoolWinner%s adds each pixel of dy, channel by channel, to the first pixel of its window in dx where x is y, or", w.name),
		"where x is NaN if y is. Windows have at least one pixel.")
	Pragma("noescape")
	dx, dy := Load(Param("dx"), GP64()), Load(Param("dy"), GP64())
	x, y := Load(Param("x"), GP64()), Load(Param("y"), GP64())
	p := loadWindows()
	best, grad, v, found := w.pixel(), w.pixel(), w.pixel(), w.pixel()
	looking := w.pixel()
	var mask, hit, nan reg.OpmaskVirtual
	bits := GP32()
	if w.parts == 1 {
		mask, hit, nan = K(), K(), K()
	}
	begin := func() {
		w.load(Mem{Base: y}, best)
		w.load(Mem{Base: dy}, grad)
		if w.parts == 1 {
			KXNORW(mask, mask, mask)
		} else {
			w.ones(looking)
		}
	}
	tap := func(from, to Mem, numbers bool) {
		w.load(from, v)
		if w.parts == 1 {
			VCMPPS(Imm(equal), v[0], best[0], mask, hit)
			if !numbers {
				VCMPPS(Imm(unordered), v[0], v[0], mask, nan)
				KORW(nan, hit, hit)
			}
			w.load(to, v)
			VADDPS(grad[0], v[0], hit, v[0])
			w.store(v, to)
			KXORW(hit, mask, mask)
			return
		}
		for i := range v {
			VCMPPS(Imm(equal), v[i], best[i], found[i])
			if !numbers {
				VCMPPS(Imm(unordered), v[i], v[i], v[i])
				VORPS(v[i], found[i], found[i])
			}
			VANDPS(looking[i], found[i], found[i])
			VANDNPS(looking[i], found[i], looking[i])
			VANDPS(grad[i], found[i], found[i])
			VADDPS(w.part(to, i), found[i], found[i])
		}
		w.store(found, to)
	}
	p.each(begin,
		func(at Mem) {
			from, to := at, at
			from.Base, to.Base = x, dx
			tap(from, to, false)
		},
		nil, func() {},
		func() {
			ADDQ(Imm(pixelBytes), y)
			ADDQ(Imm(pixelBytes), dy)
			ADDQ(p.step, x)
			ADDQ(p.step, dx)
		},
		func(rows, cols int, name string) {
			begin()
			some, end := "some"+name, "end"+name
			if w.parts == 1 {
				VCMPPS(Imm(unordered), best[0], best[0], nan)
				KORTESTW(nan, nan)
			} else {
				VCMPPS(Imm(unordered), best[0], best[1], v[0])
				VMOVMSKPS(v[0], bits)
				TESTL(bits, bits)
			}
			JNE(LabelRef(some))
			for n := range rows * cols {
				tap(p.smallTap(x, n/cols, n%cols), p.smallTap(dx, n/cols, n%cols), true)
			}
			JMP(LabelRef(end))
			Label(some)
			for n := range rows * cols {
				tap(p.smallTap(x, n/cols, n%cols), p.smallTap(dx, n/cols, n%cols), false)
			}
			Label(end)
		})
}

// counter makes a register in which every lane is 1, and one to count in.
func (w wide) counter() (one, count reg.VecVirtual) {
	one, count = w.vector(), w.vector()
	bits := GP32()
	MOVL(U32(1), bits)
	VMOVD(bits, one.AsX())
	VPBROADCASTD(one.AsX(), one)
	return one, count
}

// numbers are registers of the numbers of a small window's taps, where there are enough registers; nil elsewhere.
func (w wide) numbers(one reg.VecVirtual) []reg.VecVirtual {
	if w.parts > 1 {
		return nil
	}
	all := make([]reg.VecVirtual, 9)
	for i := range all {
		all[i] = w.vector()
		if i == 0 {
			w.zero(pixel{all[0]})
		} else {
			VPADDD(one, all[i-1], all[i])
		}
	}
	return all
}

// choose writes extreme of the largest, and the number of the tap that each lane has: the first of equals, and the first NaN. Windows of
// any size go through their taps and keep the best so far. Small ones find the largest first and then compare, from the last tap to the
// first: without a NaN, of which two taps at a time tell, the last that is equal so found is the first.
func (w wide) choose() {
	TEXT("PoolChoose"+w.name, attr.NOSPLIT, "func(y, chosen, x *float32, "+windowArguments+")")
	Doc(fmt.Sprintf("PoolChoose%s writes the largest pixel of each window of x, channel by channel, to y, and its number in the window, row by", w.name),
		"row, as an int32 to chosen: those of the first NaN if the window has one. Windows have at least one pixel.")
	Pragma("noescape")
	y, chosen, x := Load(Param("y"), GP64()), Load(Param("chosen"), GP64()), Load(Param("x"), GP64())
	p := loadWindows()
	one, number := w.counter()
	numbers := w.numbers(one)
	best, place, v := w.pixel(), w.pixel(), w.pixel()
	var better, nan, whole reg.OpmaskVirtual
	found, bits := w.vector(), GP32()
	if w.parts == 1 {
		better, nan, whole = K(), K(), K()
	}
	begin := func() {
		w.load(Mem{Base: x}, best)
		w.zero(place)
		w.zero(pixel{number})
	}
	tap := func(at Mem) {
		at.Base = x
		w.load(at, v)
		for i := range v {
			if w.parts == 1 { // larger, or NaN where none was
				VCMPPS(Imm(greater), best[i], v[i], better)
				VCMPPS(Imm(ordered), best[i], best[i], whole)
				VCMPPS(Imm(unordered), v[i], v[i], whole, nan)
				KORW(nan, better, better)
				VMOVAPS(v[i], better, best[i])
				VMOVDQA32(number, better, place[i])
				continue
			}
			also := w.vector()
			VCMPPS(Imm(unordered), v[i], v[i], found)
			VCMPPS(Imm(ordered), best[i], best[i], also)
			VANDPS(also, found, found)
			VCMPPS(Imm(greater), best[i], v[i], also)
			VORPS(also, found, found)
			VBLENDVPS(found, v[i], best[i], best[i])
			VBLENDVPS(found, number, place[i], place[i])
		}
		VPADDD(one, number, number)
	}
	end := func() {
		w.store(best, Mem{Base: y})
		w.store(place, Mem{Base: chosen})
	}
	p.each(begin, tap, nil, end,
		func() {
			ADDQ(Imm(pixelBytes), y)
			ADDQ(Imm(pixelBytes), chosen)
			ADDQ(p.step, x)
		},
		func(rows, cols int, name string) {
			some, done := "some"+name, "chosen"+name
			taps := rows * cols
			at := func(n int) Mem { return p.smallTap(x, n/cols, n%cols) }
			w.load(at(0), best)
			for n := 1; n < taps; n++ {
				w.load(at(n), v)
				for i := range v {
					switch {
					case w.parts > 1 && n == 1 && i == 0:
						VCMPPS(Imm(unordered), best[i], v[i], found)
					case w.parts > 1:
						also := w.vector()
						VCMPPS(Imm(unordered), best[i], v[i], also)
						VORPS(also, found, found)
					case n == 1:
						VCMPPS(Imm(unordered), best[i], v[i], nan)
					default:
						VCMPPS(Imm(unordered), best[i], v[i], better)
						KORW(better, nan, nan)
					}
					VMAXPS(best[i], v[i], best[i]) // of equal zeros the first, as extreme
				}
			}
			if w.parts == 1 {
				KORTESTW(nan, nan)
			} else {
				VMOVMSKPS(found, bits)
				TESTL(bits, bits)
			}
			JNE(LabelRef(some))
			if numbers != nil {
				VMOVAPS(numbers[taps-1], place[0])
				for n := taps - 2; n >= 0; n-- {
					VCMPPS(Imm(equal), at(n), best[0], better)
					VMOVDQA32(numbers[n], better, place[0])
				}
			} else {
				w.zero(pixel{number})
				for range taps - 1 {
					VPADDD(one, number, number)
				}
				for i := range place {
					VMOVAPS(number, place[i])
				}
				for n := taps - 2; n >= 0; n-- {
					VPSUBD(one, number, number)
					for i := range place {
						VCMPPS(Imm(equal), w.part(at(n), i), best[i], found)
						VBLENDVPS(found, number, place[i], place[i])
					}
				}
			}
			JMP(LabelRef(done))
			Label(some)
			begin()
			for n := range taps {
				tap(at(n))
			}
			Label(done)
			end()
		})
}

// give writes the gradient of choose.
func (w wide) give() {
	TEXT("PoolGive"+w.name, attr.NOSPLIT, "func(dx, dy, chosen *float32, "+windowArguments+")")
	Doc(fmt.Sprintf("PoolGive%s adds each pixel of dy, channel by channel, to the pixel of its window in dx whose number, row by row, is the int32", w.name),
		"in chosen. Windows have at least one pixel.")
	Pragma("noescape")
	dx, dy, chosen := Load(Param("dx"), GP64()), Load(Param("dy"), GP64()), Load(Param("chosen"), GP64())
	p := loadWindows()
	one, number := w.counter()
	numbers := w.numbers(one)
	grad, place, v := w.pixel(), w.pixel(), w.pixel()
	var hit reg.OpmaskVirtual
	if w.parts == 1 {
		hit = K()
	}
	begin := func() {
		w.load(Mem{Base: dy}, grad)
		w.load(Mem{Base: chosen}, place)
	}
	tap := func(to Mem, number reg.VecVirtual) {
		to.Base = dx
		if w.parts == 1 {
			VPCMPEQD(number, place[0], hit)
			w.load(to, v)
			VADDPS(grad[0], v[0], hit, v[0])
		} else {
			for i := range v {
				VPCMPEQD(number, place[i], v[i])
				VANDPS(grad[i], v[i], v[i])
				VADDPS(w.part(to, i), v[i], v[i])
			}
		}
		w.store(v, to)
	}
	p.each(
		func() {
			begin()
			w.zero(pixel{number})
		},
		func(to Mem) {
			tap(to, number)
			VPADDD(one, number, number)
		},
		nil, func() {},
		func() {
			ADDQ(Imm(pixelBytes), dy)
			ADDQ(Imm(pixelBytes), chosen)
			ADDQ(p.step, dx)
		},
		func(rows, cols int, _ string) {
			begin()
			if numbers == nil {
				w.zero(pixel{number})
			}
			for n := range rows * cols {
				to := p.smallTap(dx, n/cols, n%cols)
				if numbers != nil {
					tap(to, numbers[n])
					continue
				}
				tap(to, number)
				VPADDD(one, number, number)
			}
		})
}

// sum writes the scaled sum of each window. Each row is summed by itself, so that the errors of a large window grow with
// its side and not with its area.
func (w wide) sum() {
	TEXT("PoolSum"+w.name, attr.NOSPLIT, "func(y, x *float32, "+windowArguments+", factor float32)")
	Doc(fmt.Sprintf("PoolSum%s writes factor times the sum of each window's pixels, channel by channel, to y.", w.name))
	Pragma("noescape")
	y, x := Load(Param("y"), GP64()), Load(Param("x"), GP64())
	p := loadWindows()
	total, row, factor := w.pixel(), w.pixel(), w.vector()
	broadcastParam("factor", factor)
	p.each(
		func() {
			w.zero(total)
			w.zero(row)
		},
		func(at Mem) {
			at.Base = x
			for i := range row {
				VADDPS(w.part(at, i), row[i], row[i])
			}
		},
		func() {
			for i := range row {
				VADDPS(row[i], total[i], total[i])
			}
			w.zero(row)
		},
		func() {
			for i := range total {
				VMULPS(factor, total[i], total[i])
			}
			w.store(total, Mem{Base: y})
		},
		func() {
			ADDQ(Imm(pixelBytes), y)
			ADDQ(p.step, x)
		}, nil)
}

// spread writes the gradient of sum.
func (w wide) spread() {
	TEXT("PoolSpread"+w.name, attr.NOSPLIT, "func(dx, dy *float32, "+windowArguments+", factor float32)")
	Doc(fmt.Sprintf("PoolSpread%s adds factor times each pixel of dy to all pixels of its window in dx.", w.name))
	Pragma("noescape")
	dx, dy := Load(Param("dx"), GP64()), Load(Param("dy"), GP64())
	p := loadWindows()
	grad, v, factor := w.pixel(), w.pixel(), w.vector()
	broadcastParam("factor", factor)
	p.each(
		func() {
			for i := range grad {
				VMULPS(w.part(Mem{Base: dy}, i), factor, grad[i])
			}
		},
		func(at Mem) {
			at.Base = dx
			for i := range v {
				VADDPS(w.part(at, i), grad[i], v[i])
			}
			w.store(v, at)
		},
		nil, func() {},
		func() {
			ADDQ(Imm(pixelBytes), dy)
			ADDQ(p.step, dx)
		}, nil)
}

// broadcastParam puts a float32 argument in every lane.
func broadcastParam(name string, v reg.VecVirtual) {
	a, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(a.Addr, v)
}

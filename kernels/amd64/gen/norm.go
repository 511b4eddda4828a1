package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// normKernels writes batch normalisation of maps in blocks of 16 channels, some hundred pixels at a time.
//
// A lane is a channel, so that statistics never cross lanes. All kernels are bound by memory: moments reads 64 bytes a pixel
// for five operations of a vector, gradient reads 192 and writes 64 for four. What is added up in float32 is at most a few
// hundred pixels; the state that such parts are merged in is float64.
func normKernels() {
	for _, w := range widths {
		w.moments()
		w.sums()
		w.normalise()
		w.gradient()
	}
}

// strip writes the loops over pixels: unroll of them at a time, then one at a time. body must not change its pointers, which
// move by themselves.
func strip(name string, pixels reg.Register, unroll int, body func(u int), read, written streams) {
	pointers := append(append(streams(nil), read...), written...)
	left := GP64()
	MOVQ(pixels, left)
	for _, n := range []int{unroll, 1} {
		loop, end := fmt.Sprintf("%s%d", name, n), fmt.Sprintf("%s%dend", name, n)
		CMPQ(left, Imm(uint64(n)))
		JL(LabelRef(end))
		Label(loop)
		if n > 1 {
			askAhead(loop, left, pixelBytes, n*pixelBytes, read, written)
		}
		for u := range n {
			body(u)
		}
		for _, p := range pointers {
			ADDQ(U32(n*pixelBytes), p)
		}
		SUBQ(Imm(uint64(n)), left)
		CMPQ(left, Imm(uint64(n)))
		JGE(LabelRef(loop))
		Label(end)
	}
}

// several makes n sums that are 0; collect adds all to the first.
func (w wide) several(n int) []pixel {
	all := make([]pixel, n)
	for i := range all {
		all[i] = w.pixel()
		w.zero(all[i])
	}
	return all
}

func collect(sums []pixel) pixel {
	for n := len(sums) / 2; n > 0; n /= 2 {
		for i := range n {
			for j, v := range sums[i+n] {
				VADDPS(v, sums[i][j], sums[i][j])
			}
		}
	}
	return sums[0]
}

// eachDouble visits a pixel's channels as vectors of float64: convert puts those of a pixel in registers into such a vector,
// and offset is where they begin in an array of 16 float64s.
func (w wide) eachDouble(visit func(convert func(p pixel) reg.VecVirtual, offset int)) {
	for group := range 2 * w.parts {
		visit(func(p pixel) reg.VecVirtual {
			from, to := p[group/2], w.vector()
			half := YMM()
			switch {
			case w.parts == 1 && group%2 == 0:
				VCVTPS2PD(from.AsY(), to)
			case w.parts == 1:
				VEXTRACTF64X4(Imm(1), from, half)
				VCVTPS2PD(half, to)
			case group%2 == 0:
				VCVTPS2PD(from.AsX(), to)
			default:
				VEXTRACTF128(Imm(1), from, half.AsX())
				VCVTPS2PD(half.AsX(), to)
			}
			return to
		}, group*2*pixelBytes/(2*w.parts))
	}
}

func (w wide) broadcastDouble(name string) reg.VecVirtual {
	a, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := w.vector()
	VBROADCASTSD(a.Addr, v)
	return v
}

// moments merges a part into the statistics of what came before. Its mean m is found first and then, from the first-level
// cache, the sums of e = x-m and of e^2: the first corrects the rounding of m, and the squares do not cancel. With the
// part's n pixels, sum S' = n m + sum e and squares about its mean Q' = sum e^2 - (sum e)^2/n, the merged ones are, by
// Chan, Golub and LeVeque (1983),
//
//	Q = Q + Q' + (S'/n - S/c)^2 * c n/(c+n),  S = S + S'
//
// for the c pixels before. Where m is infinite so is S', as the sum is, and Q is NaN.
//
// Registers: 4 sums of x; then 4 (AVX2: 2) of e and of e^2, m and one e.
func (w wide) moments() {
	TEXT("NormMoments"+w.name, attr.NOSPLIT, "func(state *float64, x *float32, pixels int, share, before, weight float64)")
	Doc(fmt.Sprintf("NormMoments%s adds pixels to the statistics of 16 channels: state is their sums, then their sums of squares about", w.name),
		"the mean. For c pixels that they hold already, share is 1/pixels, before 1/c and weight c*pixels/(c+pixels) (both 0 for none).")
	Pragma("noescape")
	x := Load(Param("x"), GP64())
	pixels := Load(Param("pixels"), GP64())
	again := GP64()
	MOVQ(x, again)

	sums := w.several(4)
	strip("sum", pixels, 4, func(u int) {
		for i, v := range sums[u] {
			VADDPS(w.part(Mem{Base: x, Disp: pixelBytes * u}, i), v, v)
		}
	}, streams{x}, nil)
	mean := collect(sums)
	factor := w.vector()
	share, err := Param("share").Resolve()
	if err != nil {
		panic(err)
	}
	narrow := XMM()
	VXORPS(narrow, narrow, narrow)
	VCVTSD2SS(share.Addr, narrow, narrow)
	VBROADCASTSS(narrow, factor)
	for _, v := range mean {
		VMULPS(factor, v, v)
	}

	chains := 4 / w.parts
	errors, squares := w.several(chains), w.several(chains)
	e := w.pixel()
	strip("square", pixels, chains, func(u int) {
		w.load(Mem{Base: again, Disp: pixelBytes * u}, e)
		for i := range e {
			VSUBPS(mean[i], e[i], e[i])
			VADDPS(e[i], errors[u][i], errors[u][i])
			VFMADD231PS(e[i], e[i], squares[u][i])
		}
	}, streams{again}, nil)
	off, square := collect(errors), collect(squares)
	for _, v := range off { // NaN only where the mean is infinite or NaN itself
		if w.parts == 1 {
			k := K()
			VCMPPS(Imm(ordered), v, v, k)
			VMOVAPS_Z(v, k, v)
		} else {
			VCMPPS(Imm(ordered), v, v, e[0])
			VANDPS(e[0], v, v)
		}
	}

	state := Load(Param("state"), GP64())
	n, each, before, weight := w.vector(), w.broadcastDouble("share"), w.broadcastDouble("before"), w.broadcastDouble("weight")
	count := XMM()
	VXORPS(count, count, count)
	VCVTSI2SDQ(pixels, count, count)
	VBROADCASTSD(count, n)
	w.eachDouble(func(convert func(p pixel) reg.VecVirtual, offset int) {
		m, r, q := convert(mean), convert(off), convert(square)
		sumAt, squaresAt := Mem{Base: state, Disp: offset}, Mem{Base: state, Disp: 2*pixelBytes + offset}
		t := w.vector()
		VMULPD(each, r, t)
		VFNMADD231PD(t, r, q)
		VFMADD231PD(n, m, r)
		VMULPD(each, r, t)
		VMULPD(sumAt, before, m)
		VSUBPD(m, t, t)
		VMULPD(weight, t, m)
		VFMADD231PD(m, t, q)
		VADDPD(squaresAt, q, q)
		VMOVUPD(q, squaresAt)
		VADDPD(sumAt, r, r)
		VMOVUPD(r, sumAt)
	})
	VZEROUPPER()
	RET()
}

// gate is what behind needs: a register of zeros and, without masks, one of ones.
type gate struct{ zero, one reg.VecVirtual }

func (w wide) gate() gate {
	g := gate{zero: w.vector()}
	w.zero(pixel{g.zero})
	if w.parts == 2 { // 1.0 is 0x7f in the exponent
		g.one = w.vector()
		w.ones(pixel{g.one})
		VPSRLD(Imm(25), g.one, g.one)
		VPSLLD(Imm(23), g.one, g.one)
	}
	return g
}

// behind loads the gradient before a ReLU whose output is at y: that at dy, times 0 (which NaN and infinities survive) where y
// is 0 or below. Without a ReLU it is that at dy.
func (w wide) behind(relu bool, dy, y Mem, by gate, g pixel) {
	if !relu {
		w.load(dy, g)
		return
	}
	for i := range g {
		if w.parts == 1 {
			k := K()
			VCMPPS(Imm(atLeast), w.part(y, i), by.zero, k)
			VMOVUPS(w.part(dy, i), g[i])
			VMULPS(by.zero, g[i], k, g[i])
		} else {
			VCMPPS(Imm(notAtLeast), w.part(y, i), by.zero, g[i])
			VANDPS(by.one, g[i], g[i])
			VMULPS(w.part(dy, i), g[i], g[i])
		}
	}
}

// sums adds up what the gradient needs, in 2 sums of g and 2 of g*(x-mean).
func (w wide) sums() {
	TEXT("NormSums"+w.name, attr.NOSPLIT, "func(state *float64, dy, x, y, mean *float32, pixels int)")
	Doc(fmt.Sprintf("NormSums%s adds the sums of g, and of g*(x-mean), over pixels to state, 16 float64s each. g is dy, times 0 where y is", w.name),
		"0 or below; dy everywhere if y is nil.")
	Pragma("noescape")
	dy, x, y := Load(Param("dy"), GP64()), Load(Param("x"), GP64()), Load(Param("y"), GP64())
	pixels := Load(Param("pixels"), GP64())
	at := Load(Param("mean"), GP64())
	mean, g, e := w.pixel(), w.pixel(), w.pixel()
	by := w.gate()
	w.load(Mem{Base: at}, mean)
	const chains = 2
	totals, products := w.several(chains), w.several(chains)
	body := func(relu bool) func(u int) {
		return func(u int) {
			w.behind(relu, Mem{Base: dy, Disp: pixelBytes * u}, Mem{Base: y, Disp: pixelBytes * u}, by, g)
			w.load(Mem{Base: x, Disp: pixelBytes * u}, e)
			for i := range g {
				VSUBPS(mean[i], e[i], e[i])
				VADDPS(g[i], totals[u][i], totals[u][i])
				VFMADD231PS(g[i], e[i], products[u][i])
			}
		}
	}
	TESTQ(y, y)
	JE(LabelRef("plain"))
	strip("relu", pixels, chains, body(true), streams{dy, x, y}, nil)
	JMP(LabelRef("merge"))
	Label("plain")
	strip("linear", pixels, chains, body(false), streams{dy, x}, nil)
	Label("merge")
	state := Load(Param("state"), GP64())
	total, product := collect(totals), collect(products)
	w.eachDouble(func(convert func(p pixel) reg.VecVirtual, offset int) {
		for i, p := range []pixel{total, product} {
			v, to := convert(p), Mem{Base: state, Disp: 2*pixelBytes*i + offset}
			VADDPD(to, v, v)
			VMOVUPD(v, to)
		}
	})
	VZEROUPPER()
	RET()
}

// normalise is the second pass forward. VMAXPS gives its last source, the sum, if that is NaN.
func (w wide) normalise() {
	TEXT("NormApply"+w.name, attr.NOSPLIT, "func(y, x, residual, constants *float32, floor float32, pixels int)")
	Doc(fmt.Sprintf("NormApply%s writes (x - mean)*factor + shift + residual, but at least floor or NaN, to y; residual may be nil. constants", w.name),
		"are 16 means, factors and shifts.")
	Pragma("noescape")
	y, x, residual := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("residual"), GP64())
	pixels := Load(Param("pixels"), GP64())
	at := Load(Param("constants"), GP64())
	mean, factor, shift, v := w.pixel(), w.pixel(), w.pixel(), w.pixel()
	floor := w.vector()
	broadcastParam("floor", floor)
	for i, p := range []pixel{mean, factor, shift} {
		w.load(Mem{Base: at, Disp: pixelBytes * i}, p)
	}
	body := func(sum bool) func(u int) {
		return func(u int) {
			w.load(Mem{Base: x, Disp: pixelBytes * u}, v)
			for i := range v {
				VSUBPS(mean[i], v[i], v[i])
				VFMADD213PS(shift[i], factor[i], v[i])
				if sum {
					VADDPS(w.part(Mem{Base: residual, Disp: pixelBytes * u}, i), v[i], v[i])
				}
				VMAXPS(v[i], floor, v[i])
			}
			w.store(v, Mem{Base: y, Disp: pixelBytes * u})
		}
	}
	TESTQ(residual, residual)
	JE(LabelRef("plain"))
	strip("sum", pixels, 4, body(true), streams{x, residual}, streams{y})
	JMP(LabelRef("done"))
	Label("plain")
	strip("alone", pixels, 4, body(false), streams{x}, streams{y})
	Label("done")
	VZEROUPPER()
	RET()
}

// gradient is the second pass backward.
func (w wide) gradient() {
	TEXT("NormGradient"+w.name, attr.NOSPLIT, "func(dx, dresidual, dy, x, y, constants *float32, pixels int)")
	Doc(fmt.Sprintf("NormGradient%s writes a*g + (b*(x-mean) + c) to dx, and g to dresidual if that is not nil. g is dy, times 0 where", w.name),
		"y is 0 or below; dy everywhere if y is nil. constants are 16 means, a, b and c.")
	Pragma("noescape")
	dx, dresidual := Load(Param("dx"), GP64()), Load(Param("dresidual"), GP64())
	dy, x, y := Load(Param("dy"), GP64()), Load(Param("x"), GP64()), Load(Param("y"), GP64())
	pixels := Load(Param("pixels"), GP64())
	at := Load(Param("constants"), GP64())
	// The registers of AVX2 hold g, x, mean, a, b and c, two of each, 0 and 1.
	mean, a, b, c, g, v := w.pixel(), w.pixel(), w.pixel(), w.pixel(), w.pixel(), w.pixel()
	by := w.gate()
	for i, p := range []pixel{mean, a, b, c} {
		w.load(Mem{Base: at, Disp: pixelBytes * i}, p)
	}
	body := func(relu, residual bool) func(u int) {
		return func(u int) {
			disp := pixelBytes * u
			w.behind(relu, Mem{Base: dy, Disp: disp}, Mem{Base: y, Disp: disp}, by, g)
			if residual {
				w.store(g, Mem{Base: dresidual, Disp: disp})
			}
			w.load(Mem{Base: x, Disp: disp}, v)
			for i := range v {
				VSUBPS(mean[i], v[i], v[i])
				VFMADD213PS(c[i], b[i], v[i])
				VFMADD231PS(a[i], g[i], v[i])
			}
			w.store(v, Mem{Base: dx, Disp: disp})
		}
	}
	TESTQ(y, y)
	JE(LabelRef("plain"))
	TESTQ(dresidual, dresidual)
	JE(LabelRef("alone"))
	strip("residual", pixels, 4, body(true, true), streams{dy, x, y}, streams{dx, dresidual})
	JMP(LabelRef("done"))
	Label("alone")
	strip("relu", pixels, 4, body(true, false), streams{dy, x, y}, streams{dx})
	JMP(LabelRef("done"))
	Label("plain")
	strip("linear", pixels, 4, body(false, false), streams{dy, x}, streams{dx})
	Label("done")
	VZEROUPPER()
	RET()
}

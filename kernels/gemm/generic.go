package gemm

import "math"

// generic does tiles side by side.
func generic(_ *Workspace, depth, count int, a rows, b panels, c []float32, ldc int, accumulate bool, _ soon) {
	for t := range count {
		genericTile(depth, a.data, b.data[t*b.next:], b.ldb, c[4*t:], ldc, accumulate)
	}
}

// genericTile is a tile in plain Go: sixteen sums in registers, as many as sixteen-register machines allow. The compiler
// uses scalar instructions, so its speed is bound by one multiplication and one addition per element and step.
func genericTile(depth int, a, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	var c20, c21, c22, c23, c30, c31, c32, c33 float32
	a = a[:4*depth]
	for len(a) >= 4 && len(b) >= 4 {
		a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		c20 += a2 * b0
		c21 += a2 * b1
		c22 += a2 * b2
		c23 += a2 * b3
		c30 += a3 * b0
		c31 += a3 * b1
		c32 += a3 * b2
		c33 += a3 * b3
		a, b = a[4:], b[min(ldb, len(b)):]
	}
	for i, line := range [4][4]float32{{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33}} {
		out := c[i*ldc:][:4]
		for j, v := range line {
			if accumulate {
				v += out[j]
			}
			out[j] = v
		}
	}
}

// genericSkinny has vectors of four, so that an addition need not wait for the one before.
var genericSkinny = skinny{lanes: 4, samples: []int{1}, outputs: []int{4, 1}, widest: math.MaxInt, rows: []int{4, 1}, far: few{32, 32, 32}, near: few{32, 32, 32},
	dots: genericDots, total: genericTotal, outer: genericOuter, finish: genericFinish}

func genericDots(_ *Workspace, r, q int, x []float32, ldx int, w []float32, ldw, depth int, sums []float32, accumulate bool, _, _ int) {
	for i := range r {
		for j := range q {
			a, b, sum := x[i*ldx:][:depth], w[j*ldw:][:depth], (*[4]float32)(sums[(i*q+j)*4:])
			if !accumulate {
				*sum = [4]float32{}
			}
			s0, s1, s2, s3 := sum[0], sum[1], sum[2], sum[3]
			for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
				s0 += a[0] * b[0]
				s1 += a[1] * b[1]
				s2 += a[2] * b[2]
				s3 += a[3] * b[3]
			}
			*sum = [4]float32{s0, s1, s2, s3}
			for l, v := range a {
				sum[l] += v * b[l]
			}
		}
	}
}

func genericTotal(totals, vectors []float32) {
	for i := range totals {
		v := vectors[4*i:][:4]
		totals[i] = (v[0] + v[2]) + (v[1] + v[3])
	}
}

func genericOuter(_ *Workspace, r int, a, b []float32, ldb int, c []float32, ldc, depth, cols int, accumulate, _ bool, _ int) {
	for i := range r {
		line := c[i*ldc:][:cols]
		if !accumulate {
			clear(line)
		}
		for s := range depth {
			v := a[s*r+i]
			for j, u := range b[s*ldb:][:cols] {
				line[j] += v * u
			}
		}
	}
}

func genericFinish(_ *Workspace, y []float32, ldy, rows int, bias []float32, relu bool) {
	for i := range rows {
		line := y[i*ldy:][:len(bias)]
		for j, b := range bias {
			v := line[j] + b
			if relu && v <= 0 { // NaN stays
				v = 0
			}
			line[j] = v
		}
	}
}

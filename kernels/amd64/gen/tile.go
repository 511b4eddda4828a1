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
}

// tiles writes the micro-kernels of package gemm.
func tiles() {
	// 28 sums, two vectors of B and two of A: all 32 registers.
	tile(target{"AVX512", 14, 16, ZMM})
	// 12 sums, two vectors of B and two of A: all 16 registers.
	tile(target{"AVX2", 6, 8, YMM})
}

// tile writes the micro-kernel: for each k, two vectors of B are loaded once and each element of A is broadcast once;
// every product goes to a sum of its own that stays in a register until the end.
func tile(t target) {
	TEXT("Tile"+t.name, attr.NOSPLIT, "func(depth int, a, b, c *float32, ldc int, accumulate bool)")
	Doc(fmt.Sprintf("Tile%s adds depth products to a tile of %d rows and %d columns of C, or sets it to their sum:", t.name, t.rows, 2*t.lanes),
		fmt.Sprintf("c[i*ldc+j] += sum over k of a[k*%d+i] * b[k*%d+j].", t.rows, 2*t.lanes))
	Pragma("noescape")
	depth := Load(Param("depth"), GP64())
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	sums := make([][2]reg.VecVirtual, t.rows)
	for i := range sums {
		for j := range sums[i] {
			sums[i][j] = t.vector()
			if t.lanes == 16 {
				VPXORD(sums[i][j], sums[i][j], sums[i][j])
			} else {
				VXORPS(sums[i][j], sums[i][j], sums[i][j])
			}
		}
	}
	end := "end" + t.name
	loop := "loop" + t.name
	TESTQ(depth, depth)
	JE(LabelRef(end))
	right := [2]reg.VecVirtual{t.vector(), t.vector()}
	left := [2]reg.VecVirtual{t.vector(), t.vector()}
	Label(loop)
	for j, r := range right {
		VMOVUPS(Mem{Base: b, Disp: 4 * t.lanes * j}, r)
	}
	for i := range sums {
		l := left[i%2]
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, l)
		for j, r := range right {
			VFMADD231PS(r, l, sums[i][j])
		}
	}
	ADDQ(Imm(uint64(4*t.rows)), a)
	ADDQ(Imm(uint64(8*t.lanes)), b)
	DECQ(depth)
	JNE(LabelRef(loop))
	Label(end)

	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	accumulate := Load(Param("accumulate"), GP8())
	set := "set" + t.name
	TESTB(accumulate, accumulate)
	JE(LabelRef(set))
	line := GP64()
	MOVQ(c, line)
	for i := range sums {
		for j := range sums[i] {
			VADDPS(Mem{Base: line, Disp: 4 * t.lanes * j}, sums[i][j], sums[i][j])
		}
		if i+1 < t.rows {
			ADDQ(ldc, line)
		}
	}
	Label(set)
	for i := range sums {
		for j := range sums[i] {
			VMOVUPS(sums[i][j], Mem{Base: c, Disp: 4 * t.lanes * j})
		}
		if i+1 < t.rows {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

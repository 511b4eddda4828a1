//go:build linux && amd64

package amd64_test

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/device/philox"
	"fovea/kernels/amd64"
)

// vectorLoop is a kernel of package vector on arrays of n elements, the first of which it writes.
type vectorLoop struct {
	name      string
	writes    int
	arrays    int
	constants int // of an optimiser
	do        func(n int, a [][]float32)
}

func at(a []float32) *float32 { return unsafe.SliceData(a) }

func loop2(name string, f func(n int, y, x *float32)) vectorLoop {
	return vectorLoop{name, 1, 2, 0, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1])) }}
}

func loop2with(name string, f func(n int, y, x *float32, c float32)) vectorLoop {
	return vectorLoop{name, 1, 2, 0, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), 0.3) }}
}

func loop2with2(name string, f func(n int, y, x *float32, c, e float32)) vectorLoop {
	return vectorLoop{name, 1, 2, 0, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), 0.3, 1.1) }}
}

func loop3(name string, f func(n int, y, a, b *float32)) vectorLoop {
	return vectorLoop{name, 1, 3, 0, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), at(a[2])) }}
}

func step2(name string, constants int, f func(n int, w, grad, c *float32)) vectorLoop {
	return vectorLoop{name, 1, 2, constants, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), at(a[2])) }}
}

func step3(name string, constants int, f func(n int, w, v, grad, c *float32)) vectorLoop {
	return vectorLoop{name, 2, 3, constants, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), at(a[2]), at(a[3])) }}
}

func step4(name string, constants int, f func(n int, w, r, v, grad, c *float32)) vectorLoop {
	return vectorLoop{name, 3, 4, constants, func(n int, a [][]float32) { f(n, at(a[0]), at(a[1]), at(a[2]), at(a[3]), at(a[4])) }}
}

var vectorLoops = []struct {
	set     string
	present bool
	loops   []vectorLoop
}{
	{"avx512", cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW, []vectorLoop{
		{"fill", 1, 1, 0, func(n int, a [][]float32) { amd64.FillAVX512(n, at(a[0]), 1.5) }},
		loop2with2("scale", amd64.ScaleAVX512), loop2with("axpy", amd64.AxpyAVX512), loop3("add", amd64.AddAVX512), loop3("sub", amd64.SubAVX512),
		loop3("mul", amd64.MulAVX512), loop3("div", amd64.DivAVX512), loop2("step", amd64.StepAVX512), loop2("relu", amd64.ReLUAVX512),
		loop2("sigmoid", amd64.SigmoidAVX512), loop2("tanh", amd64.TanhAVX512), loop2with("leaky relu", amd64.LeakyReLUAVX512), loop2with("elu", amd64.ELUAVX512),
		loop2with2("exp", amd64.ExpAVX512), loop3("relu backward", amd64.ReLUBackwardAVX512), loop3("sigmoid backward", amd64.SigmoidBackwardAVX512),
		loop3("tanh backward", amd64.TanhBackwardAVX512),
		{"leaky relu backward", 1, 3, 0, func(n int, a [][]float32) { amd64.LeakyReLUBackwardAVX512(n, at(a[0]), at(a[1]), at(a[2]), 0.1) }},
		{"elu backward", 1, 4, 0, func(n int, a [][]float32) { amd64.ELUBackwardAVX512(n, at(a[0]), at(a[1]), at(a[2]), at(a[3]), 0.1) }},
		{"exp sum", 1, 2, 0, func(n int, a [][]float32) { amd64.ExpSumAVX512(n, at(a[0]), at(a[1]), 0.3) }},
		{"sum", 0, 1, 0, func(n int, a [][]float32) { amd64.SumAVX512(n, at(a[0])) }},
		{"max", 0, 1, 0, func(n int, a [][]float32) { amd64.MaxAVX512(n, at(a[0])) }},
		{"dot", 0, 2, 0, func(n int, a [][]float32) { amd64.DotAVX512(n, at(a[0]), at(a[1])) }},
		{"distance", 0, 2, 0, func(n int, a [][]float32) { amd64.DistanceAVX512(n, at(a[0]), at(a[1])) }},
		step2("sgd", 3, amd64.SGDAVX512), step3("momentum", 3, amd64.MomentumAVX512), step3("nesterov", 3, amd64.NesterovAVX512),
		step3("rmsprop", 6, amd64.RMSPropAVX512), step4("rmsprop with momentum", 6, amd64.RMSPropMomentumAVX512), step4("adam", 9, amd64.AdamAVX512),
	}},
	{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, []vectorLoop{
		{"fill", 1, 1, 0, func(n int, a [][]float32) { amd64.FillAVX2(n, at(a[0]), 1.5) }},
		loop2with2("scale", amd64.ScaleAVX2), loop2with("axpy", amd64.AxpyAVX2), loop3("add", amd64.AddAVX2), loop3("sub", amd64.SubAVX2),
		loop3("mul", amd64.MulAVX2), loop3("div", amd64.DivAVX2), loop2("step", amd64.StepAVX2), loop2("relu", amd64.ReLUAVX2),
		loop2("sigmoid", amd64.SigmoidAVX2), loop2("tanh", amd64.TanhAVX2), loop2with("leaky relu", amd64.LeakyReLUAVX2), loop2with("elu", amd64.ELUAVX2),
		loop2with2("exp", amd64.ExpAVX2), loop3("relu backward", amd64.ReLUBackwardAVX2), loop3("sigmoid backward", amd64.SigmoidBackwardAVX2),
		loop3("tanh backward", amd64.TanhBackwardAVX2),
		{"leaky relu backward", 1, 3, 0, func(n int, a [][]float32) { amd64.LeakyReLUBackwardAVX2(n, at(a[0]), at(a[1]), at(a[2]), 0.1) }},
		{"elu backward", 1, 4, 0, func(n int, a [][]float32) { amd64.ELUBackwardAVX2(n, at(a[0]), at(a[1]), at(a[2]), at(a[3]), 0.1) }},
		{"exp sum", 1, 2, 0, func(n int, a [][]float32) { amd64.ExpSumAVX2(n, at(a[0]), at(a[1]), 0.3) }},
		{"sum", 0, 1, 0, func(n int, a [][]float32) { amd64.SumAVX2(n, at(a[0])) }},
		{"max", 0, 1, 0, func(n int, a [][]float32) { amd64.MaxAVX2(n, at(a[0])) }},
		{"dot", 0, 2, 0, func(n int, a [][]float32) { amd64.DotAVX2(n, at(a[0]), at(a[1])) }},
		{"distance", 0, 2, 0, func(n int, a [][]float32) { amd64.DistanceAVX2(n, at(a[0]), at(a[1])) }},
		step2("sgd", 3, amd64.SGDAVX2), step3("momentum", 3, amd64.MomentumAVX2), step3("nesterov", 3, amd64.NesterovAVX2),
		step3("rmsprop", 6, amd64.RMSPropAVX2), step4("rmsprop with momentum", 6, amd64.RMSPropMomentumAVX2), step4("adam", 9, amd64.AdamAVX2),
	}},
}

// fencedNumbers are positive, so that they may be what an optimiser keeps, too.
func fencedNumbers(t *testing.T, n int, atEnd bool, seed int) []float32 {
	x := fenced(t, n, atEnd)
	src := philox.NewSource(philox.Stream{Seed: uint64(seed)})
	for i := range x {
		x[i] = float32(src.Uniform(0.1, 2))
	}
	return x
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// The loops must touch their arrays and nothing beside them, write what they are to write, and nothing else.
func TestVectorLoopsStayInside(t *testing.T) {
	for _, s := range vectorLoops {
		for _, l := range s.loops {
			t.Run(s.set+" "+l.name, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine
				if !s.present {
					t.Skip("this machine has no " + s.set)
				}
				for _, n := range []int{0, 1, 5, 8, 15, 16, 17, 31, 33, 64, 70, 131} {
					for _, atEnd := range []bool{true, false} {
						var a, before [][]float32
						for i := range l.arrays {
							a = append(a, fencedNumbers(t, n, atEnd, i))
						}
						if l.constants > 0 {
							a = append(a, fencedNumbers(t, l.constants, atEnd, 7))
						}
						for _, x := range a {
							before = append(before, slices.Clone(x))
						}
						where := fmt.Sprintf("%d elements, fence at the end %t", n, atEnd)
						require.NotPanics(t, func() { l.do(n, a) }, where)
						for i, x := range a {
							for e, v := range x {
								if written := i < l.writes; written == sameBits(v, before[i][e]) {
									t.Fatalf("%s: element %d of array %d is %v, was %v, to be written: %t", where, e, i, v, before[i][e], written)
								}
							}
						}
					}
				}
			})
		}
	}
}

var laneKernels = []struct {
	set          string
	lanes        int
	sumLanes     func(rows, step int, x *float32, count int, sums *float64)
	addLanes     func(rows int, y, x, b *float32)
	dropout      func(n int, y, x *float32, block, id uint64, keys *uint32, threshold uint32, factor float32)
	dropoutLanes func(pixels int, y, x *float32, blocks *uint64, offsets *uint32, id uint64, keys *uint32, threshold uint32, factor float32)
}{
	{"avx512", 16, amd64.SumLanesAVX512, amd64.AddLanesAVX512, amd64.DropoutAVX512, amd64.DropoutLanesAVX512},
	{"avx2", 8, amd64.SumLanesAVX2, amd64.AddLanesAVX2, amd64.DropoutAVX2, amd64.DropoutLanesAVX2},
}

func TestLaneLoopsStayInside(t *testing.T) {
	for i, k := range laneKernels {
		t.Run(k.set, func(t *testing.T) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			if !vectorLoops[i].present {
				t.Skip("this machine has no " + k.set)
			}
			for _, atEnd := range []bool{true, false} {
				sums := unsafe.Slice((*float64)(unsafe.Pointer(at(fenced(t, 32, atEnd)))), 16)
				keys := (*uint32)(unsafe.Pointer(at(fenced(t, 20, atEnd))))
				blocks := (*uint64)(unsafe.Pointer(at(fenced(t, 2*k.lanes, atEnd))))
				offsets := (*uint32)(unsafe.Pointer(at(fenced(t, k.lanes, atEnd))))
				b := fencedNumbers(t, 16, atEnd, 2)
				for _, rows := range []int{0, 1, 2, 3, 4, 5, 9} {
					where := fmt.Sprintf("%d rows, fence at the end %t", rows, atEnd)
					for count := range 17 {
						x := fencedNumbers(t, max(0, (rows-1)*20+count), atEnd, 1)
						clear(sums)
						require.NotPanics(t, func() { k.sumLanes(rows, 20, at(x), count, &sums[0]) }, "%s, %d columns", where, count)
						for c, sum := range sums {
							require.Equal(t, rows > 0 && c < count, sum > 0, "%s, %d columns, sum %d is %v", where, count, c, sum)
						}
					}
					x, y := fencedNumbers(t, 16*rows, atEnd, 1), fenced(t, 16*rows, atEnd)
					require.NotPanics(t, func() { k.addLanes(rows, at(y), at(x), at(b)) }, where)
					for e, v := range y {
						require.Equal(t, x[e]+b[e%16], v, "%s, element %d", where, e)
					}
				}
				// A threshold of 0 keeps all.
				for _, n := range []int{0, 1, 7, 8, 9, 16, 31, 32, 33, 47, 63, 64, 65, 100, 200} {
					x, y := fencedNumbers(t, n, atEnd, 1), fenced(t, n, atEnd)
					require.NotPanics(t, func() { k.dropout(n, at(y), at(x), 7, 5, keys, 0, 2) }, "dropout of %d, fence at the end %t", n, atEnd)
					for e, v := range y {
						require.Equal(t, 2*x[e], v, "dropout of %d, element %d", n, e)
					}
				}
				for _, pixels := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 49} {
					n := max(0, (pixels-1)*16+k.lanes)
					x, y := fencedNumbers(t, n, atEnd, 1), fenced(t, n, atEnd)
					require.NotPanics(t, func() { k.dropoutLanes(pixels, at(y), at(x), blocks, offsets, 5, keys, 0, 2) }, "dropout of %d pixels, fence at the end %t", pixels, atEnd)
					for e, v := range y {
						want := 2 * x[e]
						if e%16 >= k.lanes {
							want = 0
						}
						require.Equal(t, want, v, "dropout of %d pixels, element %d", pixels, e)
					}
				}
			}
		})
	}
}

var layoutKernels = []struct {
	set    string
	lanes  int
	pack   func(pixels int, block, maps *float32, stride, count int)
	unpack func(pixels int, maps, block *float32, stride, count int)
}{
	{"avx512", 16, amd64.PackAVX512, amd64.UnpackAVX512},
	{"avx2", 8, amd64.PackAVX2, amd64.UnpackAVX2},
}

func TestLayoutsStayInside(t *testing.T) {
	for i, k := range layoutKernels {
		t.Run(k.set, func(t *testing.T) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			if !vectorLoops[i].present {
				t.Skip("this machine has no " + k.set)
			}
			for _, atEnd := range []bool{true, false} {
				for _, pixels := range []int{0, 1, 5, 7, 8, 9, 15, 16, 17, 33} {
					for count := range k.lanes + 1 {
						stride := pixels + 3
						where := fmt.Sprintf("%d pixels, %d channels, fence at the end %t", pixels, count, atEnd)
						maps := fencedNumbers(t, max(0, (count-1)*stride+pixels), atEnd, 1)
						block := fencedNumbers(t, max(0, (pixels-1)*16+k.lanes), atEnd, 2)
						before := slices.Clone(block)
						require.NotPanics(t, func() { k.pack(pixels, at(block), at(maps), stride, count) }, where)
						for e, v := range block {
							want, c := float32(0), e%16
							if c < count {
								want = maps[c*stride+e/16]
							} else if c >= k.lanes {
								want = before[e]
							}
							require.Equal(t, want, v, "%s: packed element %d", where, e)
						}
						copy(block, before)
						before = slices.Clone(maps)
						require.NotPanics(t, func() { k.unpack(pixels, at(maps), at(block), stride, count) }, where)
						for e, v := range maps {
							want, p := before[e], e%stride
							if p < pixels && count > 0 && pixels > 0 {
								want = block[p*16+e/stride]
							}
							require.Equal(t, want, v, "%s: unpacked element %d", where, e)
						}
					}
				}
			}
		})
	}
}

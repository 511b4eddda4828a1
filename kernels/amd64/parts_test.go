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

	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

// needsTiles skips a test where there is no AMX; isa has asked the system for its registers.
func needsTiles(t *testing.T) {
	if !slices.Contains(isa.Available(), isa.AMX) {
		t.Skip("this machine has no AMX")
	}
}

// family is the kernels that take numbers for so many parts.
type family struct {
	parts    int
	rows     func(dst *byte, src *float32, stride, rows, steps int, offsets *int) uint32
	lines    func(dst *byte, src *float32, stride int) uint32
	places   func(dst *byte, src *float32, places *int, half int) uint32
	matrices func(p *byte)
	maps     func(p *byte)
}

var families = []family{
	{3, amd64.SplitRowsAVX512, amd64.SplitLinesAVX512, amd64.SplitPlacesAVX512, amd64.PartsAMX, amd64.ProductPartsAMX},
	{1, amd64.RoundRowsAVX512, amd64.RoundLinesAVX512, amd64.RoundPlacesAVX512, amd64.RoundedAMX, amd64.ProductRoundedAMX},
}

// eachFamily runs a test with all families.
func eachFamily(t *testing.T, do func(t *testing.T, f family)) {
	needsTiles(t)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, f := range families {
		t.Run(fmt.Sprintf("%d parts", f.parts), func(t *testing.T) { do(t, f) })
	}
}

// step is the size of a step in bytes.
func (f family) step() int { return 2048 * f.parts }

// factor is x as a product sees it.
func (f family) factor(x float32) float64 {
	if f.parts == 1 {
		x = brain(x)
	}
	return float64(x)
}

// brain rounds to bfloat16.
func brain(x float32) float32 { return float32(devicetest.RoundBFloat16(float64(x))) }

func drawn(t *testing.T, n int, atEnd bool) []float32 {
	src, x := philox.NewSource(philox.Stream{Seed: uint64(n)}), fenced(t, n, atEnd)
	for i := range x {
		x[i] = float32(src.Normal(0, 1)) * float32(math.Exp2(float64(src.Intn(40)-20)))
	}
	return x
}

// part is a bfloat16 among those at dst.
func part(dst []float32, byteAt int) float32 {
	at := unsafe.Add(unsafe.Pointer(unsafe.SliceData(dst)), byteAt)
	return math.Float32frombits(uint32(*(*uint16)(at)) << 16)
}

// requireParts checks that the first part of x is x rounded, and that nothing of x is lost if there are more, 2048 bytes apart.
func (f family) requireParts(t *testing.T, x float32, dst []float32, at int) {
	require.Equal(t, brain(x), part(dst, at), "%v at byte %d", x, at)
	sum := 0.0
	for p := range f.parts {
		sum += float64(part(dst, at+2048*p))
	}
	require.Equal(t, f.factor(x), sum, "at byte %d", at)
}

// inOrder are the places of a row's elements, 16 by 16, that lie side by side.
func inOrder(n int) []int {
	offsets := make([]int, n)
	for i := range offsets {
		offsets[i] = 64 * i
	}
	return offsets
}

func TestSplitRows(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for _, atEnd := range []bool{true, false} {
			for _, steps := range []int{1, 2, 6} {
				for _, rows := range []int{1, 7, 16} {
					stride := 32*steps + rows%3
					offsets := inOrder(2 * steps)
					if rows == 7 {
						slices.Reverse(offsets)
					}
					src, dst := drawn(t, (rows-1)*stride+32*steps, atEnd), fenced(t, ((steps-1)*f.step()+(f.parts-1)*2048+64*rows)/4, atEnd)
					require.NotPanics(t, func() {
						require.Zero(t, f.rows((*byte)(unsafe.Pointer(&dst[0])), &src[0], stride, rows, steps, &offsets[0]))
					})
					for i := range rows {
						for k := range 32 * steps {
							f.requireParts(t, src[i*stride+offsets[k/16]/4+k%16], dst, k/32*f.step()+i*64+k%32*2)
						}
					}
				}
			}
		}
	})
}

func TestSplitLines(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for _, atEnd := range []bool{true, false} {
			for _, stride := range []int{32, 37} {
				src, dst := drawn(t, 31*stride+32, atEnd), fenced(t, f.step()/4, atEnd)
				require.NotPanics(t, func() {
					require.Zero(t, f.lines((*byte)(unsafe.Pointer(&dst[0])), &src[0], stride))
				})
				for k := range 32 {
					for j := range 32 {
						f.requireParts(t, src[k*stride+j], dst, j/16*1024+k/2*64+j%16*4+k%2*2)
					}
				}
			}
		}
	})
}

// split splits panels of 32 rows of steps*32 elements, and steps of 32 lines of 32 columns.
func (f family) split(a, rows, b, lines []float32, steps int) {
	offsets := inOrder(2 * steps)
	for i := 0; i < len(rows)/(32*steps); i += 16 {
		f.rows((*byte)(unsafe.Pointer(&a[i/32*steps*f.step()/4+i%32/16*256])), &rows[i*32*steps], 32*steps, 16, steps, &offsets[0])
	}
	for s := range len(lines) / (32 * 32) {
		f.lines((*byte)(unsafe.Pointer(&b[s*f.step()/4])), &lines[s*32*32], 32)
	}
}

func TestProductPartsStayInside(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for number, atEnd := range []bool{true, false, true, false, true, false, true, false} {
			blocks, relu, adding := 1+number/2%2, number/4, number%3
			for _, size := range [][3]int{{1, 1, 32}, {1, 3, 5}, {3, 2, 31}, {7, 1, 1}, {2, 4, 17}} {
				steps, count := size[0], size[1]
				pixels, block := (count-1)*32+size[2], 1000*16
				left, right := drawn(t, 32*32*steps*count, atEnd), drawn(t, 32*32*steps, atEnd)
				a, b := fenced(t, count*steps*f.step()/4, atEnd), fenced(t, steps*f.step()/4, atEnd)
				f.split(a, left, b, right, steps)
				y, other, bias, sums := drawn(t, (blocks-1)*block+pixels*2*16-16, atEnd), drawn(t, (blocks-1)*block+pixels*2*16-16, !atEnd), drawn(t, 32, atEnd), fenced(t, 32*32, atEnd)
				places := make([]int, pixels) // every second pixel, in some order
				for i := range places {
					places[i] = (i*7%pixels + pixels) % pixels
					if pixels%7 == 0 {
						places[i] = i
					}
					places[i] *= 2 * 64
				}
				p := amd64.ProductParts{Config: amd64.TilesOf16, Depth: steps, Tiles: count, A: (*byte)(unsafe.Pointer(&a[0])), B: (*byte)(unsafe.Pointer(&b[0])),
					Sums: &sums[0], Y: &y[0], YBlock: 4 * block, Places: &places[0], LastPixels: size[2], Bias: &bias[0], ReLU: relu, Blocks: blocks}
				before := slices.Clone(y)
				add := make([]float32, len(y))
				switch adding {
				case 1:
					p.Add, add = &y[0], before
				case 2:
					p.Add, add = &other[0], other
				}
				require.NotPanics(t, func() { f.maps((*byte)(unsafe.Pointer(&p))) })
				want, size := slices.Clone(before), make([]float64, len(y))
				for i, place := range places {
					for j := range 16 * blocks {
						at := place/4 + j/16*block + j%16
						sum := float64(bias[j]) + float64(add[at])
						size[at] = math.Abs(float64(bias[j])) + math.Abs(float64(add[at]))
						for k := range 32 * steps {
							term := f.factor(left[i/32*32*32*steps+i%32*32*steps+k]) * f.factor(right[k*32+j])
							sum, size[at] = sum+term, size[at]+math.Abs(term)
						}
						if relu == 1 {
							sum = max(0, sum)
						}
						want[at] = float32(sum)
					}
				}
				for at, got := range y {
					require.InDelta(t, want[at], got, size[at]*float64(32*steps+3)/(1<<24), "%v, case %d: element %d", size, number, at)
				}
			}
		}
	})
}

func TestPartsStayInside(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for _, atEnd := range []bool{true, false} {
			for _, size := range [][2]int{{1, 1}, {1, 3}, {3, 2}, {6, 1}} {
				for _, spare := range []int{0, 5} {
					for accumulate := range 2 {
						steps, count := size[0], size[1]
						ldc := 32*count + spare
						left, right := drawn(t, 32*32*steps, atEnd), drawn(t, 32*32*steps*count, atEnd) // rows, and panels of lines
						a, b, c := fenced(t, steps*f.step()/4, atEnd), fenced(t, count*steps*f.step()/4, atEnd), drawn(t, 31*ldc+32*count, atEnd)
						f.split(a, left, b, right, steps)
						before := slices.Clone(c)
						p := amd64.Parts{Config: amd64.TilesOf16, Depth: steps, Tiles: count, A: (*byte)(unsafe.Pointer(&a[0])), B: (*byte)(unsafe.Pointer(&b[0])), C: &c[0],
							CRow: 4 * ldc, Accumulate: accumulate, Soon: &c[0], SoonRow: 1 << 20, SoonNext: 1 << 30} // to ask for what is not there is no fault
						require.NotPanics(t, func() { f.matrices((*byte)(unsafe.Pointer(&p))) })
						for at, got := range c {
							i, j := at/ldc, at%ldc
							if j >= 32*count {
								require.Equal(t, before[at], got, "element (%d, %d) is beside the tiles", i, j)
								continue
							}
							want, size := float64(accumulate)*float64(before[at]), math.Abs(float64(before[at]))
							for k := range 32 * steps {
								term := f.factor(left[i*32*steps+k]) * f.factor(right[j/32*32*32*steps+k*32+j%32])
								want, size = want+term, size+math.Abs(term)
							}
							require.InDelta(t, want, float64(got), size*float64(32*steps)/(1<<24), "%d steps, %d tiles, ldc %d, accumulate %d, element (%d, %d)", steps, count, ldc, accumulate, i, j)
						}
					}
				}
			}
		}
	})
}

func TestSplitPlaces(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for _, atEnd := range []bool{true, false} {
			for _, half := range []int{0, 16, 500} {
				src, dst := drawn(t, 31*20+half+16, atEnd), fenced(t, f.step()/4, atEnd)
				places := make([]int, 32)
				for k := range places {
					places[k] = 4 * 20 * (k * 5 % 32)
				}
				require.NotPanics(t, func() {
					require.Zero(t, f.places((*byte)(unsafe.Pointer(&dst[0])), &src[0], &places[0], 4*half))
				})
				for k, place := range places {
					for j := range 32 {
						f.requireParts(t, src[place/4+j/16*half+j%16], dst, j/16*1024+k/2*64+j%16*4+k%2*2)
					}
				}
			}
		}
	})
}

package vector

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
	"fovea/kernels/isa"
)

// eachSet runs a test with every instruction set of this machine.
func eachSet(t *testing.T, test func(t *testing.T, k *Kernels)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			require.Equal(t, set.Vectors().String(), For(set).Name)
			test(t, For(set))
		})
	}
}

// loop is a kernel that works element by element.
type loop struct {
	name   string
	writes int // of its arrays, which come first
	arrays int
	do     func(k *Kernels, a [][]float32)
	// want is what becomes of an element of each written array, in float64; size is the largest number in between, for the error.
	want func(v []float64) (result []float64, size float64)
	ulps float64 // allowed error in units of size's last place
}

const alpha, factor, offset = 0.3, -1.7, 0.9

var (
	ofSGD  = SGD{Rate: 0.1, Momentum: 0.9, Decay: 0.3}
	ofRMS  = RMSProp{Rate: 0.1, Momentum: 0.9, Decay: 0.3, Keep: 0.8, Take: 0.2, Epsilon: 1e-3}
	ofAdam = Adam{Rate: 0.1, Root: 1.5, Shrink: 0.97, Decay: 0.3, Keep1: 0.9, Take1: 0.1, Keep2: 0.75, Take2: 0.25, Epsilon: 1e-3}
)

func f64(v float32) float64 { return float64(v) }

func exact(f func(x float64) float64) func(v []float64) ([]float64, float64) {
	return func(v []float64) ([]float64, float64) { y := f(v[1]); return []float64{y}, y }
}

func negative(x, yes, no float64) float64 {
	if x <= 0 {
		return yes
	}
	return no
}

var loops = []loop{
	{"Fill", 1, 1, func(k *Kernels, a [][]float32) { k.Fill(a[0], factor) }, func([]float64) ([]float64, float64) { return []float64{f64(factor)}, 0 }, 0},
	{"Scale", 1, 2, func(k *Kernels, a [][]float32) { k.Scale(a[0], a[1], factor, offset) }, func(v []float64) ([]float64, float64) {
		return []float64{f64(factor)*v[1] + f64(offset)}, math.Abs(f64(factor)*v[1]) + f64(offset)
	}, 2},
	{"Axpy", 1, 2, func(k *Kernels, a [][]float32) { k.Axpy(a[0], a[1], factor) }, func(v []float64) ([]float64, float64) {
		return []float64{v[0] + f64(factor)*v[1]}, math.Abs(v[0]) + math.Abs(f64(factor)*v[1])
	}, 2},
	{"Add", 1, 3, func(k *Kernels, a [][]float32) { k.Add(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) { return []float64{v[1] + v[2]}, 0 }, 0},
	{"Sub", 1, 3, func(k *Kernels, a [][]float32) { k.Sub(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) { return []float64{v[1] - v[2]}, 0 }, 0},
	{"Mul", 1, 3, func(k *Kernels, a [][]float32) { k.Mul(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) { return []float64{v[1] * v[2]}, 0 }, 0},
	{"Div", 1, 3, func(k *Kernels, a [][]float32) { k.Div(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) { return []float64{v[1] / v[2]}, 0 }, 0},
	{"Step", 1, 2, func(k *Kernels, a [][]float32) { k.Step(a[0], a[1]) }, exact(func(x float64) float64 {
		if x > 0 {
			return 1
		}
		return 0
	}), 0},
	{"ReLU", 1, 2, func(k *Kernels, a [][]float32) { k.ReLU(a[0], a[1]) }, exact(func(x float64) float64 { return negative(x, 0, x) }), 0},
	{"LeakyReLU", 1, 2, func(k *Kernels, a [][]float32) { k.LeakyReLU(a[0], a[1], alpha) }, exact(func(x float64) float64 { return negative(x, f64(alpha)*x, x) }), 0},
	{"ELU", 1, 2, func(k *Kernels, a [][]float32) { k.ELU(a[0], a[1], alpha) }, exact(func(x float64) float64 { return negative(x, f64(alpha)*math.Expm1(x), x) }), 4},
	{"Sigmoid", 1, 2, func(k *Kernels, a [][]float32) { k.Sigmoid(a[0], a[1]) }, exact(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }), 4},
	{"Tanh", 1, 2, func(k *Kernels, a [][]float32) { k.Tanh(a[0], a[1]) }, exact(math.Tanh), 4},
	{"Exp", 1, 2, func(k *Kernels, a [][]float32) { k.Exp(a[0], a[1], 0, factor) }, exact(func(x float64) float64 { return f64(factor) * f64(float32(math.Exp(x))) }), 3},
	{"ReLUBackward", 1, 3, func(k *Kernels, a [][]float32) { k.ReLUBackward(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) {
		return []float64{negative(v[2], 0*v[1], v[1])}, 0
	}, 0},
	{"LeakyReLUBackward", 1, 3, func(k *Kernels, a [][]float32) { k.LeakyReLUBackward(a[0], a[1], a[2], alpha) }, func(v []float64) ([]float64, float64) {
		return []float64{negative(v[2], f64(alpha)*v[1], v[1])}, 0
	}, 0},
	{"ELUBackward", 1, 4, func(k *Kernels, a [][]float32) { k.ELUBackward(a[0], a[1], a[2], a[3], alpha) }, func(v []float64) ([]float64, float64) {
		return []float64{negative(v[2], v[1]*(v[3]+f64(alpha)), v[1])}, math.Abs(v[1]) * (math.Abs(v[3]) + 1)
	}, 2},
	{"SigmoidBackward", 1, 3, func(k *Kernels, a [][]float32) { k.SigmoidBackward(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) {
		return []float64{v[1] * v[2] * (1 - v[2])}, math.Abs(v[1]*v[2]) * (1 + math.Abs(v[2]))
	}, 3},
	{"TanhBackward", 1, 3, func(k *Kernels, a [][]float32) { k.TanhBackward(a[0], a[1], a[2]) }, func(v []float64) ([]float64, float64) {
		return []float64{v[1] * (1 - v[2]) * (1 + v[2])}, math.Abs(v[1]) * (1 + v[2]*v[2])
	}, 4},
	{"SGD", 1, 2, func(k *Kernels, a [][]float32) { k.SGD(a[0], a[1], &ofSGD) }, func(v []float64) ([]float64, float64) {
		return []float64{v[0] - f64(ofSGD.Rate)*(v[1]+f64(ofSGD.Decay)*v[0])}, math.Abs(v[0]) + math.Abs(v[1])
	}, 3},
	{"Momentum", 2, 3, func(k *Kernels, a [][]float32) { k.Momentum(a[0], a[1], a[2], &ofSGD) }, func(v []float64) ([]float64, float64) {
		u := f64(ofSGD.Momentum)*v[1] + v[2] + f64(ofSGD.Decay)*v[0]
		return []float64{v[0] - f64(ofSGD.Rate)*u, u}, math.Abs(v[0]) + math.Abs(v[1]) + math.Abs(v[2])
	}, 3},
	{"Nesterov", 2, 3, func(k *Kernels, a [][]float32) { k.Nesterov(a[0], a[1], a[2], &ofSGD) }, func(v []float64) ([]float64, float64) {
		g := v[2] + f64(ofSGD.Decay)*v[0]
		u := f64(ofSGD.Momentum)*v[1] + g
		return []float64{v[0] - f64(ofSGD.Rate)*(g+f64(ofSGD.Momentum)*u), u}, math.Abs(v[0]) + math.Abs(v[1]) + math.Abs(v[2])
	}, 3},
	{"RMSProp", 2, 3, func(k *Kernels, a [][]float32) { a[1] = squared(a[1]); k.RMSProp(a[0], a[1], a[2], &ofRMS) }, func(v []float64) ([]float64, float64) {
		g := v[2] + f64(ofRMS.Decay)*v[0]
		r := f64(ofRMS.Keep)*v[1]*v[1] + f64(ofRMS.Take)*g*g
		return []float64{v[0] - f64(ofRMS.Rate)*g/(math.Sqrt(r)+f64(ofRMS.Epsilon)), r}, math.Abs(v[0]) + v[1]*v[1] + (math.Abs(v[0])+math.Abs(v[2]))*(math.Abs(v[0])+math.Abs(v[2])) + 1
	}, 8},
	{"RMSPropMomentum", 3, 4, func(k *Kernels, a [][]float32) {
		a[1] = squared(a[1])
		k.RMSPropMomentum(a[0], a[1], a[2], a[3], &ofRMS)
	}, func(v []float64) ([]float64, float64) {
		g := v[3] + f64(ofRMS.Decay)*v[0]
		r := f64(ofRMS.Keep)*v[1]*v[1] + f64(ofRMS.Take)*g*g
		u := f64(ofRMS.Momentum)*v[2] + g/(math.Sqrt(r)+f64(ofRMS.Epsilon))
		return []float64{v[0] - f64(ofRMS.Rate)*u, r, u}, math.Abs(v[0]) + v[1]*v[1] + math.Abs(v[2]) + (math.Abs(v[0])+math.Abs(v[3]))*(math.Abs(v[0])+math.Abs(v[3])) + 1
	}, 8},
	{"Adam", 3, 4, func(k *Kernels, a [][]float32) { a[2] = squared(a[2]); k.Adam(a[0], a[1], a[2], a[3], &ofAdam) }, func(v []float64) ([]float64, float64) {
		u := f64(ofAdam.Shrink) * v[0]
		g := v[3] + f64(ofAdam.Decay)*u
		m, r := f64(ofAdam.Keep1)*v[1]+f64(ofAdam.Take1)*g, f64(ofAdam.Keep2)*v[2]*v[2]+f64(ofAdam.Take2)*g*g
		step := f64(ofAdam.Rate) * m / (f64(ofAdam.Root)*math.Sqrt(r) + f64(ofAdam.Epsilon))
		return []float64{u - step, m, r}, math.Abs(v[0]) + math.Abs(v[1]) + v[2]*v[2] + (math.Abs(v[0])+math.Abs(v[3]))*(math.Abs(v[0])+math.Abs(v[3])) + math.Abs(step)*(1+(math.Abs(v[0])+math.Abs(v[3]))/math.Abs(g)) + 0x1p-116 // g may cancel, m be denormal
	}, 8},
}

// squared makes a state that is never negative.
func squared(x []float32) []float32 {
	for i, v := range x {
		x[i] = v * v
	}
	return x
}

// drawn makes n numbers, with the special ones among them if there is room and they are wanted.
func drawn(n int, seed uint64, special bool) []float32 {
	src := philox.NewSource(philox.Stream{Seed: seed})
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(src.Normal(0, 2))
		if special && src.Intn(3) == 0 {
			x[i] = specials[src.Intn(len(specials))]
		}
	}
	return x
}

var specials = []float32{0, float32(math.Copysign(0, -1)), 1e-40, -1e-40, 1, -1, 200, -200, 88.7, -88.7, -103, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32}

// apart says that got is further from want than so many units in the last place of size.
func apart(got float32, want, size, ulps float64) bool {
	switch {
	case want != want:
		return got == got
	case f64(got) == f64(float32(want)):
		return false
	case math.IsInf(f64(float32(want)), 0) || got != got || math.IsInf(f64(got), 0):
		return math.Abs(want) < math.MaxFloat32*(1-1e-6) || math.Abs(f64(got)) < math.MaxFloat32*(1-1e-6)
	}
	return math.Abs(f64(got)-want) > ulps*(0x1p-24*math.Max(math.Abs(size), math.Abs(want))+0x1p-149)
}

func TestLoops(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, l := range loops {
			for _, n := range []int{0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1000, most + 5} {
				for _, special := range []bool{false, true} {
					at := n % 5 // an alignment
					var before, a [][]float32
					for i := range l.arrays {
						x := drawn(n+at+3, uint64(100*n+i), special)
						before, a = append(before, x), append(a, slices.Clone(x)[at:at+n])
					}
					where := fmt.Sprintf("%s, %s, %d elements, special %t", l.name, k.Name, n, special)
					l.do(k, a)
					for e := range n {
						v := make([]float64, l.arrays)
						for i := range v {
							v[i] = f64(before[i][at+e])
						}
						want, size := l.want(v)
						if l.ulps > 0 && slices.ContainsFunc(v, huge) {
							continue // what overflows on the way does not in float64
						}
						for i, w := range want {
							if apart(a[i][e], w, size, l.ulps) {
								t.Fatalf("%s: element %d of array %d is %v, expected %v, from %v", where, e, i, a[i][e], w, v)
							}
						}
					}
					for i := range a { // what lies beside
						whole := a[i][:n+3]
						for e, v := range before[i][at+n:] {
							require.Equal(t, math.Float32bits(v), math.Float32bits(whole[n+e]), "%s: element %d beyond array %d", where, e, i)
						}
						if i >= l.writes && l.name != "RMSProp" {
							requireBits(t, before[i][at:at+n], a[i], "%s: array %d is only read", where, i)
						}
					}
				}
			}
		}
	})
}

// huge says that a finite number's square might not be.
func huge(x float64) bool { return math.Abs(x) > 1e15 && !math.IsInf(x, 0) }

// requireBits compares all bits, but for those of NaN.
func requireBits(t *testing.T, want, got []float32, format string, args ...any) {
	for i, w := range want {
		if g := got[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf(format+": element %d is %v, expected %v", append(args, i, g, w)...)
		}
	}
}

// An element's bits must not depend on where it stands, nor on results that replace operands.
func TestLoopsMayBeCutAnywhere(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, l := range loops {
			const n = 203
			var whole, pieces, inPlace [][]float32
			for i := range l.arrays {
				x := drawn(n, uint64(i), true)
				whole, pieces, inPlace = append(whole, x), append(pieces, slices.Clone(x)), append(inPlace, slices.Clone(x))
			}
			l.do(k, whole)
			src := philox.NewSource(philox.Stream{Seed: 5})
			for from := 0; from < n; {
				to := min(n, from+1+src.Intn(40))
				part := make([][]float32, l.arrays)
				for i := range part {
					part[i] = pieces[i][from:to]
				}
				l.do(k, part)
				from = to
			}
			for i := range l.writes {
				requireBits(t, whole[i], pieces[i], "%s, %s, in pieces, array %d", l.name, k.Name, i)
			}
			for i := 1; i < l.arrays && l.writes == 1 && l.name != "Axpy" && l.name != "SGD"; i++ {
				a := make([][]float32, l.arrays)
				for j := range a {
					a[j] = slices.Clone(inPlace[j])
				}
				a[0] = a[i]
				l.do(k, a)
				requireBits(t, whole[0], a[0], "%s, %s, in place of array %d", l.name, k.Name, i)
			}
		}
	})
}

// The functions' errors over all magnitudes, in units in the last place.
func TestExponentialsAreAccurate(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, f := range []struct {
			name string
			do   func(y, x []float32)
			want func(x float64) float64
			ulps float64
		}{
			{"exp", func(y, x []float32) { k.Exp(y, x, 0, 1) }, math.Exp, 1.5},
			{"exp of a difference", func(y, x []float32) { k.ExpSum(y, x, 0.5) }, func(x float64) float64 { return math.Exp(f64(float32(x) - 0.5)) }, 1.5},
			{"sigmoid", k.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 3},
			{"tanh", k.Tanh, math.Tanh, 3.5},
			{"elu", func(y, x []float32) { k.ELU(y, x, 1) }, func(x float64) float64 { return negative(x, math.Expm1(x), x) }, 3},
		} {
			var x []float32
			for v := -110.0; v < 95; v += 0.0037 {
				x = append(x, float32(v))
			}
			for v := 1e-44; v < 20; v *= 1.0037 {
				x = append(x, float32(v), -float32(v))
			}
			x = append(x, specials...)
			y := make([]float32, len(x))
			f.do(y, x)
			for i, v := range x {
				want := f.want(f64(v))
				if apart(y[i], want, want, 2*f.ulps) { // in halves of a unit
					t.Fatalf("%s, %s: of %v is %v, expected %v, more than %v units in the last place apart", f.name, k.Name, v, y[i], want, f.ulps)
				}
			}
		}
	})
}

func TestSums(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 65, 1000, 2*most + 21} {
			a, b, y := drawn(n, 1, false), drawn(n, 2, false), make([]float32, n)
			var sum, dot, distance, exps, size float64
			top := math.Inf(-1)
			for i := range a {
				u, v := f64(a[i]), f64(b[i])
				sum += u
				dot += u * v
				distance += f64(a[i]-b[i]) * f64(a[i]-b[i])
				exps += math.Exp(f64(a[i] - 1.5))
				size += math.Abs(u) + math.Abs(u*v)
				top = math.Max(top, u)
			}
			require.InDelta(t, sum, k.Sum(a), 1e-15*(1+size), "%s: sum of %d", k.Name, n)
			require.InDelta(t, dot, k.Dot(a, b), 1e-15*(1+size), "%s: dot product of %d", k.Name, n)
			require.InDelta(t, distance, k.Distance(a, b), 1e-13*(1+distance), "%s: distance of %d", k.Name, n)
			require.InDelta(t, exps, k.ExpSum(y, a, 1.5), 1e-7*(1+exps), "%s: exponentials of %d", k.Name, n)
			require.Equal(t, float32(top), k.Max(a), "%s: largest of %d", k.Name, n)
			for at := range min(n, 50) { // each element counts
				kept := a[at]
				a[at] = 1e6
				require.InDelta(t, sum-f64(kept)+1e6, k.Sum(a), 1e-8, "%s: sum of %d, element %d", k.Name, n, at)
				require.Equal(t, float32(1e6), k.Max(a), "%s: largest of %d, element %d", k.Name, n, at)
				a[at] = float32(math.NaN())
				require.True(t, math.IsNaN(k.Sum(a)) && math.IsNaN(k.Dot(a, b)) && math.IsNaN(k.Dot(b, a)) && math.IsNaN(k.Distance(a, b)) && math.IsNaN(k.ExpSum(y, a, 0)),
					"%s: sums of %d with NaN as element %d", k.Name, n, at)
				require.False(t, math.IsNaN(f64(k.Max(a))), "%s: largest of %d, element %d NaN", k.Name, n, at)
				a[at] = kept
			}
		}
		require.Equal(t, float32(math.Inf(-1)), k.Max([]float32{float32(math.NaN()), float32(math.Inf(-1))}))
	})
}

func TestLanes(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, rows := range []int{0, 1, 2, 3, 4, 5, 8, 9, most/Lanes + 3} {
			for _, count := range []int{0, 1, 3, 7, 8, 9, 15, 16} {
				for _, step := range []int{16, count, 37} {
					x := drawn(max(0, (rows-1)*step+count), uint64(rows*count), false)
					var sums, want [Lanes]float64
					for i := range sums {
						sums[i] = float64(i)
						want[i] = float64(i)
						for r := range rows {
							if i < count {
								want[i] += f64(x[r*step+i])
							}
						}
					}
					k.SumLanes(&sums, x, rows, step, count)
					for i, w := range want {
						require.InDelta(t, w, sums[i], 1e-12*float64(1+rows), "%s: %d rows %d apart, sum %d of %d", k.Name, rows, step, i, count)
					}
				}
			}
			x, b, y := drawn(rows*Lanes, 3, true), [Lanes]float32(drawn(Lanes, 4, false)), make([]float32, rows*Lanes)
			k.AddLanes(y, x, &b)
			for i, v := range x {
				require.False(t, apart(y[i], f64(v)+f64(b[i%Lanes]), 0, 0), "%s: row %d of %d, lane %d: %v + %v is %v", k.Name, i/Lanes, rows, i%Lanes, v, b[i%Lanes], y[i])
			}
		}
		require.Panics(t, func() { k.SumLanes(new([Lanes]float64), make([]float32, 47), 3, 16, 16) }, "%s: rows beyond the slice", k.Name)
		require.Panics(t, func() { k.Add(make([]float32, 5), make([]float32, 5), make([]float32, 4)) }, "%s: an operand too short", k.Name)
	})
}

func TestPack(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, plane := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 49, 144, most/Lanes + 5} {
			for count := range Lanes + 1 {
				maps, block, back := drawn(count*plane, 1, true), drawn(Lanes*plane, 2, false), drawn(count*plane, 3, false)
				k.Pack(block, maps, count)
				for i, v := range block {
					want, c := float32(0), i%Lanes
					if c < count {
						want = maps[c*plane+i/Lanes]
					}
					if math.Float32bits(v) != math.Float32bits(want) {
						t.Fatalf("%s: %d maps of %d pixels, channel %d of pixel %d is %v, expected %v", k.Name, count, plane, c, i/Lanes, v, want)
					}
				}
				for i := range block { // what lies in the other channels does not matter
					if i%Lanes >= count {
						block[i] = 7
					}
				}
				k.Unpack(back, block, count)
				requireBits(t, maps, back, "%s: %d maps of %d pixels, packed and unpacked", k.Name, count, plane)
			}
		}
	})
}

func TestDropoutFollowsTheStream(t *testing.T) {
	streams := []philox.Stream{{}, {Seed: 1, ID: 2}, {Seed: 1<<63 | 1<<33 | 5, ID: 1<<62 | 1<<32 | 7}}
	eachSet(t, func(t *testing.T, k *Kernels) {
		for _, stream := range streams {
			number := func(e int) uint32 { return stream.Four(uint64(e) / 4)[e%4] }
			d := NewDropout(stream, 0x60000000, 1.6)
			check := func(what string, e int, x, y float32) {
				want := x * 1.6
				if number(e) < 0x60000000 {
					want = 0
				}
				if math.Float32bits(want) != math.Float32bits(y) && want == want {
					t.Fatalf("%s, %s, stream %+v: element with number %d is %v, expected %v", k.Name, what, stream, e, y, want)
				}
			}
			for _, n := range []int{0, 1, 3, 4, 5, 31, 32, 33, 63, 64, 65, 79, 80, 81, 200, most + 7} {
				for _, first := range []int{0, 4, 1 << 34, 1<<34 - 8} {
					x, y := drawn(n, 1, true), make([]float32, n)
					k.Dropout(d, y, x, first)
					for i := range x {
						check("contiguous", first+i, x[i], y[i])
					}
				}
			}
			for _, plane := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 49, 196} {
				for _, first := range []int{0, 1, 2, 3, 1<<34 - 8, 1<<34 - 2*plane - 1} {
					x, y := drawn(plane*Lanes, 1, true), make([]float32, plane*Lanes)
					k.DropoutLanes(d, y, x, first, plane)
					for i := range x {
						check(fmt.Sprintf("lanes, plane %d", plane), first+i%Lanes*plane+i/Lanes, x[i], y[i])
					}
				}
			}
			x, y := drawn(3*most+5*Lanes, 1, false), make([]float32, 3*most+5*Lanes)
			k.DropoutLanes(d, y, x, 7, 1<<20+1)
			for i := range x {
				check("lanes, more than a piece", 7+i%Lanes*(1<<20+1)+i/Lanes, x[i], y[i])
			}
		}
	})
}

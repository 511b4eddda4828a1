//go:build linux && amd64

package amd64_test

import (
	"math"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"fovea/device/philox"
	"fovea/kernels/amd64"
)

// norm is the kernels of batch normalisation of an instruction set.
type norm struct {
	name     string
	present  bool
	moments  func(state *float64, x *float32, pixels int, share, before, weight float64)
	sums     func(state *float64, dy, x, y, mean *float32, pixels int)
	apply    func(y, x, residual, constants *float32, floor float32, pixels int)
	gradient func(dx, dresidual, dy, x, y, constants *float32, pixels int)
}

var norms = []norm{
	{"avx512", cpu.X86.HasAVX512F, amd64.NormMomentsAVX512, amd64.NormSumsAVX512, amd64.NormApplyAVX512, amd64.NormGradientAVX512},
	{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, amd64.NormMomentsAVX2, amd64.NormSumsAVX2, amd64.NormApplyAVX2, amd64.NormGradientAVX2},
}

// Every kernel must read and write its pixels and constants and nothing beside them, and give what it promises.
func TestNormalisationStaysInside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, k := range norms {
		t.Run(k.name, func(t *testing.T) {
			if !k.present {
				t.Skip("this machine has no " + k.name)
			}
			for _, pixels := range []int{1, 2, 3, 4, 5, 7, 8, 49, 128, 255} {
				for _, atEnd := range []bool{true, false} {
					checkNormalisation(t, k, pixels, atEnd)
				}
			}
		})
	}
}

func checkNormalisation(t *testing.T, k norm, pixels int, atEnd bool) {
	src := philox.NewSource(philox.Stream{Seed: uint64(pixels)})
	room := func(n int) []float32 {
		x := fenced(t, n, atEnd)
		for i := range x {
			x[i] = float32(src.Normal(3, 1))
		}
		return x
	}
	n := 16 * pixels
	x, dy, residual, constants, y, dx, dresidual := room(n), room(n), room(n), room(64), room(n), room(n), room(n)
	memory := room(64)
	state := unsafe.Slice((*float64)(unsafe.Pointer(&memory[0])), 32)
	near := func(name string, at int, got, want, size float64) {
		if !(math.Abs(got-want) <= 1e-6*size) && !(got != got && want != want) && got != want {
			t.Fatalf("%s %s: %d pixels, fence at the end %t: number %d is %v, expected %v", k.name, name, pixels, atEnd, at, got, want)
		}
	}
	safely := func(name string, do func()) {
		require.NotPanics(t, do, "%s %s: %d pixels, fence at the end %t", k.name, name, pixels, atEnd)
	}

	for _, before := range []int{0, 5} { // pixels in the state already: all 2 but for one that is 12
		share, weight := 0.0, 0.0
		for c := range 16 {
			state[c], state[16+c] = 0, 0
			if before > 0 {
				share, weight = 1/float64(before), float64(before*pixels)/float64(before+pixels)
				state[c], state[16+c] = float64(2*before+10), 80
			}
		}
		safely("moments", func() { k.moments(&state[0], &x[0], pixels, 1/float64(pixels), share, weight) })
		for c := range 16 {
			var all []float64
			for i := range before {
				all = append(all, 2)
				if i == 0 {
					all[0] = 12
				}
			}
			for p := range pixels {
				all = append(all, float64(x[p*16+c]))
			}
			sum, squares := 0.0, 0.0
			for _, v := range all {
				sum += v
			}
			for _, v := range all {
				squares += (v - sum/float64(len(all))) * (v - sum/float64(len(all)))
			}
			near("moments", c, state[c], sum, math.Abs(sum))
			near("moments", 16+c, state[16+c], squares, squares+1e-6)
		}
	}

	for i := range y { // ReLU's output: half of it closed
		y[i] = max(0, float32(src.Normal(0, 1)))
	}
	y[0] = float32(math.NaN())            // lets the gradient through
	y[1], dy[1] = 0, float32(math.Inf(1)) // not a number behind it
	for _, relu := range []bool{false, true} {
		above := (*float32)(nil)
		if relu {
			above = &y[0]
		}
		g := func(i int) float64 {
			if relu && y[i] <= 0 {
				return 0 * float64(dy[i])
			}
			return float64(dy[i])
		}
		for i := range state {
			state[i] = 7
		}
		safely("sums", func() { k.sums(&state[0], &dy[0], &x[0], above, &constants[0], pixels) })
		for c := range 16 {
			sum, product, size, both := 7.0, 7.0, 7.0, 7.0
			for i := c; i < n; i += 16 {
				term := g(i) * (float64(x[i]) - float64(constants[c]))
				sum, product, size, both = sum+g(i), product+term, size+math.Abs(g(i)), both+math.Abs(term)
			}
			near("sums", c, state[c], sum, size)
			near("sums", 16+c, state[16+c], product, both)
		}
		for _, wanted := range []bool{false, true} {
			if wanted && !relu {
				continue // only a ReLU makes g another thing than dy
			}
			to := (*float32)(nil)
			if wanted {
				to = &dresidual[0]
			}
			safely("gradient", func() { k.gradient(&dx[0], to, &dy[0], &x[0], above, &constants[0], pixels) })
			for i := range n {
				mean, a, b, c := float64(constants[i%16]), float64(constants[16+i%16]), float64(constants[32+i%16]), float64(constants[48+i%16])
				want := a*g(i) + b*(float64(x[i])-mean) + c
				near("gradient", i, float64(dx[i]), want, math.Abs(a*g(i))+math.Abs(b*(float64(x[i])-mean))+math.Abs(c))
				if wanted {
					near("gradient before the ReLU", i, float64(dresidual[i]), g(i), 0)
				}
			}
		}
	}

	x[5] = float32(math.NaN())
	for _, sum := range []bool{false, true} {
		more := (*float32)(nil)
		if sum {
			more = &residual[0]
		}
		for _, floor := range []float32{0, float32(math.Inf(-1))} {
			safely("apply", func() { k.apply(&y[0], &x[0], more, &constants[0], floor, pixels) })
			for i := range n {
				c := i % 16
				want := (float64(x[i])-float64(constants[c]))*float64(constants[16+c]) + float64(constants[32+c])
				size := math.Abs(want) + math.Abs(float64(constants[32+c])) + math.Abs(float64(residual[i]))
				if sum {
					want += float64(residual[i])
				}
				if want != want {
					require.NotEqual(t, y[i], y[i], "%s apply: NaN became %v", k.name, y[i])
					continue
				}
				near("apply", i, float64(y[i]), max(want, float64(floor)), size)
			}
		}
	}
}

// A large mean must not cost the squares their precision, nor an infinity the sum its sign.
func TestMomentsOfFarNumbers(t *testing.T) {
	for _, k := range norms {
		t.Run(k.name, func(t *testing.T) {
			if !k.present {
				t.Skip("this machine has no " + k.name)
			}
			const pixels = 200
			x, state := make([]float32, 16*pixels), make([]float64, 32)
			for i := range x {
				x[i] = 1e6 + float32(i/16%3) // 1e6, 1e6+1, 1e6+2, and so on
			}
			x[3] = float32(math.Inf(-1))
			k.moments(&state[0], &x[0], pixels, 1.0/pixels, 0, 0)
			sum, squares := 0.0, 0.0
			for i := range pixels {
				sum += float64(i % 3)
			}
			for i := range pixels {
				squares += math.Pow(float64(i%3)-sum/pixels, 2)
			}
			require.InDelta(t, pixels*1e6+sum, state[0], 1e-3)
			require.InDelta(t, squares, state[16], 1e-4)
			require.Equal(t, math.Inf(-1), state[3])
			require.True(t, math.IsNaN(state[19]), "the squares about an infinite mean are %v", state[19])
		})
	}
}

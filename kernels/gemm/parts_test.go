package gemm

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/kernels/isa"
)

// splitting is the kernel that multiplies by parts, where this machine has it.
func splitting(t *testing.T) *Kernel {
	for _, set := range isa.Available() {
		if k := For(set); k.split != nil {
			return k
		}
	}
	t.Skip("this machine has no AMX")
	return nil
}

// brains rounds numbers to bfloat16.
func brains(x []float32) {
	for i, v := range x {
		x[i] = float32(devicetest.RoundBFloat16(float64(v)))
	}
}

// Products of bfloat16s are as exact without the parts that these do not have.
func TestMultiplyRounded(t *testing.T) {
	k := splitting(t).Rounded()
	testSplit(t, k, func(p *product) {
		brains(p.a.Data)
		brains(p.b.Data)
	})
	// Other numbers are rounded to these.
	p := newProduct(philox.NewSource(philox.Stream{Seed: 22}), 64, 70, 90, 0, layouts[0], layouts[1], false)
	multiply := func() []float32 {
		require.True(t, k.MultiplySplit(k.dirty(), p.inner(), p.ldc, 0, p.rows, 0, p.cols, p.depth, p.a.Strided, p.b.Strided))
		return append([]float32(nil), p.inner()...)
	}
	first := multiply()
	brains(p.a.Data)
	brains(p.b.Data)
	require.Equal(t, first, multiply())
}

func TestMultiplySplit(t *testing.T) { testSplit(t, splitting(t), func(*product) {}) }

// testSplit multiplies matrices that prepare has prepared.
func testSplit(t *testing.T, k *Kernel, prepare func(p *product)) {
	ws := k.dirty()
	src := philox.NewSource(philox.Stream{Seed: 21})
	sizes := [][3]int{{32, 32, 32}, {64, 64, 192}, {33, 65, 31}, {1, 1, 1}, {31, 33, 193}, {70, 1030, 40}, {100, 40, 400}, {65, 70, 385}, {40, 2100, 33}}
	for range 30 {
		sizes = append(sizes, [3]int{1 + src.Intn(130), 1 + src.Intn(130), 1 + src.Intn(300)})
	}
	for number, size := range sizes {
		left, right := layouts[number%4], layouts[number/4%4]
		p := newProduct(src, size[0], size[1], size[2], src.Intn(3), left, right, false)
		prepare(p)
		require.True(t, k.MultiplySplit(ws, p.inner(), p.ldc, 0, p.rows, 0, p.cols, p.depth, p.a.Strided, p.b.Strided))
		require.NoError(t, p.check(0, p.rows, 0, p.cols), "%d x %d x %d, A in %s, B in %s", size[0], size[1], size[2], left.name, right.name)
		whole := append([]float32(nil), p.c...)
		copy(p.c, p.before)
		for _, i := range cuts(src, p.rows) {
			for _, j := range cuts(src, p.cols) {
				require.True(t, k.MultiplySplit(ws, p.inner(), p.ldc, i[0], i[1], j[0], j[1], p.depth, p.a.Strided, p.b.Strided))
			}
		}
		for at, v := range whole {
			require.Equal(t, math.Float32bits(v), math.Float32bits(p.c[at]), "%v: element %d is %v in parts, %v at once", size, at-band, p.c[at], v)
		}
	}
}

// The error is that of multiply-adds.
func TestSplitsAreAsExact(t *testing.T) {
	k := splitting(t)
	src := philox.NewSource(philox.Stream{Seed: 23})
	for _, depth := range []int{64, 500, 2000} {
		p := newProduct(src, 64, 64, depth, 0, layouts[0], layouts[2], false)
		distance := func() float64 {
			sum := 0.0
			for i := range p.rows {
				for j := range p.cols {
					want := 0.0
					for kk := range depth {
						want += p.a.at(i, kk) * p.b.at(j, kk)
					}
					sum += math.Pow(float64(p.inner()[i*p.ldc+j])-want, 2)
				}
			}
			return math.Sqrt(sum / float64(p.rows*p.cols*depth))
		}
		k.Multiply(k.dirty(), p.inner(), p.ldc, Block(0, p.rows, 0, p.cols), depth, p.a.Strided, p.b.Strided, false)
		exact := distance()
		require.True(t, k.MultiplySplit(k.dirty(), p.inner(), p.ldc, 0, p.rows, 0, p.cols, depth, p.a.Strided, p.b.Strided))
		t.Logf("depth %d: %.3g of multiply-adds, %.3g of parts", depth, exact, distance())
		require.Less(t, distance(), 2*exact, "depth %d", depth)
	}
}

// What has no parts is reported, wherever it is.
func TestWhatCannotBeSplit(t *testing.T) {
	k := splitting(t)
	src := philox.NewSource(philox.Stream{Seed: 25})
	for number, odd := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, -math.MaxFloat32, math.Float32frombits(0x7f7f8000)} {
		for at := range 12 {
			p := newProduct(src, 70, 75, 100, 0, layouts[at%4], layouts[at/4], false)
			m := []matrix{p.a, p.b}[at%2]
			m.Data[src.Intn(m.rows)*m.Row+src.Intn(m.depth)*m.Depth] = odd
			require.False(t, k.MultiplySplit(k.dirty(), p.inner(), p.ldc, 0, p.rows, 0, p.cols, p.depth, p.a.Strided, p.b.Strided), "%d: %v", number, odd)
		}
	}
	p := newProduct(src, 70, 75, 100, 0, layouts[0], layouts[0], false)
	p.a.Data[5] = math.Float32frombits(0x7f7f7fff) // the largest that rounds to a bfloat16
	require.True(t, k.MultiplySplit(k.dirty(), p.inner(), p.ldc, 0, p.rows, 0, p.cols, p.depth, p.a.Strided, p.b.Strided))
}

package philox_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// The known answers are those of Random123's kat_vectors, philox4x32 with 10 rounds.
func TestKnownAnswers(t *testing.T) {
	const ones = 0xffffffff
	for _, c := range []struct {
		key  [2]uint32
		ctr  [4]uint32
		want [4]uint32
	}{
		{[2]uint32{}, [4]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[2]uint32{ones, ones}, [4]uint32{ones, ones, ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		require.Equal(t, c.want, philox.Block(c.key, c.ctr))
	}
}

func TestSourceReadsTheStreamInOrder(t *testing.T) {
	s := philox.Stream{Seed: 7, ID: 9}
	src := philox.NewSource(s)
	for i := range uint64(5) {
		for _, want := range s.Four(i) {
			require.Equal(t, want, src.Uint32())
		}
	}
}

func TestMoments(t *testing.T) {
	const n = 100000
	src := philox.NewSource(philox.Stream{Seed: 1})
	var sum, squares float64
	for range n {
		v := src.Normal(3, 2)
		sum += v
		squares += v * v
	}
	mean := sum / n
	require.InDelta(t, 3, mean, 0.03)
	require.InDelta(t, 2, math.Sqrt(squares/n-mean*mean), 0.03)
}

// TestNormalsAreWhatNormalGives: the same bits from any place in the stream, for any number of processors, and the source goes on after them.
func TestNormalsAreWhatNormalGives(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for processors := 1; processors <= 3; processors++ {
		runtime.GOMAXPROCS(processors)
		for read := range 5 {
			for _, count := range []int{0, 1, 2, 3, 7, 12289, 12290} {
				all, each := philox.NewSource(philox.Stream{Seed: 5, ID: 6}), philox.NewSource(philox.Stream{Seed: 5, ID: 6})
				for range read {
					all.Uint32()
					each.Uint32()
				}
				got, want := make([]float32, count), make([]float32, count)
				all.Normals(got, 3, 2)
				for i := range want {
					want[i] = float32(each.Normal(3, 2))
				}
				require.Equal(t, want, got, "%d processors, %d numbers after %d", processors, count, read)
				require.Equal(t, each.Uint32(), all.Uint32(), "the next after %d", count)
				require.Equal(t, each.Uint32(), all.Uint32(), "and the next after %d", count)
			}
		}
	}
}

func TestPermHoldsEachIndexOnce(t *testing.T) {
	order := philox.NewSource(philox.Stream{Seed: 3, ID: 4}).Perm(1000)
	seen := make([]bool, 1000)
	for _, i := range order {
		require.False(t, seen[i])
		seen[i] = true
	}
}

func TestSubStreamsDiffer(t *testing.T) {
	s := philox.Stream{Seed: 1, ID: 2}
	seen := map[uint64]bool{}
	for a := range uint64(50) {
		for b := range uint64(50) {
			id := s.Sub(a, b).ID
			require.False(t, seen[id])
			seen[id] = true
		}
	}
}

func ExampleSource() {
	src := philox.NewSource(philox.Stream{Seed: 1, ID: 2})
	fmt.Println(src.Perm(5))
	again := philox.NewSource(philox.Stream{Seed: 1, ID: 2})
	fmt.Println(again.Perm(5))
	// Output:
	// [1 3 0 2 4]
	// [1 3 0 2 4]
}

func TestIntnStaysBelowItsBoundAndReachesAll(t *testing.T) {
	src := philox.NewSource(philox.Stream{Seed: 5})
	for _, n := range []int{1, 2, 3, 7, 10} {
		seen := make([]int, n)
		for range 2000 {
			seen[src.Intn(n)]++
		}
		for i, times := range seen {
			// Five deviations of a binomial count.
			mean := 2000 / float64(n)
			require.InDelta(t, mean, times, 5*math.Sqrt(mean)+1, "%d of %d", i, n)
		}
	}
	require.Less(t, src.Intn(math.MaxUint32), math.MaxUint32)
	for _, n := range []int{0, -1, math.MaxUint32 + 1} {
		require.Panics(t, func() { src.Intn(n) }, "%d", n)
	}
}

func TestUniformStaysInItsRange(t *testing.T) {
	src := philox.NewSource(philox.Stream{Seed: 6})
	low, high, sum := math.Inf(1), math.Inf(-1), 0.0
	for range 10000 {
		v := src.Uniform(-3, 5)
		low, high, sum = min(low, v), max(high, v), sum+v
	}
	require.True(t, -3 <= low && low < -2.98 && 4.98 < high && high < 5, "from %v to %v", low, high)
	require.InDelta(t, 1, sum/10000, 0.1)
}

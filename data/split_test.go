package data

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// indicesOf are the numbers that a subset's samples have in the whole set, read from the samples themselves.
func indicesOf(t *testing.T, set Set) (indices []int) {
	t.Helper()
	x := make([]float32, 2)
	for i := range set.Len() {
		require.NoError(t, set.Read(i, x))
		indices = append(indices, int(x[0]))
		require.Equal(t, int(x[0])%7, set.Label(i))
	}
	return indices
}

func TestSplit(t *testing.T) {
	stream := philox.Stream{Seed: 5, ID: 6}
	for _, c := range []struct {
		n        int
		fraction float64
		held     int
	}{{10, 0.3, 3}, {10, 0.25, 3}, {10, 0.05, 1}, {10, 0.94, 9}, {3, 0.5, 2}, {1000, 0.1, 100}, {2, 0.5, 1}} {
		for _, shuffle := range []bool{false, true} {
			train, held, err := Split(numbered{n: c.n}, c.fraction, stream, shuffle)
			require.NoError(t, err, "%+v", c)
			in, out := indicesOf(t, train), indicesOf(t, held)
			require.Len(t, out, c.held, "%+v", c)
			require.IsIncreasing(t, append([]int{-1}, in...), "%+v: not in file order, or a sample twice", c)
			require.IsIncreasing(t, append([]int{-1}, out...), "%+v: not in file order, or a sample twice", c)
			all := make([]int, c.n)
			for i := range all {
				all[i] = i
			}
			require.ElementsMatch(t, all, append(in, out...), "%+v", c)
			if !shuffle {
				require.Equal(t, all[c.n-c.held:], out, "%+v: the last ones", c)
			}
			require.Equal(t, "numbered", held.Info().Name)
		}
	}
	held := func(stream philox.Stream) []int {
		_, held, err := Split(numbered{n: 1000}, 0.1, stream, true)
		require.NoError(t, err)
		return indicesOf(t, held)
	}
	require.Equal(t, held(stream), held(stream))
	require.NotEqual(t, held(stream), held(philox.Stream{Seed: 6, ID: 6}))

	whole := numbered{n: 5}
	train, none, err := Split(whole, 0, stream, true)
	require.NoError(t, err)
	require.Equal(t, whole, train)
	require.Nil(t, none)
}

func TestSplitErrors(t *testing.T) {
	for _, c := range []struct {
		set      Set
		fraction float64
		want     string
	}{
		{nil, 0.5, "split: no data set"},
		{numbered{n: 10}, -0.1, `split of "numbered": fraction -0.1 held out, expected at least 0 and below 1`},
		{numbered{n: 10}, 1, `fraction 1 held out, expected at least 0 and below 1`},
		{numbered{n: 10}, math.NaN(), `fraction NaN held out`},
		{numbered{n: 10}, math.Inf(1), `fraction +Inf held out`},
		{numbered{n: 10}, 0.95, `fraction 0.95 of 10 samples leaves none to train on`},
		{numbered{n: 10}, 0.04, `fraction 0.04 of 10 samples holds none out, expected 0 or at least 0.05`},
		{numbered{n: 1}, 0.5, `fraction 0.5 of 1 samples leaves none`},
	} {
		train, held, err := Split(c.set, c.fraction, philox.Stream{}, true)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, train)
		require.Nil(t, held)
	}
}

func TestSubset(t *testing.T) {
	whole := numbered{n: 20, targets: 2}
	s, err := NewSubset(whole, []int{7, 3, 3, 19})
	require.NoError(t, err)
	require.Equal(t, 4, s.Len())
	require.Equal(t, []int{7, 3, 3, 19}, indicesOf(t, s))
	y := make([]float32, 2)
	s.Target(3, y)
	require.Equal(t, []float32{-19, 361}, y)

	inner, err := NewSubset(s, []int{3, 0})
	require.NoError(t, err)
	require.Equal(t, []int{19, 7}, indicesOf(t, inner))
	require.Equal(t, 3, inner.Index(0), "the number in the set it was made of")
	require.Equal(t, -1, inner.Index(2))
	require.Equal(t, -1, inner.Index(-1))

	m, err := NewMemory(Info{Name: "m", Sample: []int{1, 1, 1}}, []float32{1, 2}, []int32{5, 6}, nil)
	require.NoError(t, err)
	s, err = NewSubset(m, []int{1})
	require.NoError(t, err)
	for _, i := range []int{-1, 1} {
		require.ErrorContains(t, s.Read(i, make([]float32, 1)), `subset of "m": no sample`)
		require.Equal(t, -1, s.Label(i))
		s.Target(i, y)
	}
	require.Equal(t, []float32{-19, 361}, y, "left as it was")

	for _, bad := range []int{-1, 20} {
		_, err := NewSubset(whole, []int{1, bad})
		require.ErrorContains(t, err, `subset of "numbered": no sample`)
	}
	indices := []int{1, 2}
	s, err = NewSubset(whole, indices)
	require.NoError(t, err)
	indices[0] = 9
	require.Equal(t, 1, s.Index(0), "the caller's slice is copied")
}

func TestCheckLabels(t *testing.T) {
	set := numbered{n: 10, label: func(i int) int { return []int{0, 4, 2, 9, -1, 3, 3, 3, 3, 12}[i] }}
	for _, c := range []struct {
		classes int
		want    string
	}{
		{20, `labels of "numbered": sample 4 has label -1, expected 0 to 19`},
		{9, `labels of "numbered": sample 3 has label 9, expected 0 to 8`},
		{1, `labels of "numbered": sample 1 has label 4, expected 0 to 0`},
		{0, `labels of "numbered": 0 classes asked for, expected at least 1`},
	} {
		require.EqualError(t, CheckLabels(set, c.classes), c.want)
	}
	require.NoError(t, CheckLabels(numbered{n: 10}, 7))
	require.Error(t, CheckLabels(numbered{n: 10}, 6))
	require.EqualError(t, CheckLabels(numbered{n: 10, targets: 2}, 7), `labels of "numbered": the data has 2 regression targets per sample, expected class labels`)

	// The number is the one in the file, whatever subsets lie between.
	outer, err := NewSubset(set, []int{0, 2, 9, 3})
	require.NoError(t, err)
	inner, err := NewSubset(outer, []int{1, 2})
	require.NoError(t, err)
	require.EqualError(t, CheckLabels(inner, 10), `labels of "numbered": sample 9 has label 12, expected 0 to 9`)
}

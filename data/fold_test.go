package data

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// What holds for any set: every sample is held out once, and parts have as many samples, of each class too where they are
// stratified.
func TestFolds(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 4})
	dealt := map[bool]int{}
	for try := range 300 {
		n, count := 2+random.Intn(120), 2+random.Intn(9)
		set, shuffle := drawnLabels(random, n, 1+random.Intn(5)), try%2 == 0
		set.reads = new(atomic.Int64)
		for _, stratified := range []bool{false, true} {
			name := fmt.Sprintf("try %d: %d folds of %d samples, stratified %t", try, count, n, stratified)
			deal := NewFolds
			if stratified {
				deal = NewFoldsStratified
			}
			folds, err := deal(set, count, philox.Stream{Seed: uint64(try)}, shuffle)
			if err != nil {
				require.Nil(t, folds, name)
				continue
			}
			dealt[stratified]++
			seen := make([]int, n)
			var sizes []int
			classes := map[int][]int{}
			for i := range count {
				train, held := folds.Fold(i)
				out := numbersOf(t, held)
				require.Len(t, numbersOf(t, train), n-len(out), name)
				for _, sample := range out {
					seen[sample]++
				}
				for _, sample := range numbersOf(t, train) {
					require.NotContains(t, out, sample, name)
				}
				sizes = append(sizes, len(out))
				for label := range perClass(set) {
					classes[label] = append(classes[label], perClass(held)[label])
				}
			}
			for _, times := range seen {
				require.Equal(t, 1, times, name)
			}
			requireLevel(t, sizes, name)
			for label, counts := range classes {
				if stratified {
					requireLevel(t, counts, fmt.Sprintf("%s: class %d", name, label))
				}
			}
		}
		require.Zero(t, set.reads.Load())
	}
	require.Greater(t, dealt[false], 250)
	require.Greater(t, dealt[true], 90)
}

func requireLevel(t *testing.T, counts []int, name string) {
	t.Helper()
	low, high := counts[0], counts[0]
	for _, n := range counts {
		low, high = min(low, n), max(high, n)
	}
	require.LessOrEqual(t, high-low, 1, "%s: %v", name, counts)
}

// As scikit-learn deals them: KFold(3) and StratifiedKFold(3), unshuffled, of labels 0 0 0 0 1 1 1 0 1 1 1.
func TestFoldsInOrder(t *testing.T) {
	labels := []int{0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1}
	set := numbered{n: 11, label: func(i int) int { return labels[i] }}
	held := func(f *Folds) (all [][]int) {
		for i := range 3 {
			_, out := f.Fold(i)
			all = append(all, numbersOf(t, out))
		}
		return all
	}
	plain, err := NewFolds(set, 3, philox.Stream{}, false)
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10}}, held(plain))
	stratified, err := NewFoldsStratified(set, 3, philox.Stream{}, false)
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, 1, 4, 5}, {2, 3, 6, 8}, {7, 9, 10}}, held(stratified))

	drawn := func(seed uint64) [][]int {
		f, err := NewFoldsStratified(set, 3, philox.Stream{Seed: seed}, true)
		require.NoError(t, err)
		return held(f)
	}
	require.Equal(t, drawn(1), drawn(1))
	require.NotEqual(t, drawn(1), drawn(2))
}

func TestFoldsErrors(t *testing.T) {
	few := numbered{n: 20, label: func(i int) int { return min(i/17, 1) }}
	for _, c := range []struct {
		set   Set
		count int
		want  string
	}{
		{nil, 3, "folds: no data set"},
		{numbered{n: 10}, 1, `folds of "numbered": 1, expected at least 2`},
		{numbered{n: 10}, -7, `folds of "numbered": -7, expected at least 2`},
		{numbered{n: 10}, 11, `folds of "numbered": 11 of 10 samples, expected at least one for each`},
		{numbered{n: 10, targets: 1}, 2, `the data has 1 regression targets per sample, expected class labels`},
		{few, 5, `folds of "numbered": class 1 has 3 samples, expected at least 5, one for each fold`},
	} {
		folds, err := NewFoldsStratified(c.set, c.count, philox.Stream{}, true)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, folds)
	}
}

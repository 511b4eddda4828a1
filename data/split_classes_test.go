package data

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// drawnLabels is a set of n samples whose labels are drawn, those of the first classes more often.
func drawnLabels(random *philox.Source, n, classes int) numbered {
	labels := make([]int, n)
	for i := range labels {
		labels[i] = min(random.Intn(classes), random.Intn(classes))
	}
	return numbered{n: n, label: func(i int) int { return labels[i] }}
}

// perClass counts the samples of each class.
func perClass(set Set) map[int]int {
	counts := map[int]int{}
	for i := range set.Len() {
		counts[set.Label(i)]++
	}
	return counts
}

// numbersOf are the numbers in the whole set, by the subset's own account: labels may be anything.
func numbersOf(t *testing.T, set Set) (numbers []int) {
	t.Helper()
	for i := range set.Len() {
		numbers = append(numbers, set.(*Subset).Index(i))
	}
	require.IsIncreasing(t, append([]int{-1}, numbers...), "not in file order, or a sample twice")
	return numbers
}

// What holds for any labels: every sample is in one part, the total is Split's, and each class's share is its quota, rounded.
func TestSplitStratified(t *testing.T) {
	random := philox.NewSource(philox.Stream{Seed: 3})
	split := 0
	for try := range 500 {
		n, classes, fraction := 2+random.Intn(200), 1+random.Intn(8), random.Uniform(0, 1)
		set, shuffle := drawnLabels(random, n, classes), try%2 == 0
		name := fmt.Sprintf("try %d: %v of %d samples", try, fraction, n)
		train, held, err := SplitStratified(set, fraction, philox.Stream{Seed: uint64(try)}, shuffle)
		whole := perClass(set)
		if err != nil {
			require.Nil(t, train, name)
			require.Nil(t, held, name)
			continue
		}
		split++
		require.Equal(t, int(math.Round(fraction*float64(n))), held.Len(), name)
		seen := make([]bool, n)
		for _, i := range append(numbersOf(t, train), numbersOf(t, held)...) {
			require.False(t, seen[i], name)
			seen[i] = true
		}
		require.NotContains(t, seen, false, name)
		in, out := perClass(train), perClass(held)
		for label, count := range whole {
			quota := float64(held.Len()) * float64(count) / float64(n)
			require.Less(t, math.Abs(float64(out[label])-quota), 1.0, "%s: class %d of %d", name, label, count)
			require.Positive(t, in[label], name)
			require.Positive(t, out[label], name)
		}
		again, _, err := SplitStratified(set, fraction, philox.Stream{Seed: uint64(try)}, shuffle)
		require.NoError(t, err)
		require.Equal(t, numbersOf(t, train), numbersOf(t, again), name)
	}
	require.Greater(t, split, 120)
}

// Six of 15 samples, and quotas of 2.4, 2 and 1.6: the last loses most by rounding down. Without shuffling, the last of each
// class are held out.
func TestSplitStratifiedByHand(t *testing.T) {
	labels := []int{0, 0, 1, 2, 1, 0, 0, 2, 2, 1, 0, 1, 2, 1, 0}
	set := numbered{n: 15, label: func(i int) int { return labels[i] }, reads: new(atomic.Int64)}
	train, held, err := SplitStratified(set, 0.4, philox.Stream{}, false)
	require.NoError(t, err)
	require.Equal(t, []int{8, 10, 11, 12, 13, 14}, numbersOf(t, held))
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 9}, numbersOf(t, train))
	shuffled := map[string]bool{}
	for seed := range uint64(20) {
		_, held, err := SplitStratified(set, 0.4, philox.Stream{Seed: seed}, true)
		require.NoError(t, err)
		require.Equal(t, map[int]int{0: 2, 1: 2, 2: 2}, perClass(held))
		shuffled[fmt.Sprint(numbersOf(t, held))] = true
	}
	require.Greater(t, len(shuffled), 10)

	whole, none, err := SplitStratified(set, 0, philox.Stream{}, true)
	require.NoError(t, err)
	require.Equal(t, 15, whole.Len())
	require.Nil(t, none)

	// Parts of parts, and of a set that passes damage over.
	part, err := NewSubset(&Tolerant{Set: set}, []int{14, 13, 12, 10, 9, 8})
	require.NoError(t, err)
	_, held, err = SplitStratified(part, 0.5, philox.Stream{}, false)
	require.NoError(t, err)
	require.Equal(t, map[int]int{0: 1, 1: 1, 2: 1}, perClass(held))
	require.Zero(t, set.reads.Load(), "labels say it all")
}

// What loses as much by rounding is rounded up in the order of the labels.
func TestSharesTie(t *testing.T) {
	set := numbered{n: 28}
	for _, c := range []struct {
		fraction float64
		want     map[int]int
	}{{0.25, map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}}, {10.0 / 28, map[int]int{0: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1}}} {
		_, held, err := SplitStratified(set, c.fraction, philox.Stream{}, true)
		require.NoError(t, err)
		require.Equal(t, c.want, perClass(held))
	}
}

func TestStratifiedErrors(t *testing.T) {
	few := numbered{n: 20, label: func(i int) int { return min(i/18, 1) }}
	for _, c := range []struct {
		set      Set
		fraction float64
		want     string
	}{
		{nil, 0.5, "split: no data set"},
		{numbered{n: 10}, math.NaN(), `split of "numbered": fraction NaN held out`},
		{numbered{n: 10, targets: 2}, 0.5, `split of "numbered": the data has 2 regression targets per sample, expected class labels to stratify by`},
		{few, 0.1, `split of "numbered": fraction 0.1 holds none of the 2 samples of class 1 out, expected more of them or a larger fraction`},
		{few, 0.9, `split of "numbered": fraction 0.9 leaves none of the 2 samples of class 1 to train on, expected more of them or a smaller fraction`},
		{numbered{n: 3, label: func(int) int { return -1 }}, 0.5, `split of "numbered": sample 0 has label -1, expected at least 0`},
		{drawnLabels(philox.NewSource(philox.Stream{}), 10, 10), 0.1, `holds none of the`},
	} {
		train, held, err := SplitStratified(c.set, c.fraction, philox.Stream{}, false)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, train)
		require.Nil(t, held)
	}
	named, err := NewMemory(Info{Name: "named", Sample: []int{1, 1, 1}, Classes: 2, ClassNames: []string{"cat", "dog"}}, make([]float32, 20), append(make([]int32, 19), 1), nil)
	require.NoError(t, err)
	_, _, err = SplitStratified(named, 0.2, philox.Stream{}, true)
	require.ErrorContains(t, err, "none of the 1 samples of class 1 (dog) out")
}

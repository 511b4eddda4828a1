package data

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestMemory(t *testing.T) {
	info := Info{Name: "m", Sample: tensor.Shape{1, 2, 1}, Classes: 3, ClassNames: []string{"a", "b", "c"}}
	m, err := NewMemory(info, []float32{1, 2, 3, 4, 5, 6}, []int32{2, 0, 1}, nil)
	require.NoError(t, err)
	require.Equal(t, info, m.Info())
	x, labels, _ := samplesOf(t, m)
	require.Equal(t, [][]float32{{1, 2}, {3, 4}, {5, 6}}, x)
	require.Equal(t, []int{2, 0, 1}, labels)
	require.Equal(t, -1, m.Label(3))
	require.Equal(t, -1, m.Label(-1))
	for i, want := range map[int]string{3: `data set "m": no sample 3, expected 0 to 2`, -1: `data set "m": no sample -1`} {
		require.ErrorContains(t, m.Read(i, make([]float32, 2)), want)
	}
	for _, n := range []int{0, 1, 3} {
		require.ErrorContains(t, m.Read(0, make([]float32, n)), "sample 0 into a buffer of")
	}

	m, err = NewMemory(Info{Name: "r", Sample: tensor.Shape{2, 1, 1}, Targets: 3}, []float32{1, 2, 3, 4}, nil, []float32{1, 2, 3, 4, 5, 6})
	require.NoError(t, err)
	_, labels, targets := samplesOf(t, m)
	require.Equal(t, []int{-1, -1}, labels)
	require.Equal(t, [][]float32{{1, 2, 3}, {4, 5, 6}}, targets)
	y := []float32{7, 8, 9}
	m.Target(2, y)
	m.Target(-1, y)
	require.Equal(t, []float32{7, 8, 9}, y, "left as it was")
}

func TestNewMemoryErrors(t *testing.T) {
	two := func(change func(i *Info)) Info {
		info := Info{Name: "m", Sample: tensor.Shape{1, 2, 1}}
		if change != nil {
			change(&info)
		}
		return info
	}
	x, labels := []float32{1, 2, 3, 4}, []int32{0, 1}
	for _, c := range []struct {
		name    string
		info    Info
		x       []float32
		labels  []int32
		targets []float32
		want    string
	}{
		{"rank", two(func(i *Info) { i.Sample = tensor.Shape{2} }), x, labels, nil, `data set "m": sample shape [2], expected (C, H, W)`},
		{"empty sample", two(func(i *Info) { i.Sample = tensor.Shape{0, 2, 1} }), x, labels, nil, "sample shape [0,2,1]: a sample without values"},
		{"negative", two(func(i *Info) { i.Sample = tensor.Shape{-1, -2, 1} }), x, labels, nil, "negative dimension -1"},
		{"huge", two(func(i *Info) { i.Sample = tensor.Shape{math.MaxInt, 3, 1} }), x, labels, nil, "does not fit an int"},
		{"no samples", two(nil), nil, nil, nil, "0 values, expected a positive multiple of 2, the size of a sample [1,2,1]"},
		{"part of a sample", two(nil), x[:3], labels, nil, "3 values, expected a positive multiple of 2"},
		{"negative targets", two(func(i *Info) { i.Targets = -1 }), x, labels, nil, "-1 targets and 0 classes, expected neither below 0"},
		{"negative classes", two(func(i *Info) { i.Classes = -1 }), x, labels, nil, "0 targets and -1 classes"},
		{"class names", two(func(i *Info) { i.Classes, i.ClassNames = 2, []string{"a"} }), x, labels, nil, "1 class names, expected 2"},
		{"fewer labels", two(nil), x, labels[:1], nil, "1 labels for 2 samples, expected 2"},
		{"labels and targets", two(nil), x, labels, []float32{1}, "1 target values for 2 samples, expected 0"},
		{"labels of a regression", two(func(i *Info) { i.Targets = 1 }), x, labels, []float32{1, 2}, "2 labels for 2 samples, expected 0"},
		{"fewer targets", two(func(i *Info) { i.Targets = 2 }), x, nil, []float32{1, 2}, "2 target values for 2 samples, expected 4"},
		{"huge targets", two(func(i *Info) { i.Targets = math.MaxInt }), x, nil, nil, "does not fit an int"},
		{"negative label", two(nil), x, []int32{0, -3}, nil, `labels of "m": sample 1 has label -3, expected at least 0`},
		{"large label", two(func(i *Info) { i.Classes = 2 }), x, []int32{1, 2}, nil, `labels of "m": sample 1 has label 2, expected 0 to 1`},
	} {
		m, err := NewMemory(c.info, c.x, c.labels, c.targets)
		require.ErrorContains(t, err, c.want, c.name)
		require.Nil(t, m, c.name)
	}
}

package main

import (
	"image/color"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/nn/fit"
)

func TestMistakes(t *testing.T) {
	m := &mistakes{}
	m.add([]float64{
		0, 1, 0, // right
		3, 0, 0, // 0 for 1: 0.91
		0, 0, 9, // 2 for 1: 0.9998
	}, []int32{1, 1, 1})
	m.add([]float64{
		0, 5, 0, // 1 for 0: 0.987
		1, 1, 1, // of equal ones none is above the label
		math.NaN(), 1, 2,
		0, 5, 0, // as before, later
	}, []int32{0, 2, 0, 2})
	require.Len(t, m.all, 4)
	for i, want := range []mistake{{2, 1, 2, 0.99975}, {3, 0, 1, 0.98670}, {6, 2, 1, 0.98670}, {1, 1, 0, 0.90944}} {
		got := m.all[i]
		require.InDelta(t, want.share, got.share, 1e-5)
		got.share = want.share
		require.Equal(t, want, got)
	}
}

// However many there are, the surest are kept.
func TestMistakesAreBounded(t *testing.T) {
	m := &mistakes{}
	for i := range 200 {
		m.add([]float64{0, float64(1 + i*37%200)}, []int32{0})
	}
	require.Len(t, m.all, runs.MostMistakes)
	require.Equal(t, 200, m.seen)
	for i, one := range m.all[1:] {
		require.GreaterOrEqual(t, m.all[i].share, one.share)
	}
}

// Pictures are those of the samples, before anything is taken off them.
func TestMistakePictures(t *testing.T) {
	info := data.Info{Name: "x", Sample: tensor.Shape{1, 1, 2}, Classes: 2, ClassNames: []string{"a", "b"}, Mean: []float32{0.5}, Deviation: []float32{0.25}}
	set, err := data.NewMemory(info, []float32{0, 1, 1, 0}, []int32{0, 1}, nil)
	require.NoError(t, err)
	m := &mistakes{}
	m.add([]float64{2, 1, 2, 1}, []int32{0, 1})
	all := m.pictures(set, &runs.Matrix{Confusion: fit.NewConfusion(2), Names: info.ClassNames})
	require.Len(t, all, 1)
	require.Equal(t, "b", all[0].Label)
	require.Equal(t, "a", all[0].Found)
	require.Equal(t, color.NRGBA{255, 255, 255, 255}, all[0].Picture.At(0, 0))
	require.Equal(t, color.NRGBA{0, 0, 0, 255}, all[0].Picture.At(1, 0))
	require.Nil(t, (&mistakes{}).pictures(nil, nil))
}

// A network that has learned nothing makes mistakes, which the run folder shows.
func TestMistakesOfARun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 64, 8), out, "--max-steps", "1", "--lr", "1e-9")...)
	require.FileExists(t, filepath.Join(out, runs.MistakesFile))
	require.Contains(t, string(fileOf(t, out, runs.ReportFile)), "<h2>Mistakes</h2>")
}

package data

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// A picture becomes the sample that a loader would make of it: resized, cut and normalised.
func TestInfoReadPicture(t *testing.T) {
	const path = "../docs/digit.png"
	plain, err := Info{Sample: tensor.Shape{1, 28, 28}}.ReadPicture(path)
	require.NoError(t, err)
	want := make([]float32, 28*28)
	require.NoError(t, ReadPicture(path, want, tensor.Shape{1, 28, 28}, Stretched{}, nil))
	require.Equal(t, want, plain)

	info := Info{Sample: tensor.Shape{3, 8, 6}, Resize: 10, Mean: []float32{0.1, 0.2, 0.3}, Deviation: []float32{1, 2, 4}}
	got, err := info.ReadPicture(path)
	require.NoError(t, err)
	want = make([]float32, 3*8*6)
	require.NoError(t, ReadPicture(path, want, info.Sample, Centred{10}, nil))
	info.Normalise(want)
	require.Equal(t, want, got)

	for _, row := range []struct {
		sample tensor.Shape
		path   string
		want   string
	}{
		{tensor.Shape{2, 8, 8}, path, `data set "x": samples [2,8,8], expected 1 or 3 channels to make one of a picture`},
		{tensor.Shape{8, 8}, path, `data set "x": sample shape [8,8], expected (C, H, W)`},
		{tensor.Shape{1, 8, 8}, "none.png", `none.png: no such file or directory`},
	} {
		_, err := Info{Name: "x", Sample: row.sample}.ReadPicture(row.path)
		require.EqualError(t, err, row.want)
	}
}

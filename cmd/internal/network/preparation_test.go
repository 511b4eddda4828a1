package network

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/nn/weights"
)

// What programs make of a picture is what a loader makes of it for evaluation, by what the card says; an old card, which
// says nothing of it, has the picture stretched and left as it is.
func TestPreparation(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "class", "picture.png")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	m := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for i := range m.Rect.Dx() * m.Rect.Dy() {
		x, y := i%60, i/60
		m.Set(x, y, color.RGBA{uint8(4 * x), uint8(6 * y), uint8(x * y), 255})
	}
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, m))
	require.NoError(t, f.Close())
	for _, channels := range []int{1, 3} {
		sample := tensor.Shape{channels, 20, 24}
		sets, err := data.Open(t.Context(), "folder:"+root, data.Options{Sample: sample, Resize: 30})
		require.NoError(t, err)
		info := sets.Train.Info()
		card := &weights.Card{Model: "m", Outputs: 1, Sample: sample, Scale: info.Scale, Mean: info.Mean, Deviation: info.Deviation, Resize: info.Resize}
		got := make([]float32, sample.TotalSize())
		in, err := NewPreparation(card)
		require.NoError(t, err)
		require.NoError(t, in.Read(path, got))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		decoded := make([]float32, len(got))
		require.NoError(t, in.Decode("it", content, 2400, decoded))
		require.Equal(t, got, decoded, "%d channels", channels)
		require.EqualError(t, in.Decode("it", content, 2399, decoded), "it: a picture of 60 x 40, expected 1 to 2399 pixels")
		for b, err := range (&data.Loader{Set: sets.Train, Batch: 1}).Epoch(t.Context(), 0) {
			require.NoError(t, err)
			require.InDeltaSlice(t, b.X.Data(), got, 1e-5, "%d channels", channels)
		}
		old, plain := make([]float32, len(got)), make([]float32, len(got))
		in, err = NewPreparation(&weights.Card{Model: "m", Outputs: 1, Sample: sample, Scale: 1})
		require.NoError(t, err)
		require.NoError(t, in.Read(path, old))
		require.NoError(t, data.ReadPicture(path, plain, sample, data.Stretched{}, nil))
		for i := range plain {
			plain[i] *= 255
		}
		require.InDeltaSlice(t, plain, old, 1e-3, "%d channels", channels)
		require.NotEqual(t, old, got)
	}
}

// Weights that say nothing get pictures as torchvision's networks do, if they are for pictures in colour.
func TestPrepareForeignWeights(t *testing.T) {
	card := &weights.Card{Sample: tensor.Shape{3, 224, 224}}
	prepare(card)
	require.Equal(t, &weights.Card{Sample: tensor.Shape{3, 224, 224}, Resize: 256, Mean: []float32{0.485, 0.456, 0.406}, Deviation: []float32{0.229, 0.224, 0.225}}, card)
	grey := &weights.Card{Sample: tensor.Shape{1, 28, 28}}
	prepare(grey)
	require.Equal(t, &weights.Card{Sample: tensor.Shape{1, 28, 28}}, grey)
}

package tensorboard_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/tensorboard"
	"fovea/nn/tensorboard/tensorboardtest"
)

// TensorBoard reads what was written, of each kind; of a file that was cut, all but the event that was cut; and of a
// training that was resumed, nothing that the first part had beyond the step from which it goes on.
func TestTensorBoardReads(t *testing.T) {
	root := t.TempDir()
	create := func(run string, from int) *tensorboard.Writer {
		require.NoError(t, os.MkdirAll(filepath.Join(root, run), 0o777))
		w, err := tensorboard.Create(filepath.Join(root, run), from)
		require.NoError(t, err)
		return w
	}
	picture := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	picture.Set(1, 1, color.NRGBA{10, 20, 30, 255})

	w := create("kinds", 0)
	for step := range 2000 { // more than a dashboard shows
		require.NoError(t, w.Add(step, tensorboard.Scalar("loss/train", 1/float64(step+1)), tensorboard.Scalar("lr", 0.1)))
	}
	require.NoError(t, w.Add(2000, tensorboard.Scalar("loss/train", math.NaN()), tensorboard.Text("notes", "*é* | <b>\xff"), tensorboard.Image("p", picture),
		tensorboard.Histogram("h", []tensorboard.Bin{{-1, 0, 3}, {0, 1, 4}}), tensorboard.Histogram("none", nil)))
	require.NoError(t, w.Add(1<<40, tensorboard.Scalar("late", -3)))
	require.NoError(t, w.Close())

	w = create("cut", 0)
	for step := range 3 {
		require.NoError(t, w.Add(step, tensorboard.Scalar("a", float64(step))))
	}
	require.NoError(t, w.Close())
	content, err := os.ReadFile(w.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(w.Path(), int64(len(content)-7)))

	for _, part := range []struct {
		from  int
		steps []int
	}{{0, []int{2, 4, 6, 7}}, {4, []int{4, 6, 8, 9}}, {8, []int{8, 10}}} { // 7 and 9: parts of epochs of two steps
		w = create("resumed", part.from)
		for _, step := range part.steps {
			require.NoError(t, w.Add(step, tensorboard.Scalar("a", float64(part.from)), tensorboard.Text("b", "text")))
		}
		require.NoError(t, w.Close())
	}

	for reader, runs := range tensorboardtest.Read(t, root) {
		t.Run(reader, func(t *testing.T) {
			kinds := runs["kinds"]
			require.Len(t, kinds, 7)
			loss := kinds["loss/train"]
			require.Equal(t, "scalars", loss.Plugin)
			require.Len(t, loss.Points, 2001)
			for step, value := range loss.Values()[:2000] {
				require.EqualValues(t, float32(1/float64(step+1)), value, "step %d", step)
			}
			require.Equal(t, "nan", loss.Values()[2000])
			require.Equal(t, 2000, loss.Steps()[2000])
			require.Equal(t, tensorboardtest.Series{Plugin: "scalars", Points: [][2]any{{float64(1 << 40), -3.0}}}, kinds["late"])
			require.Equal(t, tensorboardtest.Series{Plugin: "text", Points: [][2]any{{2000.0, []any{"*é* | <b>\uFFFD"}}}}, kinds["notes"])
			require.Equal(t, tensorboardtest.Series{Plugin: "histograms", Points: [][2]any{{2000.0, []any{[]any{-1.0, 0.0, 3.0}, []any{0.0, 1.0, 4.0}}}}}, kinds["h"])
			require.Equal(t, "images", kinds["p"].Plugin)
			shown := kinds["p"].Values()[0].([]any)
			require.Equal(t, []any{3.0, 2.0}, shown[:2])
			file, err := base64.StdEncoding.DecodeString(shown[2].(string))
			require.NoError(t, err)
			m, err := png.Decode(bytes.NewReader(file))
			require.NoError(t, err)
			require.Equal(t, color.NRGBA{10, 20, 30, 255}, m.At(1, 1))

			require.Equal(t, []int{0, 1}, runs["cut"]["a"].Steps())
			require.Equal(t, []int{2, 4, 6, 8, 10}, runs["resumed"]["a"].Steps())
			require.Equal(t, []any{0.0, 4.0, 4.0, 8.0, 8.0}, runs["resumed"]["a"].Values())
			require.Equal(t, []int{2, 4, 6, 8, 10}, runs["resumed"]["b"].Steps())
		})
	}
}

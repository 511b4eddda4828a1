package data

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// The devkit as it comes: its list of numbers, and what they stand for in a MATLAB file.
func TestImageNetDevkit(t *testing.T) {
	meta, err := os.ReadFile("internal/matfile/testdata/compressed.mat")
	require.NoError(t, err)
	const kit = "ILSVRC2012_devkit_t12/data/"
	files := map[string]string{
		"ILSVRC2012_img_train/n02119789/a.JPEG":           "grey 1",
		"ILSVRC2012_img_train/n02100735/b.JPEG":           "grey 2",
		"ILSVRC2012_img_val/ILSVRC2012_val_00000001.JPEG": "grey 11",
		"ILSVRC2012_img_val/ILSVRC2012_val_00000002.JPEG": "grey 12",
		kit + "ILSVRC2012_validation_ground_truth.txt":    "2\n1\n",
		kit + "meta.mat": string(meta),
	}
	sets, err := Open(t.Context(), "imagenet:"+tree(t, files), Options{Sample: tensor.Shape{1, 6, 8}})
	require.NoError(t, err)
	require.Equal(t, []string{"Ångström’s setter 🐕", "kit fox, Vulpes macrotis"}, sets.Train.Info().ClassNames)
	require.Equal(t, []string{"0 2", "1 1"}, shown(t, sets.Train))
	require.Equal(t, []string{"0 11", "1 12"}, shown(t, sets.Validation))

	for content, want := range map[string]string{
		string(meta[:len(meta)-40]): "/meta.mat: cut short",
		"1 n02119789\n":             "/meta.mat: expected a MATLAB file of level 5, little-endian",
	} {
		files[kit+"meta.mat"] = content
		_, err := Open(t.Context(), "imagenet:"+tree(t, files), Options{Sample: tensor.Shape{1, 6, 8}})
		require.ErrorContains(t, err, want)
	}
}

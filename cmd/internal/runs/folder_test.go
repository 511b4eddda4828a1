package runs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/zoo"
)

// Trainings that start in the same second get folders of their own.
func TestDefaultRunFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	seen := map[string]bool{}
	for range 3 {
		r, err := New("", "mlp")
		require.NoError(t, err)
		require.Regexp(t, `^runs/mlp-\d{8}-\d{6}(-[23])?$`, filepath.ToSlash(r.Dir))
		require.DirExists(t, r.Dir)
		require.False(t, seen[r.Dir], r.Dir)
		seen[r.Dir] = true
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("runs", nil, 0o666))
	_, err := New("", "mlp")
	require.ErrorContains(t, err, "not a directory (--out names another)")
}

// Whichever file of a run cannot be written, the error names it and nothing half-written stays.
func TestSaveFails(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	model, err := zoo.Find("mlp")
	require.NoError(t, err)
	net, err := nn.Build(dev, model.New(2), []int{1, 2, 2}, 1)
	require.NoError(t, err)
	defer net.Release()
	for _, name := range []string{WeightsFile, LinesFile, TableFile, CurvesFile} {
		t.Run(name, func(t *testing.T) {
			r, err := New(filepath.Join(t.TempDir(), "run"), "mlp")
			require.NoError(t, err)
			blocked := r.Path(name)
			require.NoError(t, os.MkdirAll(filepath.Join(blocked, "in the way"), 0o777)) // a rename onto it fails
			err = r.Epoch(NewEpoch(fit.Epoch{Epoch: 1, Step: 3}), net, nil)
			require.ErrorContains(t, err, blocked)
			require.DirExists(t, blocked)
			left, err := filepath.Glob(filepath.Join(r.Dir, ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

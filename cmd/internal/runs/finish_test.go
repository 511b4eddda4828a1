package runs

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/tensorboard"
)

// begun is a run folder at the start of a training.
func begun(t *testing.T) (*Folder, *nn.Network) {
	t.Helper()
	net, err := nn.Describe(nn.Sequential(nn.Flatten(), nn.Linear(2)), []int{1, 2, 2})
	require.NoError(t, err)
	r, err := New(filepath.Join(t.TempDir(), "run"), "mlp")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	require.NoError(t, os.WriteFile(r.Path(ConfigFile), []byte("model: mlp\n"), 0o666))
	return r, net
}

// blocked puts a folder that is not empty where a file goes: a rename onto it fails, whoever tries.
func blocked(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o777))
}

// Whichever file of the end cannot be written, the error names it; what came before is there, and nothing half-written.
func TestEndFails(t *testing.T) {
	made := []string{MatrixFile, MatrixPlot, MistakesFile, LinesFile, ReportFile}
	for i, name := range made {
		t.Run(name, func(t *testing.T) {
			r, net := begun(t)
			require.NoError(t, r.Begin(net, "mlp", nil))
			blocked(t, r.Path(name))
			m := &Matrix{Confusion: fit.NewConfusion(2)}
			m.Add([]float64{1, 2, 2, 1}, []int32{0, 0})
			require.ErrorContains(t, r.End(Done{Event: "done", Epochs: 1}, m, []Mistake{{Picture: image.NewGray(image.Rect(0, 0, 3, 2))}}), r.Path(name)+": ")
			for _, before := range made[:i] {
				require.FileExists(t, r.Path(before))
			}
			left, err := filepath.Glob(r.Path(".*.tmp"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// A run that went on, and makes no mistakes any more, shows none.
func TestEndWithoutMistakes(t *testing.T) {
	r, net := begun(t)
	require.NoError(t, r.Begin(net, "mlp", nil))
	done := Done{Event: "done", Epochs: 1}
	require.NoError(t, r.End(done, nil, []Mistake{{Picture: image.NewGray(image.Rect(0, 0, 3, 2))}}))
	require.FileExists(t, r.Path(MistakesFile))
	require.NoError(t, r.End(done, nil, nil))
	require.NoFileExists(t, r.Path(MistakesFile))
}

func TestBeginFails(t *testing.T) {
	r, net := begun(t)
	blocked(t, r.Path(SummaryFile))
	require.ErrorContains(t, r.Begin(net, "mlp", nil), r.Path(SummaryFile)+": ")
	r, net = begun(t)
	require.NoError(t, os.Remove(r.Path(ConfigFile)))
	require.ErrorContains(t, r.Begin(net, "mlp", nil), r.Path(ConfigFile))
}

// The event file says what was trained from the start on, and is closed with the folder.
func TestBegin(t *testing.T) {
	r, net := begun(t)
	require.NoError(t, r.Begin(net, "mlp", []string{"Device: a", "Data: b"}))
	summary, err := os.ReadFile(r.Path(SummaryFile))
	require.NoError(t, err)
	require.Regexp(t, `(?s)^Model: "mlp"\n.*Total params: 10\n.*Device: a\nData: b\nStarted: .*\n$`, string(summary))
	files, err := filepath.Glob(r.Path(tensorboard.Pattern))
	require.NoError(t, err)
	require.Len(t, files, 1)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Contains(t, string(content), "    model: mlp")
	require.Contains(t, string(content), "    Device: a\n    Data: b\n    Started: ")
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
}

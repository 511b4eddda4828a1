package runs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stoppedRun is a folder whose epochs had these validation losses, with all that a killed training leaves.
func stoppedRun(t *testing.T, losses ...float64) string {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for i, loss := range losses {
		require.NoError(t, json.NewEncoder(&lines).Encode(Epoch{Event: "epoch", Epoch: i + 1, Step: 3 * (i + 1), TrainLoss: 1.0 / 3, ValLoss: &loss}))
	}
	for name, content := range map[string]string{ConfigFile: "epochs: 9\n", LinesFile: lines.String(), BestFile: "best", ".metrics.jsonl.7-7-7.tmp": "half"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}
	return dir
}

// What was over when training was stopped stays to the byte, the rest goes: lines, half-written files, and the best weights if
// they are of what goes.
func TestRewind(t *testing.T) {
	for _, row := range []struct {
		losses []float64
		epochs int
		best   bool // stays
	}{
		{[]float64{3, 2, 1}, 3, true},
		{[]float64{3, 2, 1}, 2, false},
		{[]float64{1, 2, 3}, 1, true},
		{[]float64{1, 1}, 1, true},
		{[]float64{1}, 0, false},
		{nil, 0, true},
	} {
		dir := stoppedRun(t, row.losses...)
		before, err := os.ReadFile(filepath.Join(dir, LinesFile))
		require.NoError(t, err)
		r, run, err := Resume(dir)
		require.NoError(t, err)
		require.Len(t, run.Epochs, len(row.losses))
		require.NoError(t, r.Rewind(row.epochs))
		require.Equal(t, strings.Join(strings.SplitAfter(string(before), "\n")[:row.epochs], ""), r.lines.String())
		require.Len(t, r.epochs, row.epochs)
		_, err = os.Stat(filepath.Join(dir, BestFile))
		require.Equal(t, row.best, err == nil, "%v: %v", row.losses, err)
		require.NoFileExists(t, filepath.Join(dir, ".metrics.jsonl.7-7-7.tmp"))
		require.NoError(t, r.Close())
	}
	r, _, err := Resume(stoppedRun(t, 1, 2))
	require.NoError(t, err)
	require.ErrorContains(t, r.Rewind(3), "metrics.jsonl: 2 epochs, expected at least the 3 of the checkpoint")
	require.NoError(t, r.Close())
}

//go:build unix

package runs

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// One training at a time has a folder, until it closes it.
func TestLock(t *testing.T) {
	dir := stoppedRun(t)
	first, _, err := Resume(dir)
	require.NoError(t, err)
	_, _, err = Resume(dir)
	require.EqualError(t, err, dir+": another training is at work there")
	fresh := filepath.Join(t.TempDir(), "run")
	other, err := New(fresh, "mlp")
	require.NoError(t, err)
	_, err = New(fresh, "mlp")
	require.EqualError(t, err, "--out "+fresh+": another training is at work there")
	require.NoError(t, other.Close())
	require.NoError(t, first.Close())
	require.NoError(t, first.Close(), "once more")
	second, _, err := Resume(dir)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

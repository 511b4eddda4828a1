//go:build unix

package atomic

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	first, err := Lock(dir)
	require.NoError(t, err)
	_, err = Lock(dir)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, first.Release())
	require.NoError(t, first.Release(), "once more")
	second, err := Lock(dir)
	require.NoError(t, err)
	require.NoError(t, second.Release())
	var none *Held
	require.NoError(t, none.Release())
	_, err = Lock(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

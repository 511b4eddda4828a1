// Package unprivileged lets tests that run as root meet the permissions that others meet.
package unprivileged

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Folder makes a folder of the given mode that goes with the test. Unlike t.TempDir's it can be reached by all users.
func Folder(t testing.TB, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, mode))
	t.Cleanup(func() { os.Chmod(dir, 0o777) })
	return dir
}

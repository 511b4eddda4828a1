package atomic_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data/atomic"
	"fovea/data/internal/unprivileged"
)

func fill(names ...string) func(dir string) error {
	return func(dir string) error {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o666); err != nil {
				return err
			}
		}
		return nil
	}
}

// list is what a folder holds, hidden entries too.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFolder(t *testing.T) {
	for _, name := range []string{"made", "made/"} {
		dir := t.TempDir()
		require.NoError(t, atomic.WriteFolder(filepath.Join(dir, name), fill("a", "b")))
		require.Equal(t, []string{"made"}, list(t, dir))
		require.Equal(t, []string{"a", "b"}, list(t, filepath.Join(dir, "made")))
	}
	t.Chdir(t.TempDir())
	require.NoError(t, atomic.WriteFolder("here", fill("a")))
	require.Equal(t, []string{"here"}, list(t, "."))
}

// Whatever goes wrong, nothing is there afterwards that was not there before.
func TestWriteFolderFails(t *testing.T) {
	broken := errors.New("broken")
	for _, row := range []struct {
		name string
		fill func(dir string) error
		want error
	}{
		{"by its error", func(string) error { return broken }, broken},
		{"half-way", func(dir string) error { return errors.Join(fill("a")(dir), broken) }, broken},
		{"a file that cannot be opened", func(dir string) error { return os.Symlink("nowhere/at/all", filepath.Join(dir, "link")) }, fs.ErrNotExist},
		{"the folder is taken away", os.RemoveAll, fs.ErrNotExist},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			require.ErrorIs(t, atomic.WriteFolder(filepath.Join(dir, "made"), row.fill), row.want)
			require.Empty(t, list(t, dir))
		})
	}
	t.Run("panic", func(t *testing.T) {
		dir := t.TempDir()
		require.Panics(t, func() { atomic.WriteFolder(filepath.Join(dir, "made"), func(string) error { panic("lost") }) })
		require.Empty(t, list(t, dir))
	})
	t.Run("there already", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, atomic.WriteFolder(filepath.Join(dir, "made"), fill("a")))
		require.ErrorIs(t, atomic.WriteFolder(filepath.Join(dir, "made"), fill("b")), fs.ErrExist)
		require.Equal(t, []string{"made"}, list(t, dir))
		require.Equal(t, []string{"a"}, list(t, filepath.Join(dir, "made")))
	})
	t.Run("no permission", func(t *testing.T) {
		dir := unprivileged.Folder(t, 0o555)
		unprivileged.Do(t, func() {
			require.ErrorIs(t, atomic.WriteFolder(filepath.Join(dir, "made"), fill("a")), fs.ErrPermission)
		})
		require.Empty(t, list(t, dir))
	})
}

// What killed writers have left goes, and nothing else.
func TestClearAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".a.1-2-3.tmp", ".made.12-34-1.tmp", "kept", ".kept", ".kept.tmp", ".kept.x.tmp", "kept.1-2-3.tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o777))
		require.NoError(t, fill("inside")(filepath.Join(dir, name)))
	}
	require.NoError(t, atomic.ClearAll(dir))
	require.Equal(t, []string{".kept", ".kept.tmp", ".kept.x.tmp", "kept", "kept.1-2-3.tmp"}, list(t, dir))
	require.NoError(t, atomic.ClearAll(filepath.Join(dir, "not there")))
}

func TestRemoveFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, atomic.WriteFolder(filepath.Join(dir, "made"), fill("a", "b")))
	require.NoError(t, atomic.RemoveFolder(filepath.Join(dir, "made")))
	require.Empty(t, list(t, dir))
	require.ErrorIs(t, atomic.RemoveFolder(filepath.Join(dir, "made")), fs.ErrNotExist)

	locked := unprivileged.Folder(t, 0o777)
	require.NoError(t, atomic.WriteFolder(filepath.Join(locked, "made"), fill("a", "b")))
	require.NoError(t, os.Chmod(filepath.Join(locked, "made"), 0o777))
	require.NoError(t, os.Chmod(locked, 0o555))
	unprivileged.Do(t, func() { require.ErrorIs(t, atomic.RemoveFolder(filepath.Join(locked, "made")), fs.ErrPermission) })
	require.Equal(t, []string{"a", "b"}, list(t, filepath.Join(locked, "made")))
}

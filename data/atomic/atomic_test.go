package atomic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/data/internal/unprivileged"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// holds says that dir has these files, "name=content", and nothing else.
func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := []string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		found = append(found, e.Name()+"="+string(content))
	}
	require.Equal(t, append([]string{}, want...), found)
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, text("first, and longer")))
	holds(t, dir, "f=first, and longer")
	require.NoError(t, WriteFile(path, func(w io.Writer) error {
		holds := func() string {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			return string(content)
		}
		require.NoError(t, text("sec")(w))
		require.Equal(t, "first, and longer", holds(), "while writing")
		return text("ond")(w)
	}))
	holds(t, dir, "f=second")

	t.Chdir(dir)
	require.NoError(t, WriteFile("f", text("third")))
	holds(t, dir, "f=third")
}

func TestWriteFileErrors(t *testing.T) {
	broken := errors.New("broken")
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, text("old")))

	err := WriteFile(path, func(w io.Writer) error {
		require.NoError(t, text("half of it")(w))
		return broken
	})
	require.ErrorIs(t, err, broken)
	holds(t, dir, "f=old")

	require.PanicsWithValue(t, "broken", func() {
		WriteFile(path, func(w io.Writer) error { panic("broken") })
	})
	holds(t, dir, "f=old")

	err = WriteFile(path, func(w io.Writer) error { return w.(io.Closer).Close() })
	require.ErrorIs(t, err, fs.ErrClosed, "neither may a file that did not reach the disk take the name")
	holds(t, dir, "f=old")

	require.ErrorContains(t, WriteFile(dir+"/", text("x")), "no file name")
	require.ErrorIs(t, WriteFile(filepath.Join(dir, "none", "f"), text("x")), fs.ErrNotExist)
	require.ErrorIs(t, WriteFile(filepath.Join(path, "f"), text("x")), syscall.ENOTDIR)
	holds(t, dir, "f=old")

	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o777))
	require.Error(t, WriteFile(folder, text("x")))
	holds(t, folder)
	entries, err := os.ReadDir(filepath.Dir(folder))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestWriteFileInUnwritableFolder(t *testing.T) {
	dir := unprivileged.Folder(t, 0o777)
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, text("old")))
	require.NoError(t, os.Chmod(dir, 0o555))
	var reads, err error
	unprivileged.Do(t, func() {
		_, reads = os.ReadFile(path)
		err = WriteFile(path, text("new"))
	})
	require.NoError(t, reads)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, dir)
	holds(t, dir, "f=old")
}

// A folder that may be written but not listed cannot be synced; the file is there and whole.
func TestWriteFileInUnreadableFolder(t *testing.T) {
	dir := unprivileged.Folder(t, 0o333)
	var err error
	unprivileged.Do(t, func() { err = WriteFile(filepath.Join(dir, "f"), text("new")) })
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o777))
	holds(t, dir, "f=new")
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	const writers, times = 8, 20
	long := strings.Repeat("x", 1<<16)
	whole := map[string]bool{}
	for i := range writers {
		whole[fmt.Sprint(i, long)] = true
	}
	require.NoError(t, WriteFile(path, text("0 "+long)))
	var group sync.WaitGroup
	failed := make(chan error, writers)
	for i := range writers {
		group.Go(func() {
			for range times {
				if err := WriteFile(path, text(fmt.Sprint(i, long))); err != nil {
					failed <- err
					return
				}
				content, err := os.ReadFile(path)
				if err != nil || !whole[string(content)] {
					failed <- fmt.Errorf("read %d bytes, %w: not what one of the writers wrote", len(content), err)
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	require.NoError(t, <-failed)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

const victim = "FOVEA_ATOMIC_TEST_VICTIM"

// TestKilledWriter kills a process that writes; it is that process, too.
func TestKilledWriter(t *testing.T) {
	if path := os.Getenv(victim); path != "" {
		WriteFile(path, func(w io.Writer) error {
			text("half of it")(w)
			fmt.Println("writing")
			time.Sleep(time.Minute)
			return nil
		})
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, text("old")))
	writer := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	writer.Env = append(os.Environ(), victim+"="+path)
	out, err := writer.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, writer.Start())
	_, err = io.ReadFull(out, make([]byte, len("writing")))
	require.NoError(t, err)
	require.NoError(t, writer.Process.Kill())
	require.Error(t, writer.Wait())

	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(content))
	left, err := filepath.Glob(filepath.Join(dir, ".f.*.tmp"))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, WriteFile(path, text("new")))
	require.FileExists(t, left[0], "a young temporary file may belong to a writer at work")
	old := time.Now().Add(-2 * staleAfter)
	require.NoError(t, os.Chtimes(left[0], old, old))
	require.NoError(t, WriteFile(path, text("newer")))
	holds(t, dir, "f=newer")
}

func TestClearStaleLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * staleAfter)
	put := func(name string, age time.Time) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o666))
		require.NoError(t, os.Chtimes(path, age, age))
	}
	for _, name := range []string{"f", ".f", ".f.tmp", ".f.notes.tmp", ".f.gz.1-2-3.tmp", ".g.1-2-3.tmp", "f.1-2-3.tmp", ".f.1-2-3.tmp.gz"} {
		put(name, old)
	}
	put(".f.4-5-6.tmp", time.Now())
	before, err := os.ReadDir(dir)
	require.NoError(t, err)
	put(".f.1-2-3.tmp", old)
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".f.7-8-9.tmp"), 0o777))
	require.NoError(t, os.Chtimes(filepath.Join(dir, ".f.7-8-9.tmp"), old, old))

	ClearStale(dir, "f")
	ClearStale(filepath.Join(dir, "none"), "f")
	after, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := func(entries []fs.DirEntry) (names []string) {
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	require.ElementsMatch(t, append(names(before), ".f.7-8-9.tmp"), names(after))
}

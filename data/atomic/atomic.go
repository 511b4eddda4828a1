package atomic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// staleAfter is the age at which a temporary file cannot belong to a writer at work.
const staleAfter = time.Hour

// writers tells the temporary files of this process from one another; the clock alone may stand still between two.
var writers atomic.Uint64

// WriteFile makes path hold what write writes, or leaves it as it was: the content goes to a sibling, reaches the disk,
// and takes path's name in one step. Of writers at the same time, the last to end wins.
func WriteFile(path string, write func(io.Writer) error) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if base == "" {
		return fmt.Errorf("write %q: no file name", path)
	}
	ClearStale(dir, base)
	// Not os.CreateTemp: its mode 0600 would stay with the file, whereas 0666 leaves the choice to the umask.
	temporary := filepath.Join(dir, sibling(base))
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	renamed := false
	defer func() { // also when write panics
		if !renamed {
			file.Close()
			os.Remove(temporary)
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	renamed = true
	return syncDir(dir)
}

// sibling is a temporary name for what will be base.
func sibling(base string) string {
	return fmt.Sprintf(".%s.%d-%d-%d.tmp", base, os.Getpid(), time.Now().UnixNano(), writers.Add(1))
}

// syncDir makes a rename in dir last through a power cut, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // cannot open folders
		return nil
	}
	folder, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) { // a folder may be written and not read; the content is whole either way
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	// Some network file systems refuse to sync a folder.
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// ClearStale removes what writers of the file base that were killed have left in dir; WriteFile does it for its own.
func ClearStale(dir, base string) {
	for _, e := range leftovers(dir, func(name string) bool { return name == base }) {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// ClearAll removes what killed writers of any file or folder have left in dir. Nobody may be writing there.
func ClearAll(dir string) error {
	var errs []error
	for _, e := range leftovers(dir, func(string) bool { return true }) {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// leftovers are the temporary entries of dir for what has such a name. A folder that cannot be read has none: the write itself
// will say so.
func leftovers(dir string, ours func(base string) bool) []os.DirEntry {
	entries, _ := os.ReadDir(dir)
	return slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		rest, hidden := strings.CutPrefix(e.Name(), ".")
		rest, temporary := strings.CutSuffix(rest, ".tmp")
		dot := strings.LastIndexByte(rest, '.')
		return !hidden || !temporary || dot < 1 || strings.Trim(rest[dot:], ".0123456789-") != "" || !ours(rest[:dot])
	})
}

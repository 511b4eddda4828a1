package atomic

import (
	"os"
	"path/filepath"
)

// WriteFolder makes path a folder with the files that fill puts into the one it is given, or makes nothing: they go to a sibling,
// reach the disk, and the folder takes path's name in one step. It fails if there is something of that name, but for an empty
// folder.
func WriteFolder(path string, fill func(dir string) error) (err error) {
	parent, base := filepath.Split(filepath.Clean(path))
	if parent == "" {
		parent = "."
	}
	temporary := filepath.Join(parent, sibling(base))
	if err := os.Mkdir(temporary, 0o777); err != nil {
		return err
	}
	renamed := false
	defer func() { // also when fill panics
		if !renamed {
			os.RemoveAll(temporary)
		}
	}()
	if err := fill(temporary); err != nil {
		return err
	}
	entries, err := os.ReadDir(temporary)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := syncFile(filepath.Join(temporary, e.Name())); err != nil {
			return err
		}
	}
	if err := syncDir(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	renamed = true
	return syncDir(parent)
}

// RemoveFolder removes a folder with all that is in it, or leaves it as it was: what is half removed has a temporary name, see
// ClearAll.
func RemoveFolder(path string) error {
	parent, base := filepath.Split(filepath.Clean(path))
	temporary := filepath.Join(parent, sibling(base))
	if err := os.Rename(path, temporary); err != nil {
		return err
	}
	return os.RemoveAll(temporary)
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = file.Sync()
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

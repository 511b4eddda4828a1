//go:build unix

package runs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock makes the folder this training's own, until Close or the end of the process, however it ends.
func (r *Folder) lock() error {
	dir, err := os.Open(r.Dir)
	if errors.Is(err, os.ErrPermission) { // a folder may be written and not read; two trainings at once are not the rule
		return nil
	}
	if err != nil {
		return err
	}
	// Some network file systems have no locks.
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		dir.Close()
		return fmt.Errorf("another training is at work there")
	}
	r.held = dir
	return nil
}

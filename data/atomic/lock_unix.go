//go:build unix

package atomic

import (
	"errors"
	"os"
	"syscall"
)

// Lock makes a folder the caller's own among all who ask, in this process too, until Release or the end of the process, however it
// ends; ErrLocked says that another has it. Where there are no locks (some network file systems), or the folder may be written and
// not read, nil is returned: two at once are not the rule.
func Lock(path string) (*Held, error) {
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &Held{dir}, nil
	}
	dir.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	return nil, nil
}

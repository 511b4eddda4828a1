package atomic

import (
	"errors"
	"os"
)

// ErrLocked says that a folder is locked.
var ErrLocked = errors.New("locked by another program")

// Held is a folder's lock. Nil is none: Release does nothing then.
type Held struct{ dir *os.File }

// Release lets others have the folder. Calling it again does nothing.
func (h *Held) Release() error {
	if h == nil || h.dir == nil {
		return nil
	}
	err := h.dir.Close()
	h.dir = nil
	return err
}

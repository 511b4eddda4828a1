package cli

import (
	"os"
	"sync/atomic"
	"time"
)

// signals are the interrupts that Main heeds.
var signals = make(chan os.Signal, 2)

// Interrupt is what the signal would be: for a terminal that hands on Ctrl+C as a key.
func Interrupt() {
	select {
	case signals <- os.Interrupt:
	default: // two are waiting, and more than that have no meaning
	}
}

// restoring is how long a terminal may keep a second interrupt waiting.
const restoring = time.Second

var restore atomic.Pointer[func()]

// BeforeExit has a second interrupt call f, which gives a terminal back as it was, before it ends the program.
func BeforeExit(f func()) { restore.Store(&f) }

func restoreTerminal() {
	f := restore.Load()
	if f == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		(*f)()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(restoring):
	}
}

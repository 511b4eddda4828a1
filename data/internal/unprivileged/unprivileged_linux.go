package unprivileged

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// nobody is a user that owns nothing.
const nobody = 65534

// Do runs f with the file permissions of an ordinary user; f must not start goroutines that open files.
func Do(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan syscall.Errno)
	go func() {
		// The file-system user belongs to a thread, which ends with this goroutine as it is never unlocked.
		runtime.LockOSThread()
		defer close(done)
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		// The call does not say whether it worked; a second one, which cannot, returns what holds now.
		invalid := ^uintptr(0)
		if now, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, invalid, 0, 0); now != nobody {
			done <- syscall.EPERM
			return
		}
		f()
	}()
	if err := <-done; err != 0 {
		t.Skipf("cannot put root's permissions aside: %v", err)
	}
}

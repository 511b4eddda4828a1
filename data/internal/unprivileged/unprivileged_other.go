//go:build !linux

package unprivileged

import (
	"os"
	"runtime"
	"testing"
)

// Do runs f where the test has the file permissions of an ordinary user.
func Do(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("needs an ordinary Unix user")
	}
	f()
}

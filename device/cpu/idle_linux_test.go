package cpu

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Workers without work let the processor sleep.
func TestIdleWorkersSleep(t *testing.T) {
	used := func() time.Duration {
		var u unix.Rusage
		require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	team := newTeam(2)
	defer team.dismiss()
	team.split(2, func(int, int, int) {})
	time.Sleep(5 * time.Millisecond)
	before := used()
	time.Sleep(100 * time.Millisecond)
	require.Less(t, used()-before, 30*time.Millisecond, "processor time while nothing was to do")
}

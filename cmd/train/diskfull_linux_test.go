package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// tmpfs mounts a small file system, where the test may.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a file system that is small: %v: %s", err, out)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
	return dir
}

// A disk that fills up: an error that says so, the checkpoint before whole, nothing half-written; with room again the training
// goes on to the same end.
func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	npz, disk := grey(t, 64, 12), tmpfs(t, "32m")
	whole, run := filepath.Join(t.TempDir(), "whole"), filepath.Join(disk, "run")
	programtest.Succeed(t, train, rich(npz, whole)...)
	interrupted(t, 1, rich(npz, run, "--checkpoint-steps", "1")...)
	filler := filepath.Join(disk, "filler")
	failures := 0
	for _, room := range []int64{0, 4 << 10, 200 << 10, 1 << 20, 2 << 20, 3 << 20} {
		require.NoError(t, os.RemoveAll(filler))
		var free syscall.Statfs_t
		require.NoError(t, syscall.Statfs(disk, &free))
		require.NoError(t, os.WriteFile(filler, make([]byte, max(0, int64(free.Bavail)*int64(free.Bsize)-room)), 0o666))
		r := programtest.Run(train, "--resume", run)
		if r.Code == 0 {
			break
		}
		failures++
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Stderr, "no space left on device", "room for %d bytes", room)
		require.Equal(t, 1, strings.Count(strings.TrimSpace(r.Stderr[strings.LastIndex(r.Stderr, "program: "):]), "\n")+1, r.Stderr)
		hidden, err := filepath.Glob(filepath.Join(run, runs.Checkpoints, ".*"))
		require.NoError(t, err)
		require.Empty(t, hidden)
	}
	require.Greater(t, failures, 2)
	require.NoError(t, os.RemoveAll(filler))
	programtest.Succeed(t, train, "--resume", run)
	sameRun(t, whole, run)
}

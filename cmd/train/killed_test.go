//go:build unix

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// begin starts a training, or goes on with one.
func begin(t *testing.T, program, run string, args []string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(run, runs.ConfigFile)); err == nil {
		args = []string{"--resume", run}
	}
	cmd, stderr := exec.Command(program, args...), &bytes.Buffer{}
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	return cmd, stderr
}

// saving waits until a checkpoint or weights are being written, or the program has ended.
func saving(run string, ended <-chan error) {
	for {
		select {
		case <-ended:
			return
		default:
		}
		for _, dir := range []string{filepath.Join(run, runs.Checkpoints), run} {
			if found, _ := filepath.Glob(filepath.Join(dir, ".*.tmp")); len(found) > 0 {
				return
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// A training that is killed again and again, at random moments and in the middle of saving, ends with the bytes of one that
// never was; so does one that is interrupted.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	program, npz := programtest.Build(t), grey(t, 64, 12)
	whole := filepath.Join(t.TempDir(), "whole")
	args := func(out string) []string { return rich(npz, out, "--checkpoint-steps", "1") }
	begun := time.Now()
	programtest.Succeed(t, train, args(whole)...)
	long := time.Since(begun)
	for _, row := range []struct {
		name   string
		signal syscall.Signal
		times  int
	}{{"killed", syscall.SIGKILL, 22}, {"interrupted", syscall.SIGINT, 4}, {"terminated", syscall.SIGTERM, 4}} {
		t.Run(row.name, func(t *testing.T) {
			run, sent, left := "", 0, 0
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			for again := 0; sent < row.times; again++ { // as many trainings as it takes
				require.Less(t, again, 40)
				run = filepath.Join(t.TempDir(), "run")
				for over := false; !over; {
					cmd, stderr := begin(t, program, run, args(run))
					ended := make(chan error, 1)
					go func() {
						err := cmd.Wait()
						ended <- err
						close(ended)
					}()
					last := sent >= row.times
					if !last {
						time.Sleep(time.Duration(random.Int64N(int64(long / 4))))
						if random.IntN(3) > 0 {
							saving(run, ended)
							time.Sleep(time.Duration(random.Int64N(int64(5 * time.Millisecond))))
						}
						if cmd.Process.Signal(row.signal) == nil {
							sent++
						}
					}
					<-ended
					switch code := cmd.ProcessState.ExitCode(); {
					case code == 0:
						over = true
					case row.signal == syscall.SIGKILL:
						require.Equal(t, -1, code, "%s", stderr)
						if found, _ := filepath.Glob(filepath.Join(run, runs.Checkpoints, ".*.tmp")); len(found) > 0 {
							left++
						}
					default:
						// An interrupt finds the program in its first milliseconds, before it listens, too.
						require.True(t, code == 130 || code == -1, "%d: %s", code, stderr)
						hidden, err := filepath.Glob(filepath.Join(run, runs.Checkpoints, ".*"))
						require.NoError(t, err)
						require.Empty(t, hidden, "%s", stderr)
					}
				}
				sameRun(t, whole, run)
			}
			t.Logf("%d signals, %d unfinished checkpoints left", sent, left)
			if row.signal == syscall.SIGKILL {
				require.Positive(t, left, "no kill was in the middle of a checkpoint")
			}
		})
	}
}

// A second training does not touch what the first has.
func TestResumeWhileItRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	program, npz := programtest.Build(t), programtest.BarsNPZ(t, 64, 8)
	out := filepath.Join(t.TempDir(), "run")
	p := start(t, program, short(npz, out, "--epochs", "1000000", "--log", "json")...)
	p.line(t, p.stdout)
	r := programtest.Run(train, "--resume", out)
	require.Equal(t, 1, r.Code)
	require.Equal(t, "program: --resume "+out+": another training is at work there\n", r.Stderr)
	p.signal(t, os.Interrupt)
	require.Contains(t, p.wait(t, 130), "; --resume "+out+" goes on\n")
}

// A folder that may only be read: an error that says so, and all stays as it was.
func TestReadOnlyRun(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	npz, dir := grey(t, 64, 12), t.TempDir()
	whole, run := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	programtest.Succeed(t, train, rich(npz, whole)...)
	interrupted(t, 1, rich(npz, run)...)
	before := contents(t, run)
	chmod := func(folders, files os.FileMode) {
		require.NoError(t, filepath.WalkDir(run, func(path string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() {
				return os.Chmod(path, folders)
			}
			return os.Chmod(path, files)
		}))
	}
	chmod(0o555, 0o444)
	program, args := programtest.Build(t), []string{"--resume", run}
	cmd := exec.Command(program, args...)
	if os.Geteuid() == 0 { // may write anywhere
		for path := dir; path != os.TempDir(); path = filepath.Dir(path) {
			require.NoError(t, os.Chmod(path, 0o755))
		}
		require.NoError(t, os.Chmod(filepath.Dir(npz), 0o755))
		require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(npz)), 0o755))
		require.NoError(t, os.Chmod(filepath.Dir(program), 0o755))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Run()
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), stderr.String())
	require.Regexp(t, `\ntrain: .*/run/\S+: permission denied\n$`, "\n"+stderr.String())
	require.Equal(t, before, contents(t, run))
	chmod(0o755, 0o644)
	programtest.Succeed(t, train, args...)
	sameRun(t, whole, run)
}

// contents is all that a folder holds.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	}))
	return all
}

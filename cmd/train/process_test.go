//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// What only a process has: exit codes, signals, limits.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	program, npz := programtest.Build(t), programtest.BarsNPZ(t, 64, 8)

	t.Run("exit codes", func(t *testing.T) {
		for _, row := range []struct {
			args []string
			code int
		}{
			{short(npz, filepath.Join(t.TempDir(), "run")), 0},
			{[]string{"--help"}, 0},
			{short(npz, filepath.Join(t.TempDir(), "run"), "--lr", "NaN"), 2},
			{short(npz, filepath.Join(t.TempDir(), "run"), "--device", "tpu"), 2},
			{short(npz, "/dev/null"), 1},
			{short(npz, filepath.Join(t.TempDir(), "run"), "--optimizer", "sgd", "--lr", "1e38"), 1},
		} {
			var stderr bytes.Buffer
			cmd := exec.Command(program, row.args...)
			cmd.Stderr = &stderr
			cmd.Run()
			require.Equal(t, row.code, cmd.ProcessState.ExitCode(), "%v: %s", row.args, &stderr)
		}
	})

	// The first interrupt finishes the step and saves: the weights are those of a training told to stop there.
	t.Run("interrupt", func(t *testing.T) {
		for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			out := filepath.Join(t.TempDir(), "run")
			args := func(out string, more ...string) []string {
				return short(npz, out, append(more, "--epochs", "1000000", "--log", "json", "--threads", "1", "--deterministic-algorithms")...)
			}
			p := start(t, program, args(out)...)
			for range 3 {
				p.line(t, p.stdout)
			}
			p.signal(t, signal)
			stderr := p.wait(t, 130)
			require.Contains(t, stderr, "train: interrupted; the weights are in "+filepath.Join(out, runs.WeightsFile)+"; --resume "+out+" goes on\n")
			all := lines(t, string(fileOf(t, out, runs.LinesFile)))
			steps := strconv.Itoa(int(all[len(all)-1]["step"].(float64)))
			hidden, err := filepath.Glob(filepath.Join(out, ".*"))
			require.NoError(t, err)
			require.Empty(t, hidden)
			programtest.Succeed(t, train, args(out+"2", "--max-steps", steps)...)
			require.True(t, bytes.Equal(fileOf(t, out+"2", runs.WeightsFile), fileOf(t, out, runs.WeightsFile)), "interrupted after step %s", steps)
		}
	})

	// A second one does not wait for a step that takes long: float64 loops over 1500 samples of 28x28.
	t.Run("second interrupt", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "run")
		p := start(t, program, short(programtest.BarsNPZ(t, 1500, 28), out, "--device", "reference", "--batch", "1500")...)
		for !strings.HasPrefix(p.line(t, p.stdout), "Data: ") {
		}
		time.Sleep(200 * time.Millisecond)
		p.signal(t, os.Interrupt)
		select {
		case <-p.ended:
			t.Fatal("the first interrupt did not let the step finish")
		case <-time.After(300 * time.Millisecond):
		}
		sent := time.Now()
		p.signal(t, os.Interrupt)
		p.wait(t, 130)
		require.Less(t, time.Since(sent), 3*time.Second)
		require.NoFileExists(t, filepath.Join(out, runs.WeightsFile))
	})

	// A disk that fills up: here, a limit on the size of files.
	t.Run("file too large", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "run")
		cmd := exec.Command("sh", append([]string{"-c", `trap '' XFSZ; ulimit -f 64; exec "$@"`, "sh", program}, short(npz, out)...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		cmd.Run()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), stderr.String())
		require.Regexp(t, `^train: weights .*model.safetensors: .*file too large\n$`, stderr.String())
		for _, name := range []string{runs.WeightsFile, runs.LinesFile} {
			require.NoFileExists(t, filepath.Join(out, name))
		}
		require.NoDirExists(t, filepath.Join(out, runs.Checkpoints))
		hidden, err := filepath.Glob(filepath.Join(out, ".*"))
		require.NoError(t, err)
		require.Empty(t, hidden)
	})

	t.Run("standard output full", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("this system has no /dev/full")
		}
		defer full.Close()
		for _, form := range []string{"text", "json"} {
			cmd := exec.Command(program, short(npz, filepath.Join(t.TempDir(), "run"), "--log", form)...)
			cmd.Stdout = full
			cmd.Run()
			require.Equal(t, 1, cmd.ProcessState.ExitCode())
		}
	})
}

// process is a program at work.
type process struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
	ended  chan struct{}
}

func start(t *testing.T, program string, args ...string) *process {
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	p.cmd.Stdout, p.cmd.Stderr, p.stdout = write, &p.stderr, bufio.NewReader(read)
	require.NoError(t, p.cmd.Start())
	write.Close()
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // does nothing if it has ended
		<-p.ended
		read.Close()
	})
	return p
}

func (p *process) line(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	line, err := from.ReadString('\n')
	require.NoError(t, err, "%s", line)
	return line
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// wait drains standard output, without which the program might not end, and returns standard error.
func (p *process) wait(t *testing.T, code int) string {
	t.Helper()
	go io.Copy(io.Discard, p.stdout)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the program did not end")
	}
	require.Equal(t, code, p.cmd.ProcessState.ExitCode(), p.stderr.String())
	return p.stderr.String()
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// What xterm and its kin obey: the alternate screen, and the cursor.
const (
	enterScreen, leaveScreen = "\x1b[?1049h", "\x1b[?1049l"
	showCursor               = "\x1b[?25h"
)

// session is a program at work on a terminal of its own.
type session struct {
	cmd           *exec.Cmd
	master, slave *os.File
	before        unix.Termios
	ended         chan struct{}

	mu   sync.Mutex
	text bytes.Buffer // what the program has written
}

func onTerminal(t *testing.T, program string, args ...string) *session {
	t.Helper()
	s := &session{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	s.master, s.slave = pseudoterminal(t)
	s.before = s.state(t)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.slave, s.slave, s.slave
	s.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, s.cmd.Start())
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := s.master.Read(buffer) // fails when nobody has the other end open any more
			s.mu.Lock()
			s.text.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill() // does nothing if it has ended
		s.slave.Close()
	})
	return s
}

func (s *session) state(t *testing.T) unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return *state
}

func (s *session) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *session) await(t *testing.T, shown string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(s.written(), shown) }, 20*time.Second, 5*time.Millisecond, "%q in %q", shown, s.written())
}

func (s *session) keys(t *testing.T, keys string) {
	t.Helper()
	_, err := s.master.WriteString(keys)
	require.NoError(t, err)
}

// end waits for the program. The terminal must be as it was, and the screen have been there once. It returns what was written before
// and after.
func (s *session) end(t *testing.T, code int) (before, after string) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("the program did not end: %q", s.written())
	}
	require.Equal(t, s.before, s.state(t))
	s.slave.Close()
	<-s.ended
	text := s.written()
	require.Equal(t, code, s.cmd.ProcessState.ExitCode(), "%q", text)
	require.Equal(t, 1, strings.Count(text, enterScreen), "%q", text)
	require.Equal(t, 1, strings.Count(text, leaveScreen), "%q", text)
	require.Contains(t, text, showCursor)
	before, _, _ = strings.Cut(text, enterScreen)
	_, after, _ = strings.Cut(text, leaveScreen)
	return strings.ReplaceAll(before, "\r", ""), strings.ReplaceAll(after, "\r", "")
}

// The whole screen: whatever ends a training, the terminal is as it was, and has the lines that it would have had without.
func TestTUI(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	program, npz := programtest.Build(t), programtest.BarsNPZ(t, 64, 8)
	run := func(t *testing.T) string { return filepath.Join(t.TempDir(), "run") }
	screen := func(out string, more ...string) []string {
		return short(npz, out, append([]string{"--ui", "tui"}, more...)...)
	}
	endless := []string{"--epochs", "1000000", "--val-fraction", "0.25"}

	t.Run("success", func(t *testing.T) {
		out := run(t)
		before, after := onTerminal(t, program, screen(out, "--val-fraction", "0.25", "--epochs", "8")...).end(t, 0)
		require.Regexp(t, `^Model: "mlp"\n(?s:.*)\nDevice: .*\nData: `, before)
		require.Regexp(t, `(Epoch \d/8: .*, accuracy [\d.]+%; validation loss [\d.]+, accuracy [\d.]+%\n){8}Run folder: .*\n(?s:.*)\nTest accuracy: 100.00% .*\n$`, after)
		require.NotContains(t, string(fileOf(t, out, runs.ConfigFile)), "ui:")
	})

	for name, interrupt := range map[string]func(*testing.T, *session){
		"Ctrl+C":             func(t *testing.T, s *session) { s.keys(t, "\x03") },
		"q":                  func(t *testing.T, s *session) { s.keys(t, "q") },
		"SIGTERM":            func(t *testing.T, s *session) { require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM)) },
		"a flood with it":    func(t *testing.T, s *session) { s.keys(t, strings.Repeat("x", 1000)+"q"+strings.Repeat("x", 1000)) },
		"after a key or two": func(t *testing.T, s *session) { s.keys(t, "x\x1b[A\x1a\x03") },
	} {
		t.Run(name, func(t *testing.T) {
			out := run(t)
			s := onTerminal(t, program, screen(out, endless...)...)
			s.await(t, "images/s")
			s.await(t, "⠉") // a curve
			interrupt(t, s)
			_, after := s.end(t, 130)
			require.Contains(t, after, "\nEpoch 2/1000000: ")
			require.True(t, strings.HasSuffix(after, "\ntrain: interrupted; the weights are in "+filepath.Join(out, runs.WeightsFile)+"; --resume "+out+" goes on\n"), after)
			require.NotEmpty(t, weightsOf(t, filepath.Join(out, runs.WeightsFile)))
		})
	}

	t.Run("failure", func(t *testing.T) {
		_, after := onTerminal(t, program, screen(run(t), "--optimizer", "sgd", "--lr", "0.1", "--weight-decay", "40", "--epochs", "100")...).end(t, 1)
		require.Regexp(t, `Epoch 4/100: .*\ntrain: the loss is (NaN at step 40|\+Inf at step 39).*\n$`, after)
	})

	t.Run("resumed, and small", func(t *testing.T) {
		out := run(t)
		programtest.Succeed(t, train, short(npz, out, "--epochs", "1")...)
		s := onTerminal(t, program, "--resume", out, "--ui", "tui", "--epochs", "1000000")
		s.await(t, "images/s")
		require.NoError(t, unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 5, Col: 30}))
		s.await(t, "the training goes on")
		s.keys(t, "q")
		_, after := s.end(t, 130)
		require.Contains(t, after, "Epoch 2/1000000: ")
	})

	t.Run("folds", func(t *testing.T) {
		_, after := onTerminal(t, program, screen(run(t), "--folds", "3")...).end(t, 0)
		require.Regexp(t, `(Fold \d/3: .*\n(Epoch .*\n){2}){3}Run folder: .* \(3 folds\)\n`, after)
	})

	// A step that takes long: the first interrupt gives the terminal back, the second ends the program, also right behind it.
	t.Run("second interrupt", func(t *testing.T) {
		long := short(programtest.BarsNPZ(t, 1500, 28), run(t), "--device", "reference", "--batch", "1500", "--ui", "tui")
		s := onTerminal(t, program, long...)
		s.await(t, "before the first step")
		s.keys(t, "\x03")
		s.await(t, leaveScreen)
		require.Eventually(t, func() bool { return s.state(t) == s.before }, 5*time.Second, time.Millisecond)
		s.keys(t, "\x03")
		s.end(t, 130)

		long[len(short("", ""))-1] = run(t)
		s = onTerminal(t, program, long...)
		s.await(t, "before the first step")
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
		s.end(t, 130)
	})

	t.Run("no such terminal", func(t *testing.T) {
		for _, row := range []struct{ env, shown string }{
			{"TERM=dumb", "--ui tui: the terminal cannot place characters (TERM is dumb) (--ui auto prints lines)"},
			{"TERM=nonsense", `--ui tui: TERM is "nonsense": `},
		} {
			cmd := exec.Command(program, screen(run(t))...)
			cmd.Env = append(os.Environ(), row.env)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
			text := terminal(t, cmd)
			require.Equal(t, 2, cmd.ProcessState.ExitCode(), text)
			require.Contains(t, text, row.shown)
			require.NotContains(t, text, "\x1b")
		}
		cmd := exec.Command(program, screen(run(t))...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // its output is a terminal, but not one that controls it
		text := terminal(t, cmd)
		require.Equal(t, 2, cmd.ProcessState.ExitCode(), text)
		require.Contains(t, text, "--ui tui: open /dev/tty: ")
	})
}

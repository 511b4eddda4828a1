package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fovea/cmd/internal/programtest"
)

// pseudoterminal is a new terminal of 80 columns: the end that a person would have, and the programs' end.
func pseudoterminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system gives no terminals: " + err.Error())
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system gives no terminals: " + err.Error())
	}
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	return master, slave
}

// terminal runs a command with a terminal for output and returns what was written on it.
func terminal(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	master, slave := pseudoterminal(t)
	cmd.Stdout, cmd.Stderr = slave, slave
	require.NoError(t, cmd.Start())
	slave.Close()
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := master.Read(buffer) // fails when nobody has the other end open any more
		all.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	cmd.Wait()
	return all.String()
}

// On a terminal a bar is shown while a training runs, and nothing of it is left, however the training ends.
func TestTerminal(t *testing.T) {
	program, npz := programtest.Build(t), programtest.BarsNPZ(t, 64, 8)
	for _, row := range []struct {
		name string
		args []string
		code int
		last string
	}{
		{"success", nil, 0, `^Test accuracy: `},
		{"divergence", []string{"--optimizer", "sgd", "--lr", "0.1", "--weight-decay", "40", "--epochs", "100"}, 1, `^train: the loss is (NaN at step 40|\+Inf at step 39)`},
	} {
		t.Run(row.name, func(t *testing.T) {
			cmd := exec.Command(program, short(npz, filepath.Join(t.TempDir(), "run"), row.args...)...)
			text := terminal(t, cmd)
			require.Equal(t, row.code, cmd.ProcessState.ExitCode(), text)
			require.Regexp(t, `Epoch 1/\d+: \d+s left, loss [\d.]+, accuracy [\d.]+%, \d+ images/s +\d+% \|`, text)
			finished, current, _ := screen(text)
			require.Empty(t, current)
			require.Regexp(t, row.last, finished[len(finished)-1])
			require.Equal(t, `Model: "mlp"`, strings.TrimRight(finished[0], " "))
			for _, line := range finished {
				require.NotContains(t, line, "|", "something of the bar is left")
				require.NotContains(t, line, " left, ")
			}
		})
	}
}

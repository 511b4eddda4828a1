package docs

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usualPort is what the documentation has servers listen on; a free one of this machine takes its place.
var usualPort = regexp.MustCompile(`^((http://)?[0-9.]*:)?8080\b`)

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// server is a program that goes on until it is interrupted.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{}
	out   record
}

// record is what programs have written, several at once if they are the parts of a pipe.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Reset()
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serve starts a server and waits until it answers at the address that it prints.
func serve(cmd *exec.Cmd) (*server, error) {
	s := &server{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, &s.out, &s.out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		cmd.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if at := address.FindString(s.out.String()); at != "" {
			if answer, err := http.Get(at); err == nil {
				answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					return s, nil
				}
			}
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("the server ended: %s", s.out.String())
		default:
		}
	}
	cmd.Process.Kill()
	<-s.ended
	return nil, fmt.Errorf("the server does not answer: %s", s.out.String())
}

// stop interrupts the server, which ends without a failure.
func (s *server) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-s.ended
		t.Fatalf("the server did not end: %s", s.out.String())
	}
	const interrupted = 130
	require.Contains(t, []int{0, interrupted}, s.cmd.ProcessState.ExitCode(), s.out.String())
}

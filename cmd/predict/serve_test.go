package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/inference"
	"fovea/cmd/internal/programtest"
)

// served is a process that serves.
type served struct {
	*exec.Cmd
	url    string
	stderr bytes.Buffer // whole when the process has ended
	read   chan struct{}
}

// serveProcess starts one, and waits until it says where it listens. It is stopped when the test ends.
func serveProcess(t testing.TB, args ...string) *served {
	t.Helper()
	s := &served{Cmd: exec.Command(programtest.Build(t), append([]string{"--serve", "0"}, args...)...), read: make(chan struct{})}
	pipe, err := s.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(func() { s.Process.Kill(); s.end() })
	where := make(chan string, 1)
	go func() {
		defer close(s.read)
		defer close(where)
		lines := bufio.NewScanner(io.TeeReader(pipe, &s.stderr))
		for lines.Scan() {
			if rest, found := strings.CutPrefix(lines.Text(), "Serving on "); found {
				address, _, _ := strings.Cut(rest, ",")
				where <- address
			}
		}
	}()
	s.url = <-where
	require.NotEmpty(t, s.url, "the server did not come up")
	return s
}

// end waits for the process and returns its exit code.
func (s *served) end() int {
	<-s.read
	s.Wait()
	return s.ProcessState.ExitCode()
}

// post asks for predictions, which must come.
func (s *served) post(t testing.TB, kind string, body []byte) (p struct {
	Predictions []inference.Prediction
}) {
	t.Helper()
	r, err := http.Post(s.url+"/predict", kind, bytes.NewReader(body))
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode, string(text))
	require.NoError(t, json.Unmarshal(text, &p))
	return p
}

// get returns the body at a path.
func (s *served) get(t testing.TB, path string) string {
	t.Helper()
	r, err := http.Get(s.url + path)
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(text)
}

// A server says of pictures what predict --json says of them, and stops when it is told to, with exit code 0.
func TestServe(t *testing.T) {
	path, _ := save(t, &names, true, learn)
	s := serveProcess(t, "--run", filepath.Dir(path), "--top-k", "2")
	two := serveProcess(t, "--run", filepath.Dir(path), "--threads", "2", "--replicas", "2")
	for class := range 4 {
		for _, name := range []string{"a.png", "b.jpg", "c.gif"} {
			file := encode(t, name, bar(class, 40))
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			got := s.post(t, "application/octet-stream", content).Predictions
			require.Len(t, got, 1)
			got[0].Input = file
			text, err := json.Marshal(got[0])
			require.NoError(t, err)
			r := programtest.Succeed(t, predict, "--run", filepath.Dir(path), "--top-k", "2", "--json", file)
			require.JSONEq(t, r.Stdout, string(text), "the same bits, since both compute it alone")
			require.Equal(t, names.ClassNames[class], got[0].Top[0].Name)
			require.Equal(t, names.ClassNames[class], two.post(t, "application/octet-stream", content).Predictions[0].Top[0].Name)
		}
	}
	require.Regexp(t, `"device":"(cpu .*1 thread|cuda:0 ).*","replicas":2,`, two.get(t, "/model"))
	require.NoError(t, two.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, two.end(), two.stderr.String())
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, s.end(), s.stderr.String())
	require.Regexp(t, `(?s)^Device: .*\nServing on http://127\.0\.0\.1:\d+, for this machine only\ntime=\S+ level=INFO msg=stopping "in flight"=0\n$`, s.stderr.String())
}

// An upload that is on its way is answered after SIGINT; the second signal ends the process at once.
func TestServeSignals(t *testing.T) {
	path, _ := save(t, &names, true, nil)
	content, err := os.ReadFile(encode(t, "m.png", bar(1, 8)))
	require.NoError(t, err)
	for _, row := range []struct {
		signals int
		code    int
		status  string
	}{{1, 0, "HTTP/1.1 200 OK"}, {2, 130, ""}} {
		s := serveProcess(t, "--run", filepath.Dir(path))
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		fmt.Fprintf(c, "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", len(content))
		_, err = c.Write(content[:20])
		require.NoError(t, err)
		requireMetric(t, s, "fovea_http_requests_in_flight", 2)
		for range row.signals {
			require.NoError(t, s.Process.Signal(syscall.SIGINT))
			time.Sleep(100 * time.Millisecond)
		}
		c.Write(content[20:])
		line, _ := bufio.NewReader(c).ReadString('\n')
		require.Equal(t, row.status, strings.TrimSpace(line))
		require.NoError(t, c.Close())
		require.Equal(t, row.code, s.end(), s.stderr.String())
	}
}

// requireMetric waits until a metric has a value.
func requireMetric(t *testing.T, s *served, name string, value float64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.metric(t, name) != value; time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "%s is not %v", name, value)
	}
}

// metric reads one without labels.
func (s *served) metric(t testing.TB, name string) (v float64) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(s.get(t, "/metrics")))
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), name+" "); found {
			_, err := fmt.Sscan(rest, &v)
			require.NoError(t, err)
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestServeRefusals(t *testing.T) {
	path, _ := save(t, &names, true, nil)
	run := filepath.Dir(path)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	picture := encode(t, "m.png", bar(0, 8))
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--serve", "0", picture}, 2, `m.png with --serve: expected no inputs`},
		{[]string{"--serve", "0", "--json"}, 2, `--json with --serve: expected one or the other`},
		{[]string{"--serve", "0", "--logits", "x.npy"}, 2, `--logits with --serve: expected one or the other`},
		{[]string{"--serve", "here"}, 2, `--serve: "here", expected PORT or HOST:PORT`},
		{[]string{"--serve", ""}, 2, `--serve: "", expected PORT or HOST:PORT`},
		{[]string{"--serve", taken.Addr().String()}, 1, `--serve: listen tcp .*: address already in use`},
		{[]string{"--queue", "9", picture}, 2, `--queue: expected --serve with it`},
		{[]string{"--serve", "0", "--batch", "20", "--queue", "9"}, 2, `--queue: 9, expected at least 20`},
		{[]string{"--serve", "0", "--max-latency", "2m"}, 2, `--max-latency: 2m0s, expected 0s to 1m`},
		{[]string{"--serve", "0", "--timeout", "0s"}, 2, `--timeout: 0s, expected 1s to 1h`},
		{[]string{"--serve", "0", "--max-body", "2000"}, 2, `--max-body: 2000, expected 1 to 1024`},
		{[]string{"--serve", "0", "--replicas", "0"}, 2, `--replicas: 0, expected 1 to 64`},
		{[]string{"--replicas", "2", picture}, 2, `--replicas: expected --serve with it`},
		{[]string{"--serve", "0", "--max-pixels", "0"}, 2, `--max-pixels: 0, expected 1 to 67`},
	} {
		r := programtest.Run(predict, append([]string{"--run", run}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Regexp(t, row.shown, r.Stderr, "%v", row.args)
		require.Empty(t, r.Stdout)
	}
}

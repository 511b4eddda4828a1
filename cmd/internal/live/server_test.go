package live_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
	"fovea/cmd/internal/live/livetest"
)

// serve shows a board until the test ends, and then nothing of the server runs any more.
func serve(t *testing.T, b *live.Board) (address string) {
	t.Helper()
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := live.Serve(l, b)
	t.Cleanup(func() {
		begin := time.Now()
		require.NoError(t, s.Close())
		require.Less(t, time.Since(begin), live.Words)
		require.ErrorIs(t, <-s.Failed(), http.ErrServerClosed)
		http.DefaultClient.CloseIdleConnections()
		for deadline := begin.Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
			}
		}
		require.NoError(t, s.Close(), "a second time")
	})
	return l.Addr().String()
}

// board has a training that is over, of 2 epochs.
func board(t *testing.T) *live.Board {
	t.Helper()
	b := live.NewBoard()
	livetest.NewTraining(t, b, filepath.Join(t.TempDir(), "bars"), 2, livetest.Classes).Finish()
	return b
}

// stream reads server-sent events.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
}

func listen(t *testing.T, address string) *stream {
	t.Helper()
	r, err := http.Get("http://" + address + "/events")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "text/event-stream", r.Header.Get("Content-Type"))
	t.Cleanup(func() { r.Body.Close() })
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<24)
	return &stream{t, lines, r.Body}
}

// next is the name and the data of the next event.
func (s *stream) next() (name string, changes []live.Change) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch {
		case field == "event":
			name = value
		case field == "data" && name == "change":
			require.NoError(s.t, json.Unmarshal([]byte(value), &changes))
		case field == "" && name != "":
			return name, changes
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return "", nil
}

func TestRequests(t *testing.T) {
	address := serve(t, board(t))
	for _, row := range []struct {
		method, path, host, body string
		site, mode               string
		status                   int
		shown                    string
	}{
		{path: "/", shown: "<!doctype html>"},
		{path: "/page/main.js", shown: "import"},
		{path: "/page/style.css", shown: "color-scheme"},
		{path: "/runs/0", shown: `"parameters":["0.weight","6.weight"]`},
		{method: "HEAD", path: "/"},
		{method: "HEAD", path: "/events"},
		{path: "/", host: "localhost", shown: "<!doctype html>"},
		{path: "/", host: "localhost:1", shown: "<!doctype html>"},
		{path: "/", host: "127.8.9.1:80", shown: "<!doctype html>"},
		{path: "/", host: "[::1]", shown: "<!doctype html>"},
		{path: "/", host: "[::1]:80", shown: "<!doctype html>"},

		{path: "/", host: "evil.example", status: 403, shown: "localhost only"},
		{path: "/events", host: "127.0.0.1.evil.example", status: 403, shown: "localhost only"},
		{path: "/runs/0", host: "localhost.evil.example:80", status: 403, shown: "localhost only"},
		{path: "/", host: "192.168.0.1", status: 403, shown: "localhost only"},
		{path: "/", host: "0.0.0.0", status: 403, shown: "localhost only"},
		{path: "/runs/1", status: 404, shown: "no such run"},
		{path: "/runs/-1", status: 404, shown: "no such run"},
		{path: "/runs/99999999999999999999", status: 404, shown: "no such run"},
		{path: "/runs/..%2f..%2fetc%2fpasswd", status: 404, shown: "no such run"},
		{path: "/runs/0/live.jsonl", status: 404},
		{path: "/page/", status: 404},
		{path: "/page/.", status: 404},
		{path: "/page/..%2fpage.go", status: 404},
		{path: "/page/%2e%2e%2f%2e%2e%2fetc%2fpasswd", status: 404},
		{path: "/page/main.js%00", status: 404},
		{path: "/config.yaml", status: 404},
		{method: "POST", path: "/", status: 405},
		{method: "PUT", path: "/runs/0", status: 405},
		{method: "DELETE", path: "/events", status: 405},
		{method: "POST", path: "/", body: "x", status: 413},
		{method: "GET", path: "/", body: "x", status: 413},
		{path: "/", site: "none", mode: "navigate", shown: "<!doctype html>"},
		{path: "/", site: "cross-site", mode: "navigate", shown: "<!doctype html>"},
		{path: "/runs/0", site: "same-origin", mode: "cors", shown: "parameters"},
		{path: "/events", site: "same-site", mode: "cors", status: 403, shown: "its own page only"},
		{path: "/events", site: "cross-site", mode: "no-cors", status: 403, shown: "its own page only"},
	} {
		t.Run(fmt.Sprint(row.method, row.path, row.host, row.body, row.site), func(t *testing.T) {
			request, err := http.NewRequest(row.method, "http://"+address+row.path, strings.NewReader(row.body))
			require.NoError(t, err)
			request.Host = row.host
			request.Header.Set("Sec-Fetch-Site", row.site)
			request.Header.Set("Sec-Fetch-Mode", row.mode)
			r, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			defer r.Body.Close()
			content, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			if row.status == 0 {
				row.status = 200
			}
			require.Equal(t, row.status, r.StatusCode)
			require.Contains(t, string(content), row.shown)
			require.Contains(t, r.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
			require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
			require.Equal(t, "same-origin", r.Header.Get("Cross-Origin-Resource-Policy"))
			require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
		})
	}
}

// Whoever comes late is told all; what comes then is added; at the end the server says so.
func TestStream(t *testing.T) {
	b := live.NewBoard()
	run := livetest.NewTraining(t, b, filepath.Join(t.TempDir(), "bars"), 3, livetest.Classes)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := live.Serve(l, b)
	early := listen(t, l.Addr().String())
	name, changes := early.next()
	require.Equal(t, "change", name)
	require.Len(t, changes, 1)
	require.True(t, changes[0].Reset)
	require.Equal(t, "bars", changes[0].Name)
	require.Empty(t, changes[0].Steps)
	require.Empty(t, changes[0].Start.Samples, "pictures are asked for apart")

	run.Finish()
	steps, epochs := 0, 0
	for {
		name, changes := early.next()
		if name == "bye" {
			break
		}
		require.False(t, changes[0].Reset)
		steps += len(changes[0].Steps)
		epochs += len(changes[0].Epochs)
		if changes[0].End != nil {
			late := listen(t, l.Addr().String())
			_, all := late.next()
			require.True(t, all[0].Reset)
			require.Len(t, all[0].Epochs, 3)
			require.Equal(t, run.Lines, all[0].Epochs)
			require.Len(t, all[0].Steps, steps)
			require.Equal(t, live.Done, all[0].End.State)
			go s.Close()
			name, _ := late.next()
			require.Equal(t, "bye", name)
		}
	}
	require.Equal(t, 3, epochs)
	require.ErrorIs(t, <-s.Failed(), http.ErrServerClosed)
}

// A training that goes on after an epoch's last step takes back what a page was told.
func TestStreamOfWhatIsTakenBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bars")
	livetest.NewTraining(t, live.NewBoard(), dir, 3, livetest.Classes).Finish()
	b := live.NewBoard()
	again := livetest.NewTraining(t, b, dir, 3, livetest.Classes)
	s := listen(t, serve(t, b))
	_, changes := s.next()
	require.Len(t, changes[0].Epochs, 3)
	require.Equal(t, 24, changes[0].Steps[len(changes[0].Steps)-1].Step)
	require.NoError(t, again.Recorder.Epoch(livetest.Line(1, 8)))
	for len(changes[0].Steps) == 0 || changes[0].Steps[len(changes[0].Steps)-1].Step != 8 {
		_, changes = s.next()
		require.True(t, changes[0].Reset)
	}
	require.Len(t, changes[0].Epochs, 1)
}

// A page that reads nothing holds up neither the training nor the other pages, nor the end.
func TestSlowReader(t *testing.T) {
	b := live.NewBoard()
	const epochs = 3000
	run := livetest.NewTraining(t, b, filepath.Join(t.TempDir(), "bars"), epochs, livetest.Classes)
	address := serve(t, b)
	slow, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer slow.Close()
	_, err = fmt.Fprintf(slow, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	require.NoError(t, err)
	begin := time.Now()
	for epoch := 1; epoch < epochs; epoch++ {
		require.NoError(t, run.Recorder.Epoch(livetest.Line(epoch, epoch)))
	}
	require.Less(t, time.Since(begin), 20*time.Second)
	_, changes := listen(t, address).next()
	require.Len(t, changes[0].Epochs, epochs-1)
}

// Pages that go away leave nothing behind, and there is an end to how many there may be.
func TestManyPages(t *testing.T) {
	address := serve(t, board(t))
	for range 3 {
		var all []*stream
		for range live.MaxStreams {
			all = append(all, listen(t, address))
		}
		r, err := http.Get("http://" + address + "/events")
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
		r.Body.Close()
		for _, s := range all {
			s.body.Close()
		}
		require.Eventually(t, func() bool {
			r, err := http.Get("http://" + address + "/events")
			require.NoError(t, err)
			defer r.Body.Close()
			return r.StatusCode == http.StatusOK
		}, 5*time.Second, 10*time.Millisecond)
	}
}

// Requests that never end do not stay.
func TestDamagedRequests(t *testing.T) {
	address := serve(t, board(t))
	for text, status := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":                                              "400 ",
		"\x16\x03\x01\x02\x00\x01\r\n\r\n":                                    "400 ",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n":                "400 ",
		"GET /" + strings.Repeat("a", 1<<16) + " HTTP/1.1\r\n":                "431 ",
		"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n": "413 ",
	} {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		_, err = io.WriteString(c, text)
		require.NoError(t, err)
		answer, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err, "%.40q", text)
		require.Contains(t, answer, "HTTP/1.1 "+status, "%.40q", text)
		require.NoError(t, c.Close())
	}
}

// On an address that others reach, names of this machine are not ours to know.
func TestOtherHosts(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	s := live.Serve(l, live.NewBoard())
	defer s.Close()
	request, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", l.Addr().(*net.TCPAddr).Port), nil)
	require.NoError(t, err)
	request.Host = "gpu-box.lan"
	r, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusOK, r.StatusCode)
}

package inference

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/nn"
)

// Every kind of body gives what its samples are.
func TestKindsOfBodies(t *testing.T) {
	s := serve(t, nil)
	black, white := picture(0, 0, 0, 0), picture(255, 255, 255, 255)
	forms, several := form("a.png", string(white), "../b.npy", string(array(2)), "c", string(black))
	many := fmt.Sprintf("[%s]", strings.TrimSuffix(strings.Repeat("[[[1,2],[3,4]]],", 8), ","))
	for _, row := range []struct {
		name, kind string
		body       []byte
		want       string
	}{
		{"picture", "image/png", picture(0, 255, 255, 0), `{"outputs":[0,1,1,0]}`},
		{"other type of picture", "image/jpeg", white, `{"outputs":[1,1,1,1]}`},
		{"unknown bytes", "application/octet-stream", black, `{"outputs":[0,0,0,0]}`},
		{"array", "application/x-npy", array(2), `{"row":0,"outputs":[1,2,3,4]},{"row":1,"outputs":[5,6,7,8]}`},
		{"unknown array", "Application/Octet-Stream; a=b", array(1), `{"row":0,"outputs":[1,2,3,4]}`},
		{"form", forms, several, `{"input":"a.png","outputs":[1,1,1,1]},{"input":"b.npy","row":0,"outputs":[1,2,3,4]},{"input":"b.npy","row":1,"outputs":[5,6,7,8]},{"input":"c","outputs":[0,0,0,0]}`},
		{"base64", "application/json", []byte(`{"images":["` + encoded(white) + `","` + encoded(black) + `"]}`), `{"input":"images[0]","outputs":[1,1,1,1]},{"input":"images[1]","outputs":[0,0,0,0]}`},
		{"lists", "application/json; charset=utf-8", []byte(`{"inputs": [ [[[1, -2.5e0],[3E+1,4]]] , [[[0,0],[-0.0,1e-40]]] ]}` + "\n"), `{"row":0,"outputs":[1,-2.5,30,4]},{"row":1,"outputs":[0,0,-0,1e-40]}`},
		{"as many as the queue holds", "application/json", []byte(`{"inputs":` + many + `}`), strings.Repeat(`.*"outputs":\[1,2,3,4\]`, 8)},
	} {
		r := s.post(t, row.kind, row.body)
		require.Equal(t, 200, r.code, "%s: %s", row.name, r.body)
		require.Equal(t, "application/json", r.header.Get("Content-Type"))
		if strings.HasPrefix(row.want, ".*") {
			require.Regexp(t, row.want, r.body, row.name)
			continue
		}
		require.Equal(t, `{"predictions":[`+row.want+`]}`, r.body, row.name)
	}
	require.NoError(t, s.stop())
	require.NotContains(t, s.log.String(), "level=ERROR")
	require.NotContains(t, s.log.String(), "level=WARN")
}

// A network that takes no pictures says so, and one whose outputs are none too.
func TestNetworksThatCannot(t *testing.T) {
	s := serve(t, func(c *Config) { c.Card.Scale = 0 })
	r := s.post(t, "image/png", picture(1, 2, 3, 4))
	require.Equal(t, 422, r.code)
	require.Contains(t, r.body, "the network was trained on numbers, not pictures")
	require.Equal(t, 200, s.post(t, "application/x-npy", array(2)).code)
	require.Contains(t, s.get(t, "/model"), `"pictures":false`)

	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	network, err := nn.Build(d, nn.Sequential(nn.Flatten(), nn.Linear(2)), echo.Sample, 1)
	require.NoError(t, err)
	card := echo
	card.Outputs = 2
	inner, err := NewServer(Config{Card: &card, Batch: 2, Queue: 2, MaxBody: 1 << 20, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, network)
	require.NoError(t, err)
	w, ask := httptest.NewRecorder(), httptest.NewRequest("POST", "/predict", strings.NewReader(`{"inputs":[[[[1,1],[1,1]]],[[[3e38,-3e38],[3e38,3e38]]]]}`))
	ask.Header.Set("Content-Type", "application/json")
	require.NoError(t, network.Device.Upload(network.Parameters[0].Tensor(), []float32{1, 2, 3, 4, 5, 6, 7, 8}))
	inner.ServeHTTP(w, ask)
	require.Equal(t, 422, w.Code)
	require.Contains(t, w.Body.String(), "[1]: output 0 of the network is ")
	inner.Close()
	network.Release()
	require.NoError(t, d.Close())
}

// What the other paths say.
func TestAbout(t *testing.T) {
	s := serve(t, nil)
	require.Contains(t, s.get(t, "/"), "POST /predict")
	require.JSONEq(t, `{"status":"live"}`, s.get(t, "/healthz"))
	require.JSONEq(t, `{"status":"ready"}`, s.get(t, "/readyz"))
	var about map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.get(t, "/model")), &about))
	require.Equal(t, "echo", about["model"])
	require.Equal(t, []any{1.0, 2.0, 2.0}, about["sample"])
	require.Equal(t, 8.0, about["max_inputs"])
	for _, path := range []string{"/", "/metrics", "/healthz"} {
		r, err := s.ask("HEAD", path, "", nil)
		require.NoError(t, err)
		require.Equal(t, reply{200, r.header, ""}, r, path)
	}
	s.post(t, "application/x-npy", array(3))
	s.post(t, "image/png", nil)
	r, err := s.ask("GET", "/metrics", "", nil)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(r.header.Get("Content-Type"), "text/plain; version=0.0.4"), r.header.Get("Content-Type"))
	for _, line := range []string{
		`fovea_http_requests_total{code="200",path="/predict"} 1`, `fovea_http_requests_total{code="422",path="/predict"} 1`,
		`fovea_predict_seconds_count 1`, `fovea_samples_total 3`, `fovea_padding_total 1`, `fovea_batches_total{result="good"} 1`,
		`fovea_batch_size_bucket{le="2"} 0`, `fovea_batch_size_bucket{le="4"} 1`, `fovea_queue_length 0`, `fovea_samples_in_flight 0`,
		`fovea_http_requests_in_flight 1`, `fovea_queue_seconds_count 1`,
	} {
		require.Contains(t, r.body+"\n", "\n"+line+"\n")
	}
	require.Regexp(t, `(?m)^fovea_device_bytes [1-9]`, r.body)
	require.Regexp(t, `(?m)^go_goroutines [1-9]`, r.body)
}

// A full queue refuses what is too much, and says when to ask again; an answer that takes too long is given up; so is one
// whose client has left, which costs no computing.
func TestBusy(t *testing.T) {
	s := serve(t, func(c *Config) { c.Timeout = 1500 * time.Millisecond }) // what is asked for until then may have to wait for another program
	s.gate.shut = true
	first := s.later("application/x-npy", array(4))
	require.Equal(t, 4, <-s.gate.enter)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/predict", bytes.NewReader(array(3)))
		r.Header.Set("Content-Type", "application/x-npy")
		_, err := http.DefaultClient.Do(r)
		gone <- err
	}()
	require.Eventually(t, func() bool { return strings.Contains(s.get(t, "/metrics"), "\nfovea_queue_length 3\n") }, 5*time.Second, time.Millisecond)
	r := s.post(t, "application/x-npy", array(2))
	require.Equal(t, 503, r.code)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.JSONEq(t, `{"error":"too many samples are waiting"}`, r.body)
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Eventually(t, func() bool {
		return strings.Contains(s.get(t, "/metrics"), `fovea_http_requests_total{code="499",path="/predict"} 1`)
	}, 5*time.Second, time.Millisecond)
	late := s.post(t, "application/x-npy", array(2)) // there is room again
	require.Equal(t, 503, late.code)
	require.JSONEq(t, `{"error":"the answer took too long"}`, late.body)
	require.Equal(t, 503, (<-first).code)
	s.gate.leave <- nil
	last := s.later("application/x-npy", array(1))
	require.Equal(t, 1, <-s.gate.enter, "nothing of those who left or were late")
	s.gate.leave <- nil
	require.Equal(t, 200, (<-last).code)
}

// later asks in the background.
func (s *standing) later(kind string, body []byte) <-chan reply {
	got := make(chan reply, 1)
	go func() {
		r, err := s.ask("POST", "/predict", kind, body)
		if err != nil {
			r.body = err.Error()
		}
		got <- r
	}()
	return got
}

// A body that comes byte by byte is given up in time, at little memory; other clients do not notice.
func TestSlowClients(t *testing.T) {
	s := serve(t, func(c *Config) { c.Timeout = time.Second }) // in which all of them come
	const clients = 20
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n")
			go func() {
				for range 300 {
					time.Sleep(10 * time.Millisecond)
					if _, err := c.Write([]byte("x")); err != nil {
						return
					}
				}
			}()
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || r.StatusCode != http.StatusRequestTimeout {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
	require.Eventually(t, func() bool { return s.metrics.inFlight.count() >= clients }, 5*time.Second, time.Millisecond)
	require.LessOrEqual(t, s.memory.used.Load(), int64(clients*firstRead))
	require.Equal(t, 200, s.post(t, "image/png", picture(1, 2, 3, 4)).code)
	all.Wait()
	require.Eventually(t, func() bool { return s.memory.used.Load() == 0 }, 5*time.Second, time.Millisecond)
}

// Bodies share memory; when it is used up, who comes is asked to come again.
func TestMemoryOfBodies(t *testing.T) {
	s := serve(t, nil)
	require.True(t, s.memory.take(s.memory.most))
	r := s.post(t, "image/png", picture(1, 2, 3, 4))
	require.Equal(t, 503, r.code)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	s.memory.give(s.memory.most)
	require.Equal(t, 200, s.post(t, "image/png", picture(1, 2, 3, 4)).code)
	require.Equal(t, 200, s.post(t, "application/json", []byte(`{"images":["`+encoded(picture(1, 2, 3, 4))+`"],`+strings.Repeat(" ", 700_000)+`"inputs":null}`)).code, "a large one")
	require.Zero(t, s.memory.used.Load())
}

// The memory of a body is that of another one later, and never before: clients at once each get what their own says.
func TestBodiesDoNotMix(t *testing.T) {
	const clients = 16
	s := serve(t, func(c *Config) { c.Queue, c.Workers = clients, 1 })
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for turn := range 20 {
				mark := uint8(client*16 + turn%16)
				body := append(picture(mark, mark, mark, mark), make([]byte, firstRead*(1+turn%4))...) // what follows a picture is not read
				r, err := s.ask("POST", "/predict", "image/png", body)
				var got struct{ Predictions []Prediction }
				if err == nil {
					err = json.Unmarshal([]byte(r.body), &got)
				}
				other := func(v float32) bool { return math.Round(255*float64(v)) != float64(mark) }
				if err != nil || len(got.Predictions) != 1 || slices.ContainsFunc(got.Predictions[0].Outputs, other) {
					t.Errorf("%s, %v, expected %d/255 four times", r.body, err, mark)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, s.memory.used.Load())
}

// Pictures that are decoded at once have as many pixels as the largest, and are as many as the workers.
func TestShares(t *testing.T) {
	for _, row := range []struct{ workers, pixels, want int }{
		{1, 1, 1000}, {1, 1000, 1000}, {2, 1, 500}, {2, 600, 600}, {2, 1000, 1000}, {2, 1001, 0}, {3, 1, 334}, {3, 335, 335}, {5000, 1, 1}, {5000, 7, 7},
	} {
		s := &Server{config: Config{Workers: row.workers, MaxPixels: 1000}}
		require.EqualValues(t, row.want, s.share(row.pixels), "%+v", row)
	}
	s := serve(t, func(c *Config) { c.Timeout = time.Second })
	require.True(t, s.decoding.TryAcquire(1<<10))
	require.JSONEq(t, `{"error":"the answer took too long"}`, s.post(t, "image/png", picture(1, 2, 3, 4)).body)
	require.Contains(t, s.post(t, "image/png", picture(make([]uint8, 2100)...)).body, "a picture of 2 x 1050, expected 1 to 1024 pixels", "it need not wait")
	s.decoding.Release(1 << 10)
	require.Equal(t, 200, s.post(t, "image/png", picture(1, 2, 3, 4)).code)
	require.True(t, s.decoding.TryAcquire(1<<10), "all is given back")
}

// broken is a body whose reading panics.
type broken struct{}

func (broken) Read([]byte) (int, error) { panic("broken") }

// A failure inside is a short answer and a long line in the log; the next request is answered.
func TestFailures(t *testing.T) {
	s := serve(t, nil)
	s.gate.shut = true
	failed := s.later("application/x-npy", array(1))
	<-s.gate.enter
	s.gate.leave <- errors.New("the device burns")
	r := <-failed
	require.Equal(t, 500, r.code)
	require.JSONEq(t, `{"error":"internal error; the server's log says more"}`, r.body)
	unready, err := s.ask("GET", "/readyz", "", nil)
	require.NoError(t, err)
	require.Equal(t, 503, unready.code)
	good := s.later("application/x-npy", array(1))
	<-s.gate.enter
	s.gate.leave <- nil
	require.Equal(t, 200, (<-good).code)
	require.JSONEq(t, `{"status":"ready"}`, s.get(t, "/readyz"))

	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("POST", "/predict", broken{}))
	require.Equal(t, 500, w.Code)
	require.JSONEq(t, `{"error":"internal error; the server's log says more"}`, w.Body.String())
	require.NoError(t, s.stop())
	for _, line := range []string{`msg="batch failed" samples=1 error="computing a batch: panic: the device burns`, `msg="request failed" method=POST path=/predict`, `msg=panic method=POST path=/predict panic=broken stack=`} {
		require.Contains(t, s.log.String(), line)
	}
}

// A server that is told to stop answers what it has taken, takes nothing more, and leaves nothing behind.
func TestStopping(t *testing.T) {
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	s := serve(t, nil)
	s.gate.shut = true
	taken := []<-chan reply{s.later("application/x-npy", array(4))}
	require.Equal(t, 4, <-s.gate.enter)
	taken = append(taken, s.later("application/x-npy", array(2))) // not before: they could come in either order
	require.Eventually(t, func() bool { _, n := s.batcher.Waiting(); return n == 6 }, 5*time.Second, time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	require.Eventually(t, func() bool { _, err := s.ask("GET", "/healthz", "", nil); return err != nil }, 5*time.Second, time.Millisecond)
	s.gate.leave <- nil
	require.Equal(t, 2, <-s.gate.enter)
	s.gate.leave <- nil
	for _, got := range taken {
		r := <-got
		require.Equal(t, 200, r.code, r.body)
	}
	require.NoError(t, <-stopped)
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before, "goroutines are left behind")
}

// Many clients at once each get their own answer.
func TestManyClients(t *testing.T) {
	s := serve(t, func(c *Config) { c.Queue = 200 })
	var all sync.WaitGroup
	for c := range 24 {
		all.Go(func() {
			for k := range 20 {
				pixel := uint8(c*10 + k)
				r, err := s.ask("POST", "/predict", "image/png", picture(pixel, 0, 255, pixel))
				want := float32(pixel) * (255 * echo.Scale) / 255
				var got answer
				if err == nil {
					err = json.Unmarshal([]byte(r.body), &got)
				}
				if err != nil || len(got.Predictions) != 1 || len(got.Predictions[0].Outputs) != 4 || max(got.Predictions[0].Outputs[0]-want, want-got.Predictions[0].Outputs[0]) > 1e-6 {
					t.Errorf("client %d, pixel %d: %v, %v, expected %v", c, pixel, r, err, want)
				}
			}
		})
	}
	all.Wait()
}

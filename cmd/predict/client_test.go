package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fovea/cmd/internal/inference"
	"fovea/device/philox"
)

// upload is a good request and the answer to it.
type upload struct {
	name, kind string
	body       []byte
	want       []inference.Prediction
}

// load is what the clients do, and what came of it.
type load struct {
	*served
	t        testing.TB
	address  string
	uploads  []upload
	client   *http.Client
	done     []atomic.Int64 // by deed
	failures atomic.Int64
}

// deeds are what clients do, and out of how many of a thousand requests.
var deeds = [...]struct {
	name  string
	share int
	do    func(*load, *philox.Source) error
}{
	{"good", 750, (*load).good},
	{"damaged", 80, (*load).damaged},
	{"oversized", 40, (*load).oversized},
	{"slow", 12, (*load).slow},
	{"endless", 2, (*load).endless},
	{"leaves in the upload", 40, (*load).leavesUpload},
	{"leaves before the answer", 36, (*load).leavesAnswer},
	{"no HTTP", 20, (*load).garbage},
	{"looks around", 20, (*load).looks},
}

// post sends a request, which may be refused.
func (l *load) post(kind string, body io.Reader) (code int, text []byte, err error) {
	r, err := l.client.Post(l.url+"/predict", kind, body)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	text, err = io.ReadAll(r.Body)
	return r.StatusCode, text, err
}

// expect sends a request, and wants that status and an error in JSON.
func (l *load) expect(want int, kind string, body io.Reader) error {
	code, text, err := l.post(kind, body)
	var told struct{ Error string }
	if err != nil || code != want || json.Unmarshal(text, &told) != nil || told.Error == "" {
		return fmt.Errorf("%d %.200q %v, expected %d", code, text, err, want)
	}
	return nil
}

func (l *load) any(random *philox.Source) *upload { return &l.uploads[random.Intn(len(l.uploads))] }

func (l *load) good(random *philox.Source) error {
	u := l.any(random)
	code, text, err := l.post(u.kind, bytes.NewReader(u.body))
	if err != nil || code != 200 {
		return fmt.Errorf("%s: %d %.200q %v", u.name, code, text, err)
	}
	return u.check(text)
}

// check compares an answer with what predict --json says of the same.
func (u *upload) check(text []byte) error {
	var got struct{ Predictions []inference.Prediction }
	if err := json.Unmarshal(text, &got); err != nil || len(got.Predictions) != len(u.want) {
		return fmt.Errorf("%s: %.300q, expected %d predictions; %v", u.name, text, len(u.want), err)
	}
	for i, p := range got.Predictions {
		for k, c := range p.Top {
			if want := u.want[i].Top[k]; c.Class != want.Class || math.Abs(c.Probability-want.Probability) > 1e-5 {
				return fmt.Errorf("%s: prediction %d is %+v, expected %+v", u.name, i, p.Top, u.want[i].Top)
			}
		}
	}
	return nil
}

// damaged cuts a picture or an array short, or turns bits of it; what is still a picture is answered.
func (l *load) damaged(random *philox.Source) error {
	u := l.any(random)
	if strings.HasPrefix(u.kind, "multipart/") || u.kind == "application/json" {
		return l.expect(400, u.kind, bytes.NewReader(u.body[:1+random.Intn(len(u.body)-8)]))
	}
	if random.Intn(2) == 0 {
		return l.expect(422, u.kind, bytes.NewReader(u.body[:random.Intn(len(u.body)-2)]))
	}
	body := bytes.Clone(u.body)
	for range 3 {
		body[random.Intn(len(body))] ^= 1 << random.Intn(8)
	}
	code, text, err := l.post(u.kind, bytes.NewReader(body))
	if err != nil || code != 200 && code != 422 && code != 413 {
		return fmt.Errorf("%s with wrong bits: %d %.200q %v", u.name, code, text, err)
	}
	return nil
}

// oversized says how large it is, or does not. A server that refuses it while it still comes may end the connection.
func (l *load) oversized(random *philox.Source) error {
	body := io.Reader(bytes.NewReader(make([]byte, 1<<20+1)))
	if random.Intn(2) == 0 {
		body = io.MultiReader(body)
	}
	err := l.expect(413, "image/png", body)
	if err != nil && (strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe")) {
		return nil
	}
	return err
}

// dial opens a connection and sends the beginning of a request for n bytes.
func (l *load) dial(kind string, n int) (net.Conn, error) {
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(10 * loadTimeout))
	_, err = fmt.Fprintf(c, "POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", kind, n)
	return c, err
}

// slow sends a good upload in small pieces, in time.
func (l *load) slow(random *philox.Source) error {
	u := l.any(random)
	c, err := l.dial(u.kind, len(u.body))
	if err != nil {
		return err
	}
	defer c.Close()
	for piece := range slices.Chunk(u.body, len(u.body)/20+1) {
		time.Sleep(50 * time.Millisecond)
		if _, err := c.Write(piece); err != nil {
			return fmt.Errorf("%s, slowly: %w", u.name, err)
		}
	}
	answer, err := io.ReadAll(c)
	head, text, _ := strings.Cut(string(answer), "\r\n\r\n")
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		return fmt.Errorf("%s, slowly: %.300q %v", u.name, answer, err)
	}
	return u.check([]byte(text))
}

// endless sends a byte now and then, until it is told that this took too long.
func (l *load) endless(random *philox.Source) error {
	c, err := l.dial("image/jpeg", 100_000)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		for {
			time.Sleep(100 * time.Millisecond)
			if _, err := c.Write([]byte{0xff}); err != nil {
				return
			}
		}
	}()
	answer, err := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		return fmt.Errorf("a body without end: %.300q %v", answer, err)
	}
	return nil
}

func (l *load) leavesUpload(random *philox.Source) error {
	u := l.any(random)
	c, err := l.dial(u.kind, len(u.body))
	if err != nil {
		return err
	}
	c.Write(u.body[:random.Intn(len(u.body))])
	return c.Close()
}

// leavesAnswer does not wait for the answer, or for its end.
func (l *load) leavesAnswer(random *philox.Source) error {
	u := l.any(random)
	c, err := l.dial(u.kind, len(u.body))
	if err != nil {
		return err
	}
	c.Write(u.body)
	if random.Intn(2) == 0 {
		c.Read(make([]byte, 1))
	} else {
		time.Sleep(time.Duration(random.Intn(3000)) * time.Microsecond)
	}
	return c.Close()
}

func (l *load) garbage(random *philox.Source) error {
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * loadTimeout))
	noise := make([]byte, 1+random.Intn(2000))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	c.Write(append(noise, "\r\n\r\n"...))
	io.ReadAll(c)
	return nil
}

func (l *load) looks(random *philox.Source) error {
	path := []string{"/", "/healthz", "/readyz", "/model", "/metrics"}[random.Intn(5)]
	r, err := l.client.Get(l.url + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 200 {
		return fmt.Errorf("%s: %d %v", path, r.StatusCode, err)
	}
	return nil
}

// work does one thing after the other until the end.
func (l *load) work(client int, end time.Time) {
	random := philox.NewSource(philox.Stream{Seed: uint64(client)})
	for time.Now().Before(end) {
		at := random.Intn(1000)
		for i, d := range deeds {
			if at -= d.share; at >= 0 {
				continue
			}
			if err := d.do(l, random); err != nil && l.failures.Add(1) < 20 {
				l.t.Errorf("client %d, %s: %v", client, d.name, err)
			}
			l.done[i].Add(1)
			break
		}
	}
}

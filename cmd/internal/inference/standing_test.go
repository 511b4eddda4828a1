package inference

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/programtest"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/nn"
	"fovea/nn/weights"
)

// gate is a network that gives its samples back. Once it is shut, a batch comes through when the test says so.
type gate struct {
	*nn.Function
	shut  bool
	enter chan int // gets the samples of a batch when it comes
	leave chan error
}

func (g *gate) Forward(x *autograd.Value) *autograd.Value {
	if g.shut {
		g.enter <- x.Shape()[0]
		if err := <-g.leave; err != nil {
			panic(err)
		}
	}
	return g.Function.Forward(x)
}

// echo is a regression whose outputs are the four values of its sample: those of a picture of 2 x 2.
var echo = weights.Card{Model: "echo", Outputs: 4, Regression: true, Sample: tensor.Shape{1, 2, 2}, Scale: 1.0 / 255}

// standing is a server that listens.
type standing struct {
	*Server
	gate *gate
	url  string
	log  *bytes.Buffer // whole when it has been stopped
	stop func() error  // and wait
}

// serve starts a server with a gate for a network; change may have it otherwise.
func serve(t testing.TB, change func(*Config)) *standing {
	t.Helper()
	s := &standing{gate: &gate{Function: nn.Flatten(), enter: make(chan int), leave: make(chan error)}, log: new(bytes.Buffer)}
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	network, err := nn.Build(d, s.gate, echo.Sample, 1)
	require.NoError(t, err)
	card := echo
	c := Config{Card: &card, TopK: 3, Batch: 4, Latency: time.Millisecond, Queue: 8, MaxBody: 1 << 20, MaxPixels: 1 << 10, Timeout: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(s.log, nil))}
	if change != nil {
		change(&c)
	}
	s.Server, err = NewServer(c, network)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		s.Close()
		network.Release()
		return errors.Join(err, d.Close())
	})
	t.Cleanup(func() {
		close(s.gate.leave) // a test that fails while a batch waits still ends
		go func() {
			for range s.gate.enter {
			}
		}()
		require.NoError(t, s.stop())
		close(s.gate.enter)
	})
	return s
}

// reply is what came back.
type reply struct {
	code   int
	header http.Header
	body   string
}

func (s *standing) ask(method, path, kind string, body []byte) (reply, error) {
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, strings.TrimSpace(string(text))}, err
}

func (s *standing) post(t testing.TB, kind string, body []byte) reply {
	t.Helper()
	r, err := s.ask("POST", "/predict", kind, body)
	require.NoError(t, err)
	return r
}

// get returns the body at path, which must be there.
func (s *standing) get(t testing.TB, path string) string {
	t.Helper()
	r, err := s.ask("GET", path, "", nil)
	require.NoError(t, err)
	require.Equal(t, 200, r.code, r.body)
	return r.body
}

// picture is one of grey pixels, two in a row.
func picture(pixels ...uint8) []byte {
	m := image.NewGray(image.Rect(0, 0, 2, len(pixels)/2))
	copy(m.Pix, pixels)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// array is one of samples of the values 1, 2, 3, ...
func array(n int) []byte {
	values := make([]float32, 4*n)
	for i := range values {
		values[i] = float32(i + 1)
	}
	return programtest.Array{Shape: []int{n, 1, 2, 2}, Values: values}.Npy()
}

// form has files, of names and contents by turns.
func form(parts ...string) (kind string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		part, err := w.CreateFormFile("file", parts[i])
		if err == nil {
			_, err = io.WriteString(part, parts[i+1])
		}
		if err != nil {
			panic(err)
		}
	}
	w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func encoded(content []byte) string { return base64.StdEncoding.EncodeToString(content) }

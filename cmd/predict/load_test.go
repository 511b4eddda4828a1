package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/inference"
	"fovea/cmd/internal/programtest"
	"fovea/device/philox"
	"fovea/nn/weights"
)

var loadTime = flag.Duration("load", 8*time.Second, "how long TestLoad lasts: 10m says more")

const (
	loadClients = 64
	loadTimeout = 10 * time.Second // of the server
)

// measure is the memory of the server, its goroutines, and the memory of its device.
func (l *load) measure() (m [3]float64) {
	for i, name := range []string{"process_resident_memory_bytes", "go_goroutines", "fovea_device_bytes"} {
		m[i] = l.metric(l.t, name)
	}
	return m
}

// thirds are the medians of the first and the last third.
func thirds(values []float64) (first, last float64) {
	n := max(len(values)/3, 1)
	return middle(values[:n]), middle(values[len(values)-n:])
}

// middle is the median.
func middle(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// pictured takes pictures of 28 x 28, in colour, so that there is something to prepare.
var pictured = weights.Card{Model: "cnn-small", Outputs: 10, Sample: tensor.Shape{3, 28, 28}, Scale: 1.0 / 255, Resize: 32}

// goodUploads are requests of every kind, with what predict --json says of their inputs.
func goodUploads(t testing.TB, run string) (all []upload) {
	random := philox.NewSource(philox.Stream{Seed: 9})
	say := func(files ...string) (said []inference.Prediction) {
		r := programtest.Succeed(t, predict, append([]string{"--device", "cpu", "--run", run, "--json"}, files...)...)
		for d := json.NewDecoder(strings.NewReader(r.Stdout)); d.More(); {
			var p inference.Prediction
			require.NoError(t, d.Decode(&p))
			said = append(said, p)
		}
		return said
	}
	var files []string
	var contents [][]byte
	for i, name := range []string{"a.png", "b.jpg", "c.gif", "d.jpg", "e.png"} {
		m := image.NewRGBA(image.Rect(0, 0, 40+90*i, 30+70*i))
		for at := range m.Rect.Dx() * m.Rect.Dy() {
			x, y := at%m.Rect.Dx(), at/m.Rect.Dx()
			m.Set(x, y, color.RGBA{uint8(x * (i + 1)), uint8(y * 3), uint8(x*y>>3 + random.Intn(20)), 255})
		}
		file := encode(t, name, m)
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		files, contents = append(files, file), append(contents, content)
		kind := map[string]string{".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif"}[filepath.Ext(name)]
		all = append(all, upload{name, kind, content, say(file)})
	}
	values := make([]float32, 3*pictured.Sample.TotalSize())
	for i := range values {
		values[i] = float32(random.Normal(0, 1))
	}
	array := npy(t, values, 3, 3, 28, 28)
	content, err := os.ReadFile(array)
	require.NoError(t, err)
	all = append(all, upload{"array", "application/x-npy", content, say(array)}, upload{"bytes", "application/octet-stream", contents[0], say(files[0])})

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for i, c := range [][]byte{contents[1], content, contents[2]} {
		part, err := w.CreateFormFile("file", strconv.Itoa(i))
		require.NoError(t, err)
		_, err = part.Write(c)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	all = append(all, upload{"form", w.FormDataContentType(), form.Bytes(), say(files[1], array, files[2])})

	images, err := json.Marshal(map[string][]string{"images": {base64.StdEncoding.EncodeToString(contents[3]), base64.StdEncoding.EncodeToString(contents[0])}})
	require.NoError(t, err)
	var nested [][3][28][28]float32
	for i := range 3 {
		var sample [3][28][28]float32
		for k := range 3 * 28 * 28 {
			sample[k/784][k/28%28][k%28] = values[i*2352+k]
		}
		nested = append(nested, sample)
	}
	lists, err := json.Marshal(map[string]any{"inputs": nested})
	require.NoError(t, err)
	return append(all, upload{"base64", "application/json", images, say(files[3], files[0])}, upload{"lists", "application/json", lists, say(array)})
}

// 64 clients at once ask for what is right and for what is wrong, slowly, and leave when they like: whatever is right is
// answered rightly, nothing fails that a client did not cause, and the server's memory and goroutines do not grow.
func TestLoad(t *testing.T) {
	lasts := *loadTime
	if testing.Short() {
		lasts = min(lasts, 2*time.Second)
	}
	path, _ := save(t, &pictured, true, nil)
	l := &load{t: t, done: make([]atomic.Int64, len(deeds)), uploads: goodUploads(t, filepath.Dir(path)), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadClients}},
		served: serveProcess(t, "--device", "cpu", "--run", filepath.Dir(path), "--threads", "2", "--replicas", "2", "--timeout", loadTimeout.String(), "--max-body", "1")}
	l.address = strings.TrimPrefix(l.url, "http://")
	end := time.Now().Add(lasts)
	var all sync.WaitGroup
	for c := range loadClients {
		all.Go(func() { l.work(c, end) })
	}
	var rows [3][]float64
	for interval := lasts / 90; time.Now().Before(end); time.Sleep(interval) {
		for i, v := range l.measure() {
			rows[i] = append(rows[i], v)
		}
	}
	all.Wait()
	l.client.CloseIdleConnections()
	var did []string
	for i, d := range deeds {
		did = append(did, fmt.Sprintf("%s %d", d.name, l.done[i].Load()))
	}
	t.Logf("%v: %s", lasts, strings.Join(did, ", "))
	t.Logf("samples %v in batches of %.2f, padding %v", l.metric(t, "fovea_samples_total"),
		l.metric(t, "fovea_batch_size_sum")/l.metric(t, "fovea_batch_size_count"), l.metric(t, "fovea_padding_total"))
	for i, row := range []struct {
		name  string
		slack float64
	}{{"resident memory", 16 << 20}, {"goroutines", 20}, {"device memory", 0}} {
		first, last := thirds(rows[i])
		t.Logf("%s: %.0f in the first third, %.0f in the last, %.0f at most", row.name, first, last, slices.Max(rows[i]))
		if lasts > 5*time.Second { // before, it is still finding its size
			require.LessOrEqual(t, last, first*1.1+row.slack, row.name)
		}
	}
	metrics := l.get(t, "/metrics")
	for _, code := range []int{500, 503} {
		require.NotContains(t, metrics, fmt.Sprintf(`code="%d"`, code))
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(2 * loadTimeout); l.metric(t, "go_goroutines") > 40 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	require.LessOrEqual(t, l.metric(t, "go_goroutines"), 40.0, "goroutines of clients who left")
	require.Zero(t, l.metric(t, "fovea_samples_in_flight"))
	require.NoError(t, l.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, l.end(), l.stderr.String())
	require.NotContains(t, l.stderr.String(), "level=ERROR")
}

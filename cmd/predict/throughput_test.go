package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// BenchmarkServing is how many images a second a server answers for, in turns with what cmd/bench computes at the same batch
// without a server: docs/serving.md says how to run it. The clients are on the same processors. What they send is computed as
// it is (arrays), or decoded before (JPEG of 256 x 256), which cmd/bench does not do.
func BenchmarkServing(b *testing.B) {
	for _, row := range []struct {
		model                            string
		batch, clients, upload, replicas int // upload: samples in a request
		kind                             string
	}{
		{"cnn-small", 200, 16, 100, 2, "application/x-npy"},
		{"cnn-small", 200, 8, 100, 1, "application/x-npy"},
		{"resnet18", 16, 48, 1, 1, "application/x-npy"},
		{"resnet18", 16, 48, 1, 1, "image/jpeg"},
	} {
		b.Run(fmt.Sprintf("%s/%d/%s/%d", row.model, row.batch, filepath.Base(row.kind), row.replicas), func(b *testing.B) {
			m, err := zoo.Find(row.model)
			require.NoError(b, err)
			path, _ := save(b, &weights.Card{Model: row.model, Outputs: m.Classes, Sample: m.Sample, Scale: 1.0 / 255}, true, nil)
			bench := filepath.Join(b.TempDir(), "bench")
			out, err := exec.Command("go", "build", "-o", bench, "../bench").CombinedOutput()
			require.NoError(b, err, string(out))
			body := requestBody(b, row.kind, row.upload, m.Sample)
			s := serveProcess(b, "--device", "cpu", "--run", filepath.Dir(path), "--batch", strconv.Itoa(row.batch), "--replicas", strconv.Itoa(row.replicas), "--queue", strconv.Itoa(row.clients*row.upload), "--max-body", "64")
			var alone, served []float64
			for b.Loop() {
				alone = append(alone, benchRate(b, bench, row.model, row.batch))
				lasts := max(4*time.Second, time.Duration(float64(30*row.batch)/alone[len(alone)-1]*float64(time.Second))) // 30 batches
				served = append(served, s.rate(b, row.kind, body, row.clients, row.upload, lasts))
			}
			first, last := middle(alone), middle(served)
			b.ReportMetric(first, "bench-images/s")
			b.ReportMetric(last, "served-images/s")
			b.ReportMetric(last/first, "ratio")
			b.ReportMetric(s.metric(b, "fovea_batch_size_sum")/s.metric(b, "fovea_batch_size_count"), "batch")
		})
	}
}

// requestBody is what every client sends.
func requestBody(t testing.TB, kind string, n int, sample []int) []byte {
	if kind == "image/jpeg" {
		m := image.NewRGBA(image.Rect(0, 0, 256, 256))
		for i := range m.Pix {
			m.Pix[i] = uint8(i>>4 ^ i>>9)
		}
		content, err := os.ReadFile(encode(t, "m.jpg", m))
		require.NoError(t, err)
		return content
	}
	values := make([]float32, n*sample[0]*sample[1]*sample[2])
	for i := range values {
		values[i] = float32(i%255) / 255
	}
	return programtest.Array{Shape: append([]int{n}, sample...), Values: values}.Npy()
}

// benchRate is the images per second of cmd/bench, in its median.
func benchRate(t testing.TB, bench, model string, batch int) float64 {
	cmd := exec.Command(bench, "--work", "infer", "--models", model, "--batch", strconv.Itoa(batch), "--json", "--steps", "9")
	out, err := cmd.Output()
	require.NoError(t, err)
	var line struct {
		Median float64 `json:"median_images_per_s"`
	}
	require.NoError(t, json.Unmarshal(out, &line), string(out))
	require.NotZero(t, line.Median, string(out))
	return line.Median
}

// rate has clients send the body again and again, each as soon as it has its answer; the first quarter of the time does not
// count.
func (s *served) rate(t testing.TB, kind string, body []byte, clients, upload int, lasts time.Duration) float64 {
	var answered atomic.Int64
	var all sync.WaitGroup
	request := append([]byte(fmt.Sprintf("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", kind, len(body))), body...)
	warm, end := time.Now().Add(lasts/4), time.Now().Add(lasts)
	for range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for answers := bufio.NewReader(c); time.Now().Before(end); {
				if _, err := io.Copy(c, bytes.NewReader(request)); err != nil {
					t.Error(err)
					return
				}
				r, err := http.ReadResponse(answers, nil)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
				}
				if err != nil || r.StatusCode != 200 {
					t.Errorf("%v %v", r, err)
					return
				}
				if now := time.Now(); now.After(warm) && now.Before(end) {
					answered.Add(int64(upload))
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()) / end.Sub(warm).Seconds()
}

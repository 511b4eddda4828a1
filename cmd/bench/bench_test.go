package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/device"
)

func TestMain(m *testing.M) {
	leastSample, patience = 2*time.Millisecond, 5*time.Millisecond // how good the numbers are is not what is tested
	m.Run()
}

func TestUsage(t *testing.T) {
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--work", "play"}, 2, `--work: "play", expected train, infer or load`},
		{[]string{"--models", "mlp,vgg"}, 2, `--models: unknown model "vgg", expected one of alexnet`},
		{[]string{"--models", "mlp,,"}, 2, `--models: "mlp,,", expected names with commas between`},
		{[]string{"--models", "mlp,mlp"}, 2, `--models: mlp twice`},
		{[]string{"--devices", ""}, 2, `--devices: "", expected names`},
		{[]string{"--devices", "tpu"}, 2, `unknown "tpu", expected auto, cpu`},
		{[]string{"--batch", "-1"}, 2, "--batch: -1, expected at least 0"},
		{[]string{"--batch", "1000000000"}, 2, "--batch: 1000000000, expected at most 65536"},
		{[]string{"--steps", "0"}, 2, "--steps: 0, expected at least 1"},
		{[]string{"--steps", "x"}, 2, `invalid value "x" for flag -steps`},
		{[]string{"--threads", "-1"}, 2, "--threads: -1, expected 1 to 1024"},
		{[]string{"--precision", "fp8"}, 2, `invalid value "fp8" for flag -precision: expected fp32, tf32, bf16`},
		{[]string{"--precision", "tf32", "--devices", "cpu"}, 2, "--precision: precision tf32, expected what cpu offers: fp32, bf16"},
		{[]string{"--peer", "caffe"}, 2, `--peer: "caffe", expected pytorch or onnxruntime`},
		{[]string{"--peer", "pytorch", "--ops"}, 2, "--peer and --ops: expected one or the other"},
		{[]string{"--peer", "onnxruntime", "--work", "train"}, 2, "--peer onnxruntime: it infers only"},
		{[]string{"--peer", "pytorch", "--scaling"}, 2, "--peer and --scaling: expected one or the other"},
		{[]string{"--scaling", "--threads", "1"}, 2, "--scaling: with 1 threads, --ops false; expected --threads 2 or more, and whole steps"},
		{[]string{"--scaling", "--threads", "2", "--ops"}, 2, "--scaling: with 2 threads, --ops true; expected"},
		{[]string{"--scaling", "--threads", "2", "--devices", "reference"}, 2, "--scaling: device reference, expected cpu"},
		{[]string{"--models", "sgemm0", "--work", "infer"}, 2, "--models: sgemm0: expected a size of 1 to 8192"},
		{[]string{"--models", "sgemm64"}, 2, "--models: sgemm64: expected --work infer, and no --batch"},
		{[]string{"--models", "sgemm64", "--work", "infer", "--batch", "3"}, 2, "--models: sgemm64: expected --work infer, and no --batch"},
		{[]string{"--models", "sgemmx", "--work", "infer"}, 2, `--models: unknown model "sgemmx", expected one of alexnet`},
		{[]string{"--plot", "roof.gif"}, 2, `--plot: "roof.gif", expected a name that ends in .png or .svg`},
		{[]string{"--plot", "/no/such/roof.png"}, 1, "--plot /no/such/roof.png: no folder /no/such"},
		{[]string{"mlp"}, 2, `"mlp": expected flags only`},
		{[]string{"--help"}, 0, ""},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			r := programtest.Run(bench, row.args...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.shown)
			require.Equal(t, row.code == 0, r.Stdout != "")
		})
	}
}

// A device that is not there is found before anything is measured.
func TestAbsentDevice(t *testing.T) {
	if _, err := device.Open("cuda", device.Options{}); err == nil {
		t.Skip("this machine has a GPU")
	}
	r := programtest.Run(bench, "--models", "mlp", "--devices", "cuda:0,cpu")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "cuda:0: ")
	require.Empty(t, r.Stdout)
}

func lines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var values map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &values), line)
		all = append(all, values)
	}
	return all
}

// One line for each model and device; its numbers agree with one another.
func TestStepLines(t *testing.T) {
	for _, work := range []string{"train", "infer"} {
		plot := filepath.Join(t.TempDir(), "roof.PNG")
		r := programtest.Succeed(t, bench, "--work", work, "--models", "mlp,cnn-small", "--devices", "cpu,reference", "--batch", "4", "--threads", "2", "--steps", "2", "--json", "--plot", plot)
		all := lines(t, r.Stdout)
		require.Len(t, all, 4)
		for i, l := range all {
			model := []string{"mlp", "cnn-small"}[i/2]
			require.Equal(t, model, l["model"])
			require.Equal(t, []string{"cpu", "reference"}[i%2], l["device"])
			require.Equal(t, work, l["work"])
			require.Equal(t, 4.0, l["batch"])
			require.Equal(t, 2.0, l["threads"])
			best := l["images_per_s"].(float64)
			require.Positive(t, best)
			require.LessOrEqual(t, l["median_images_per_s"], best)
			require.InEpsilon(t, flopsOf(t, find(t, model), 4, work == "train", parts)*best/4/1e9, l["gflops"], 1e-9)
			require.InEpsilon(t, l["gflops"].(float64)/l["peak_gflops"].(float64), l["peak_fraction"], 1e-9)
			require.Positive(t, l["heap_bytes_per_step"])
			if l["device"] == "cpu" { // the reference device makes what it needs anew
				require.Less(t, l["heap_bytes_per_step"], 64e3)
			}
			require.Contains(t, l, "rss_mb")
			require.Positive(t, l["peak_gb_per_s"])
			require.NotContains(t, l, "peer")
		}
		file, err := os.Open(plot)
		require.NoError(t, err)
		picture, err := png.Decode(file)
		require.NoError(t, err)
		require.Greater(t, picture.Bounds().Dx(), 400)
		file.Close()
	}
}

// A product of matrices is measured as a network is.
func TestProduct(t *testing.T) {
	r := programtest.Succeed(t, bench, "--work", "infer", "--models", "sgemm96", "--threads", "2", "--steps", "2", "--json")
	l := lines(t, r.Stdout)[0]
	require.Equal(t, []any{"sgemm96", "infer", 96.0}, []any{l["model"], l["work"], l["batch"]})
	require.InEpsilon(t, 2*96*96*96*l["images_per_s"].(float64)/96/1e9, l["gflops"], 1e-9)
	layers := lines(t, programtest.Succeed(t, bench, "--work", "infer", "--models", "sgemm96", "--threads", "2", "--steps", "1", "--ops", "--json").Stdout)
	require.Len(t, layers, 1)
	require.Equal(t, "matmul (96, 96), (96, 96)", layers[0]["layer"])
}

// Threads are compared with one, block by block.
func TestScaling(t *testing.T) {
	args := []string{"--models", "mlp", "--batch", "64", "--threads", "2", "--steps", "3", "--scaling"}
	l := lines(t, programtest.Succeed(t, bench, append(args, "--json")...).Stdout)[0]
	gain := l["scaling"].(map[string]any)
	require.InEpsilon(t, l["median_images_per_s"].(float64)/gain["one_thread_median_images_per_s"].(float64), gain["ratio"], 1e-9)
	require.Regexp(t, `\ntrain, mlp on cpu: [\d.]+ times as fast with 2 threads as with one \([\d.e+]+ images/s\)\n`, programtest.Succeed(t, bench, args...).Stdout)
}

// The peak is that since it was forgotten.
func TestPeakMemory(t *testing.T) {
	if peakMB(os.Getpid()) == 0 {
		t.Skip("this system does not say")
	}
	forgetPeak()
	before := peakMB(os.Getpid())
	page, size := os.Getpagesize(), 256<<20
	block := make([]byte, size)
	for i := 0; i < size; i += page {
		block[i] = 1
	}
	require.Greater(t, peakMB(os.Getpid()), before+200)
	runtime.KeepAlive(block)
	block = nil
	debug.FreeOSMemory()
	peak := peakMB(os.Getpid())
	require.Greater(t, peak, before+200, "a peak stays")
	forgetPeak()
	require.Less(t, peakMB(os.Getpid()), peak-200, "until it is forgotten") // the race detector keeps some for itself
}

func TestStepTable(t *testing.T) {
	r := programtest.Succeed(t, bench, "--models", "mlp", "--batch", "4", "--threads", "1", "--steps", "1")
	rows := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	require.Len(t, rows, 2)
	require.Equal(t, "model device work batch threads images/s median GFLOP/s of peak heap/step RSS MB", strings.Join(strings.Fields(rows[0]), " "))
	require.Equal(t, []string{"mlp", "cpu", "train", "4", "1"}, strings.Fields(rows[1])[:5])
	require.Contains(t, r.Stderr, "at best")
}

func TestLayerLines(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "roof.svg")
	r := programtest.Succeed(t, bench, "--models", "mlp,cnn-large", "--batch", "4", "--threads", "2", "--steps", "1", "--ops", "--json", "--plot", plot)
	all, counts := lines(t, r.Stdout), map[string]map[string]any{}
	for _, l := range all {
		key := l["layer"].(string) + " | " + l["pass"].(string)
		require.NotContains(t, counts, key, "the same layer twice")
		counts[key] = l["models"].(map[string]any)
		require.Positive(t, l["ms"])
		require.GreaterOrEqual(t, l["median_ms"], l["ms"])
		require.Positive(t, l["gb_per_s"])
	}
	require.Equal(t, map[string]any{"mlp": 1.0}, counts["linear 784 to 784 | backward weights"])
	require.NotContains(t, counts, "linear 784 to 784 | backward data", "nobody wants the gradient of the input")
	require.Equal(t, map[string]any{"cnn-large": 1.0}, counts["conv2d 30x12x12 to 15x10x10, 3x3 | backward data"])
	require.Equal(t, map[string]any{"mlp": 1.0, "cnn-large": 1.0}, counts["cross_entropy 10 | forward"])
	for _, l := range all {
		if l["layer"] == "conv2d 30x12x12 to 15x10x10, 3x3" {
			if l["pass"] == "forward" {
				require.InEpsilon(t, 4*(4*30*144+4*15*100+15*30*9+15)/l["ms"].(float64)/1e6, l["gb_per_s"], 1e-9)
			}
			require.InEpsilon(t, 2*4*15*100*30*9/l["ms"].(float64)/1e6, l["gflops"], 1e-9)
		}
	}
	picture, err := os.ReadFile(plot)
	require.NoError(t, err)
	require.Contains(t, string(picture), "<svg")
	require.Contains(t, string(picture), "backward data on cpu")
	require.NotEmpty(t, slices.Collect(maps.Keys(counts)))
}

func TestLayerTable(t *testing.T) {
	r := programtest.Succeed(t, bench, "--work", "infer", "--models", "mlp", "--batch", "4", "--threads", "1", "--steps", "1", "--ops")
	rows := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	calls, err := trace(find(t, "mlp"), 4, false, offersOf(d))
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.Len(t, rows, 1+len(calls)+1, "heading, the layers, sum")
	require.Contains(t, rows[1], calls[0].layer)
	require.Regexp(t, `^mlp on cpu: [\d.e-]+ ms, all layers of a step$`, rows[len(rows)-1])
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cli.ErrInterrupted)
	for _, more := range [][]string{{}, {"--ops"}} {
		var stderr bytes.Buffer
		err := bench(ctx, append([]string{"--models", "mlp", "--threads", "1"}, more...), io.Discard, &stderr)
		require.Equal(t, 130, cli.Exit("bench", err, &stderr))
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Measurements that nobody got are a failure.
func TestStandardOutputFails(t *testing.T) {
	for _, form := range [][]string{{}, {"--json"}} {
		err := bench(t.Context(), append([]string{"--models", "mlp", "--batch", "2", "--threads", "1", "--steps", "1"}, form...), brokenPipe{}, io.Discard)
		require.ErrorContains(t, err, "broken pipe")
	}
}

func TestSamples(t *testing.T) {
	require.Equal(t, 2.0, samples{3, 2, 9}.best())
	require.Equal(t, 3.0, samples{3, 2, 9}.median())
	require.Equal(t, 2.5, samples{3, 2, 9, 2}.median())
	n, err := groupSize(func(n int) (float64, error) { return 0.0003 * float64(n), nil })
	require.NoError(t, err)
	require.Equal(t, 7, n) // of 0.3 ms, at least 2 ms
	failure := errors.New("failure")
	_, err = groupSize(func(int) (float64, error) { return 0, failure })
	require.Equal(t, failure, err)
}

// A sample is the time of one step, not of the block that was timed.
func TestBlockTime(t *testing.T) {
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	w, err := build(d, find(t, "mlp"), 2, true)
	require.NoError(t, err)
	r := &runner{workload: w, group: 20}
	for range 2 {
		begin := time.Now()
		seconds, err := r.time()
		require.NoError(t, err)
		require.LessOrEqual(t, 20*seconds, time.Since(begin).Seconds())
	}
	require.Equal(t, []int{42, 40, 2}, []int{w.steps, r.timed, len(r.took)}, "one step of each block is not timed")
	require.Positive(t, r.heap)
	w.release()
	require.NoError(t, d.Close())
}

// The learning rates keep the numbers finite; where they are not, the times are refused.
func TestNotANumber(t *testing.T) {
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	w, err := build(d, find(t, "mlp"), 2, true)
	require.NoError(t, err)
	require.NoError(t, w.step())
	require.NoError(t, w.check())
	require.NoError(t, d.Scale(w.net.Parameters[0].Tensor(), w.net.Parameters[0].Tensor(), 1e30, 0))
	require.NoError(t, d.Scale(w.net.Parameters[2].Tensor(), w.net.Parameters[2].Tensor(), 1e30, 0))
	require.NoError(t, w.step())
	require.ErrorContains(t, w.check(), "step 2 gave")
	w.release()
	require.NoError(t, d.Close())
}

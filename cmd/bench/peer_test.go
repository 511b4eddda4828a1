//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
)

// fake makes FOVEA_PEER_PYTHON a shell script that speaks the protocol; its log has a line for each thing it was told, with
// the time in milliseconds. A step of the
// fake takes 0.4 ms in NCHW, 0.2 with malloc tuned, 0.1 in channels_last, 0.3 with malloc tuned, 0.25 compiled.
func fake(t *testing.T, parts map[string]string) (log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "log")
	part := func(name, usual string) string {
		if own, set := parts[name]; set {
			return own
		}
		return usual
	}
	script := `#!/bin/sh
say() { echo "$(($(date +%s%N) / 1000000)) $1" >> "` + log + `"; }
[ "$1 $2" = "-u -c" ] || exit 9
say "malloc=$MALLOC_MMAP_THRESHOLD_ threads=$OMP_NUM_THREADS"
` + part("hello", `echo '{"missing": []}'`) + `
read job || exit 0
say "$job"
case "$MALLOC_MMAP_THRESHOLD_$job" in
	*'"compile":true'*) micro=250;;
	1*'"channels_last":true'*) micro=300;;
	1*) micro=200;;
	*'"channels_last":true'*) micro=100;;
	*) micro=400;;
esac
` + part("ready", `echo '{"version": "9.9", "parameters": 623290}'`) + `
while read n; do
	say "run $n"
	` + part("run", `printf '{"seconds": 0.%06d}\n' $((n * micro))`) + `
done
`
	path := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(path, []byte(script), 0o777))
	t.Setenv(pythonVariable, path)
	return log
}

func peerArgs(more ...string) []string {
	return append([]string{"--models", "mlp", "--batch", "4", "--threads", "2", "--steps", "3", "--peer", "pytorch"}, more...)
}

// Blocks of ours and of the peer alternate in every setting; the fastest counts; the ratio is that of the medians.
func TestAlternation(t *testing.T) {
	t.Setenv("MALLOC_MMAP_THRESHOLD_", "5") // the user's own must not make the plain settings tuned
	log := fake(t, nil)
	r := programtest.Succeed(t, bench, peerArgs("--json")...)
	var line stepLine
	require.NoError(t, json.Unmarshal([]byte(r.Stdout), &line))
	p := line.Peer
	require.Equal(t, []any{"pytorch", "9.9", "channels_last"}, []any{p.Name, p.Version, p.Setting})
	require.Len(t, p.Settings, 6)
	for i, row := range []struct {
		setting string
		perStep float64
	}{{"NCHW", 4e-4}, {"channels_last", 1e-4}, {"NCHW, malloc tuned", 2e-4}, {"channels_last, malloc tuned", 3e-4},
		{"NCHW, compiled, malloc tuned", 2.5e-4}, {"channels_last, compiled, malloc tuned", 2.5e-4}} {
		s := p.Settings[i]
		require.Equal(t, row.setting, s.Setting)
		require.InEpsilon(t, 4/row.perStep, s.Median, 1e-6)
		require.InEpsilon(t, 4/row.perStep, s.ImagesPerS, 1e-6)
		require.InEpsilon(t, s.Ours/s.Median, s.Ratio, 1e-9)
		require.LessOrEqual(t, s.Ours, line.ImagesPerS)
	}
	require.Equal(t, p.Settings[1].Ratio, p.Ratio)
	require.Equal(t, p.Settings[1].Median, p.Median)

	text, err := os.ReadFile(log)
	require.NoError(t, err)
	var told []string
	var at []int
	for l := range strings.Lines(string(text)) {
		when, what, _ := strings.Cut(strings.TrimSpace(l), " ")
		ms, err := strconv.Atoi(when)
		require.NoError(t, err)
		told, at = append(told, what), append(at, ms)
	}
	require.Equal(t, "malloc= threads=1", told[0], "whether it is there was asked first")
	told, at = told[1:], at[1:]
	const each = 2 + 2 + 3 // start, job; two blocks to find the size; three timed
	require.Len(t, told, 6*each)
	for i := range 6 {
		one, when := told[each*i:each*(i+1)], at[each*i:]
		require.Equal(t, []string{"malloc= threads=2", "malloc=1073741824 threads=2"}[min(i/2, 1)], one[0])
		var j map[string]any
		require.NoError(t, json.Unmarshal([]byte(one[1]), &j))
		require.Equal(t, map[string]any{"work": "train", "model": "mlp", "classes": 10.0, "sample": []any{1.0, 28.0, 28.0}, "batch": 4.0, "threads": 2.0,
			"device": "cpu", "precision": "fp32", "optimizer": "adam", "channels_last": i%2 == 1, "compile": i > 3}, j)
		group := []string{"run 5", "run 20", "run 10", "run 7", "run 8", "run 8"}[i]
		require.Equal(t, []string{"run 1", group, group, group, group}, one[2:])
		for k := 4; k+1 < each; k++ {
			require.GreaterOrEqual(t, when[k+1]-when[k], 100, "between two blocks of the peer are two pauses and one of ours")
		}
	}
	require.Positive(t, line.Steps)
	require.Zero(t, line.Steps%18, "six settings, three blocks each")
}

func TestPeerTable(t *testing.T) {
	fake(t, map[string]string{"ready": `case $job in *'"channels_last":true'*) echo '{"error": "RuntimeError: no such layout"}'; exit 1;; esac
echo '{"version": "9.9", "parameters": 623290}'`})
	r := programtest.Succeed(t, bench, peerArgs()...)
	require.Regexp(t, `\ntrain, mlp on cpu: [\d.]+ times as fast as pytorch 9.9 \(NCHW, malloc tuned\)\n`, r.Stdout)
	require.Contains(t, r.Stdout, "  channels_last: failed: RuntimeError: no such layout\n")
	require.Regexp(t, `  NCHW: median 1e\+04 images/s \(best 1e\+04\), ours beside it [\d.e+]+, ratio [\d.]+, RSS`, r.Stdout)
}

func TestPeerFails(t *testing.T) {
	for _, row := range []struct {
		name  string
		parts map[string]string
		shown string
	}{
		{"no module", map[string]string{"hello": `echo '{"missing": ["torch", "numpy"]}'`}, "has no module torch, numpy: install it there, or name another Python with FOVEA_PEER_PYTHON"},
		{"ends at once", map[string]string{"hello": "echo Segmentation fault >&2; exit 3"}, "ended before it answered (exit status 3):\nSegmentation fault"},
		{"ends later", map[string]string{"run": "exit 4"}, "ended before it answered (exit status 4)"},
		{"not JSON", map[string]string{"ready": "echo hello"}, `answer "hello\n", expected a line of JSON`},
		{"other network", map[string]string{"ready": `echo '{"version": "9.9", "parameters": 12}'`}, "its mlp has 12 parameters, ours 623290: that is not the same work"},
		{"every setting fails", map[string]string{"ready": `echo '{"error": "RuntimeError: out of memory"}'`}, "it failed in every setting; NCHW: RuntimeError: out of memory"},
		{"no time", map[string]string{"run": `echo '{"seconds": 0}'`}, "1 steps in 0 seconds, expected more than 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fake(t, row.parts)
			r := programtest.Run(bench, peerArgs()...)
			require.Equal(t, 1, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.shown)
			require.Contains(t, r.Stderr, "--peer pytorch: ")
			require.Empty(t, r.Stdout)
		})
	}
	t.Run("no Python", func(t *testing.T) {
		t.Setenv(pythonVariable, "/no/such/python")
		r := programtest.Run(bench, peerArgs()...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Stderr, "--peer pytorch: Python cannot be started: fork/exec /no/such/python: no such file or directory (FOVEA_PEER_PYTHON names another)")
	})
	t.Run("no such device", func(t *testing.T) {
		fake(t, nil)
		r := programtest.Run(bench, peerArgs("--devices", "reference")...)
		require.Equal(t, 2, r.Code)
		require.Contains(t, r.Stderr, "--peer pytorch: device reference, expected cpu or cuda")
	})
}

// An interrupt ends a peer that takes its time, though its child holds the pipe.
func TestInterruptedPeer(t *testing.T) {
	log := fake(t, map[string]string{"ready": "sleep 60"})
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for text := []byte{}; !bytes.Contains(text, []byte("channels_last")); time.Sleep(10 * time.Millisecond) { // it has its job
			text, _ = os.ReadFile(log)
		}
		cancel(cli.ErrInterrupted)
	}()
	var stderr bytes.Buffer
	begin := time.Now()
	err := bench(ctx, peerArgs(), io.Discard, &stderr)
	require.Equal(t, 130, cli.Exit("bench", err, &stderr), "%v", err)
	require.Less(t, time.Since(begin), 20*time.Second)
}

// The settings of each peer on each device.
func TestPeerSettings(t *testing.T) {
	names := func(p *peer, device, model string) (all []string) {
		m, err := (&settings{}).find(model)
		require.NoError(t, err)
		for _, s := range p.settingsOn(device, m) {
			all = append(all, s.String())
		}
		return all
	}
	pytorch, onnx := &peer{name: "pytorch", cuda: true}, &peer{name: "onnxruntime"}
	eager := []string{"NCHW", "channels_last", "NCHW, malloc tuned", "channels_last, malloc tuned"}
	require.Equal(t, eager, names(pytorch, "cpu", "resnet18"))
	require.Equal(t, append(eager, "NCHW, compiled, malloc tuned", "channels_last, compiled, malloc tuned"), names(pytorch, "cpu", "mlp"))
	require.Equal(t, []string{"NCHW", "NCHW, malloc tuned"}, names(pytorch, "cpu", "sgemm64"))
	require.Equal(t, []string{"channels_last", "channels_last, compiled"}, names(pytorch, "cuda:0", "mlp"))
	require.Equal(t, []string{"NCHW", "NCHW, malloc tuned"}, names(onnx, "cpu", "vgg16"))
	require.NoError(t, pytorch.fits("cuda:1"))
	require.ErrorContains(t, onnx.fits("cuda:1"), "--peer onnxruntime: device cuda:1, expected cpu")
}

// The real programs are Python that runs: they say at least what they lack.
func TestPeerPrograms(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	t.Setenv(pythonVariable, python)
	for _, name := range []string{"pytorch", "onnxruntime"} {
		p, err := (&settings{}).findPeer(name)
		require.NoError(t, err)
		if err := p.present(t.Context()); err != nil {
			require.Regexp(t, fmt.Sprintf("^--peer %s: .* has no module .*(torch|onnx)", name), err.Error())
		}
	}
}

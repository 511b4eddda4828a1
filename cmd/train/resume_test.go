package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// stopAfter cancels a training when it has printed so many lines.
type stopAfter struct {
	lines int
	stop  context.CancelCauseFunc
}

func (s *stopAfter) Write(p []byte) (int, error) {
	if s.lines -= bytes.Count(p, []byte("\n")); s.lines <= 0 {
		s.stop(cli.ErrInterrupted)
	}
	return len(p), nil
}

// interrupted runs a training that is stopped after some epochs.
func interrupted(t *testing.T, epochs int, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var stderr bytes.Buffer
	err := train(ctx, append(args, "--log", "json"), &stopAfter{epochs, stop}, &stderr)
	require.ErrorIs(t, err, cli.ErrInterrupted, stderr.String())
}

// grey is a file of n Bars with values of 0 to 1, which can be augmented.
func grey(t *testing.T, n, side int) string {
	t.Helper()
	clamped := func(n int, seed uint64) ([]float32, []int64) {
		x, y := programtest.Bars(n, side, seed)
		for i, v := range x {
			x[i] = min(max(v, 0), 1)
		}
		return x, y
	}
	x, y := clamped(n, 1)
	xTest, yTest := clamped(n/2, 2)
	return programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{n, 1, side, side}, Values: x}, programtest.Array{Name: "y", Shape: []int{n}, Values: y},
		programtest.Array{Name: "x_test", Shape: []int{n / 2, 1, side, side}, Values: xTest}, programtest.Array{Name: "y_test", Shape: []int{n / 2}, Values: yTest})
}

// rich are the flags of a training that has every kind of state.
func rich(npz, out string, more ...string) []string {
	return short(npz, out, append([]string{"--model", "cnn-small", "--epochs", "4", "--val-fraction", "0.25", "--patience", "3", "--ema", "0.5", "--accumulate", "2",
		"--augment", "flip,jitter", "--mixup", "0.2", "--clip-norm", "1", "--schedule", "cosine", "--warmup", "0.5", "--label-smoothing", "0.1", "--threads", "1",
		"--device", "cpu", "--deterministic-algorithms"}, more...)...)
}

// sameRun says that two folders hold the same training, but for times and places.
func sameRun(t *testing.T, want, got string) {
	t.Helper()
	for _, name := range []string{runs.WeightsFile, runs.BestFile, runs.MatrixFile} {
		require.True(t, bytes.Equal(fileOf(t, want, name), fileOf(t, got, name)), "%s of %s is another", name, got)
	}
	require.Equal(t, timeless(t, want), timeless(t, got))
	hidden, err := filepath.Glob(filepath.Join(got, "*", ".*"))
	require.NoError(t, err)
	require.Empty(t, hidden)
	entries, err := os.ReadDir(filepath.Join(got, runs.Checkpoints))
	require.NoError(t, err)
	require.LessOrEqual(t, len(entries), 2)
}

// timeless is metrics.jsonl without what differs from run to run.
func timeless(t *testing.T, run string) string {
	t.Helper()
	var text strings.Builder
	for _, line := range lines(t, string(fileOf(t, run, runs.LinesFile))) {
		for _, name := range []string{"seconds", "images_per_second", "run"} {
			delete(line, name)
		}
		require.NoError(t, json.NewEncoder(&text).Encode(line))
	}
	return text.String()
}

func TestResume(t *testing.T) {
	npz, dir := grey(t, 64, 12), t.TempDir()
	whole := filepath.Join(dir, "whole")
	programtest.Succeed(t, train, rich(npz, whole)...)
	run := filepath.Join(dir, "run")
	interrupted(t, 1, rich(npz, run, "--checkpoint-steps", "2")...)
	again := programtest.Succeed(t, train, "--resume", run, "--log", "json", "--threads", "2", "--workers", "1")
	require.Regexp(t, `\nResumed: .*/run/checkpoints/epoch-0001-step-0000000[34], after [34] steps\n`, "\n"+again.Stderr)
	sameRun(t, whole, run)
	require.Equal(t, 4, strings.Count(again.Stdout, "\n"), "the epochs that were left, and the end")

	t.Run("done", func(t *testing.T) {
		before := fileOf(t, run, runs.LinesFile)
		r := programtest.Succeed(t, train, "--resume", run)
		require.Equal(t, run+" is done, after 4 epochs and 12 steps: there is nothing to go on with (more --epochs train further)\n", r.Stderr)
		require.Empty(t, r.Stdout)
		require.Equal(t, before, fileOf(t, run, runs.LinesFile))
	})
}

// Whatever the last checkpoint suffers, the one before goes on to the same end.
func TestResumeDamaged(t *testing.T) {
	npz, dir := grey(t, 64, 12), t.TempDir()
	whole, run := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	programtest.Succeed(t, train, rich(npz, whole)...)
	interrupted(t, 2, rich(npz, run)...)
	made, err := filepath.Glob(filepath.Join(run, runs.Checkpoints, "epoch-*"))
	require.NoError(t, err)
	require.Len(t, made, 2)
	require.NoError(t, os.Truncate(filepath.Join(made[1], "optimizer.safetensors"), 1000))
	r := programtest.Succeed(t, train, "--resume", run)
	require.Contains(t, r.Stderr, "passed over: checkpoint "+made[1]+"/optimizer.safetensors: its content is not what was written (SHA-256)\n")
	sameRun(t, whole, run)

	made, err = filepath.Glob(filepath.Join(run, runs.Checkpoints, "epoch-*"))
	require.NoError(t, err)
	for _, path := range made {
		require.NoError(t, os.Remove(filepath.Join(path, "SHA256SUMS")))
	}
	epochs := bytes.SplitAfter(fileOf(t, run, runs.LinesFile), []byte("\n"))[:4] // which do not say that it is done
	require.NoError(t, os.WriteFile(filepath.Join(run, runs.LinesFile), bytes.Join(epochs, nil), 0o666))
	failed := programtest.Run(train, "--resume", run)
	require.Equal(t, 1, failed.Code)
	require.Regexp(t, `^program: --resume .*: no whole checkpoint in .*SHA256SUMS: is missing`, failed.Stderr)
	require.NoError(t, os.RemoveAll(filepath.Join(run, runs.Checkpoints)))
	failed = programtest.Run(train, "--resume", run)
	require.Equal(t, 1, failed.Code)
	require.Regexp(t, `^program: --resume .*: there is no checkpoint\n$`, failed.Stderr)
}

// More epochs train further: as a training of so many would have from the start.
func TestResumeLonger(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 64, 8), t.TempDir()
	long, run := filepath.Join(dir, "long"), filepath.Join(dir, "run")
	programtest.Succeed(t, train, short(npz, long, "--epochs", "3", "--val-fraction", "0.25")...)
	programtest.Succeed(t, train, short(npz, run, "--epochs", "2", "--val-fraction", "0.25")...)
	programtest.Succeed(t, train, "--resume", run, "--epochs", "3")
	sameRun(t, long, run)
	require.Contains(t, string(fileOf(t, run, runs.ConfigFile)), "\nepochs: 3\n")
	r := programtest.Succeed(t, train, "--resume", run)
	require.Contains(t, r.Stderr, "is done, after 3 epochs")
}

// A training that was stopped before its first checkpoint begins anew, and says so.
func TestResumeBeforeTheFirst(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 64, 8), t.TempDir()
	whole, run := filepath.Join(dir, "whole"), filepath.Join(dir, "run")
	args := []string{"--val-fraction", "0.25"}
	programtest.Succeed(t, train, short(npz, whole, args...)...)
	programtest.Succeed(t, train, short(npz, run, args...)...)
	for _, name := range []string{runs.Checkpoints, runs.LinesFile, runs.WeightsFile} {
		require.NoError(t, os.RemoveAll(filepath.Join(run, name)))
	}
	r := programtest.Succeed(t, train, "--resume", run)
	require.Contains(t, r.Stderr, run+" has no checkpoint yet: the training begins anew\n")
	sameRun(t, whole, run)
}

func TestResumeRefusals(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 64, 8), t.TempDir()
	run, cosine, folds := filepath.Join(dir, "run"), filepath.Join(dir, "cosine"), filepath.Join(dir, "folds")
	interrupted(t, 1, short(npz, run)...)
	interrupted(t, 1, short(npz, cosine, "--schedule", "cosine")...)
	programtest.Succeed(t, train, short(npz, folds, "--folds", "2", "--epochs", "1")...)
	require.NoDirExists(t, filepath.Join(folds, "fold-1", runs.Checkpoints), "nothing could go on with it")
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		shown string
	}{
		{"another rate", []string{"--resume", run, "--lr", "0.1"}, 2, "--resume: --lr is as in the run's config.yaml, expected none beside it but device, threads,"},
		{"another folder", []string{"--resume", run, "--out", "x"}, 2, "--resume: --out is as in"},
		{"a config too", []string{"--resume", run, "--config", "x.yaml"}, 2, "--resume: --config is as in"},
		{"no folder", []string{"--resume", filepath.Join(dir, "none")}, 1, "none: no such file or directory"},
		{"no run", []string{"--resume", dir}, 1, "no config.yaml in it, expected a run folder"},
		{"a file", []string{"--resume", npz}, 1, "no config.yaml in it, expected a run folder"},
		{"fewer epochs", []string{"--resume", run, "--epochs", "1"}, 2, "--epochs 1, expected at least the 2 of the run"},
		{"rates that depend on the epochs", []string{"--resume", cosine, "--epochs", "5"}, 2, "by the schedule cosine the rates of the first 2 epochs were those of a shorter training"},
		{"folds", []string{"--resume", folds}, 2, "it is a run of --folds or --find-lr, which begin anew"},
		{"a fold", []string{"--resume", filepath.Join(folds, "fold-1")}, 2, "it is a run of --folds"},
		{"steps below 0", []string{"--checkpoint-steps", "-1"}, 2, "--checkpoint-steps: -1, expected at least 0"},
		{"no time", []string{"--checkpoint-minutes", "NaN"}, 2, "--checkpoint-minutes: NaN, expected 0 to 100000000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := programtest.Run(train, row.args...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Contains(t, r.Stderr, row.shown)
			require.Empty(t, r.Stdout)
		})
	}

	t.Run("other data", func(t *testing.T) {
		text := strings.Replace(string(fileOf(t, run, runs.ConfigFile)), npz, programtest.BarsNPZ(t, 72, 8), 1)
		copied := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(copied, os.DirFS(run)))
		require.NoError(t, os.WriteFile(filepath.Join(copied, runs.ConfigFile), []byte(text), 0o666))
		r := programtest.Run(train, "--resume", copied)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Stderr, "going on from a state: samples to train on: 64 there, 72 here")
		require.Regexp(t, `data was npz:.* when the checkpoint was made and is npz:.* now`, r.Stderr)
	})
	t.Run("a rate changed by hand", func(t *testing.T) {
		text := strings.Replace(string(fileOf(t, run, runs.ConfigFile)), "lr: 0.001", "lr: 0.01", 1)
		copied := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(copied, os.DirFS(run)))
		require.NoError(t, os.WriteFile(filepath.Join(copied, runs.ConfigFile), []byte(text), 0o666))
		r := programtest.Succeed(t, train, "--resume", copied, "--device", "reference")
		require.Contains(t, r.Stderr, "lr was 0.001 when the checkpoint was made and is 0.01 now: what follows is not what it would have been\n")
		require.Regexp(t, `the checkpoint was made on (cpu|cuda:0): reference rounds otherwise, so the last bits will not be`, r.Stderr)
	})
	t.Run("a length changed by hand", func(t *testing.T) {
		text := strings.Replace(string(fileOf(t, cosine, runs.ConfigFile)), "epochs: 2", "epochs: 3", 1)
		copied := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(copied, os.DirFS(cosine)))
		require.NoError(t, os.WriteFile(filepath.Join(copied, runs.ConfigFile), []byte(text), 0o666))
		r := programtest.Succeed(t, train, "--resume", copied)
		require.Contains(t, r.Stderr, "epochs was 2 when the checkpoint was made and is 3 now: what follows")
	})
	t.Run("a newer format", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(copied, os.DirFS(run)))
		made, err := filepath.Glob(filepath.Join(copied, runs.Checkpoints, "epoch-*"))
		require.NoError(t, err)
		newest := made[len(made)-1]
		state := bytes.Replace(fileOf(t, newest, "state.json"), []byte(`"version": 1`), []byte(`"version": 2`), 1)
		sums := strings.Replace(string(fileOf(t, newest, "SHA256SUMS")), sha(fileOf(t, newest, "state.json")), sha(state), 1)
		require.NoError(t, os.WriteFile(filepath.Join(newest, "state.json"), state, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(newest, "SHA256SUMS"), []byte(sums), 0o666))
		r := programtest.Run(train, "--resume", copied)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Stderr, "state.json: format version 2, this program reads 1: a newer program wrote it\n")
	})
}

// A training that diverged goes on from its last good state, and diverges again.
func TestResumeDiverged(t *testing.T) {
	npz, run := programtest.BarsNPZ(t, 64, 8), filepath.Join(t.TempDir(), "run")
	r := programtest.Run(train, short(npz, run, "--optimizer", "sgd", "--lr", "0.1", "--weight-decay", "40", "--epochs", "100")...)
	require.Equal(t, 1, r.Code)
	again := programtest.Run(train, "--resume", run)
	require.Equal(t, 1, again.Code)
	require.Equal(t, r.Stderr[strings.Index(r.Stderr, "the loss is"):], again.Stderr[strings.Index(again.Stderr, "the loss is"):])
}

func sha(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

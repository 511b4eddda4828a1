package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/zoo"
)

// Folders that cannot be made are refused before training. (Permissions are no test: root may do anything.)
func TestRunFolderRefusals(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 16, 8), t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	used := filepath.Join(dir, "used")
	programtest.Succeed(t, train, short(npz, used)...)
	before := fileOf(t, used, weightsFile)
	curves := filepath.Join(dir, "curves")
	require.NoError(t, os.MkdirAll(filepath.Join(curves, curvesFile), 0o777))
	for _, row := range []struct{ name, out, shown string }{
		{"a file", file, "not a directory"},
		{"below a file", filepath.Join(file, "run"), "not a directory"},
		{"not made by mkdir", "/proc/run", "no such file or directory"},
		{"holds a run", used, "it holds a run already (model.safetensors is there)"},
		{"holds part of one", curves, "it holds a run already (curves.png is there)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := programtest.Run(train, short(npz, row.out)...)
			require.Equal(t, 1, r.Code)
			require.Contains(t, r.Stderr, "program: --out "+row.out+": "+row.shown)
			require.Empty(t, r.Stdout)
		})
	}
	require.Equal(t, before, fileOf(t, used, weightsFile))
}

// Trainings that start in the same second get folders of their own.
func TestDefaultRunFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	seen := map[string]bool{}
	for range 3 {
		r, err := newRun("", "mlp")
		require.NoError(t, err)
		require.Regexp(t, `^runs/mlp-\d{8}-\d{6}(-[23])?$`, filepath.ToSlash(r.dir))
		require.DirExists(t, r.dir)
		require.False(t, seen[r.dir], r.dir)
		seen[r.dir] = true
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("runs", nil, 0o666))
	_, err := newRun("", "mlp")
	require.ErrorContains(t, err, "not a directory (--out names another)")
}

// Whichever file of a run cannot be written, the error names it and nothing half-written stays.
func TestSaveFails(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	model, err := zoo.Find("mlp")
	require.NoError(t, err)
	net, err := nn.Build(dev, model.New(2), []int{1, 2, 2}, 1)
	require.NoError(t, err)
	defer net.Release()
	for _, name := range []string{weightsFile, linesFile, tableFile, curvesFile} {
		t.Run(name, func(t *testing.T) {
			r, err := newRun(filepath.Join(t.TempDir(), "run"), "mlp")
			require.NoError(t, err)
			blocked := r.path(name)
			require.NoError(t, os.MkdirAll(filepath.Join(blocked, "in the way"), 0o777)) // a rename onto it fails
			err = r.epoch(newEpochLine(fit.Epoch{Epoch: 1, Step: 3}), net, nil)
			require.ErrorContains(t, err, blocked)
			require.DirExists(t, blocked)
			left, err := filepath.Glob(filepath.Join(r.dir, ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A result that nobody got is a failure.
func TestStandardOutputFails(t *testing.T) {
	npz := programtest.BarsNPZ(t, 16, 8)
	for _, form := range []string{"text", "json"} {
		err := train(t.Context(), short(npz, filepath.Join(t.TempDir(), "run"), "--log", form), brokenPipe{}, io.Discard)
		require.ErrorContains(t, err, "broken pipe", form)
	}
}

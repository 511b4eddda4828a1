package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// Folders that cannot be made are refused before training. (Permissions are no test: root may do anything.)
func TestRunFolderRefusals(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 16, 8), t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	used := filepath.Join(dir, "used")
	programtest.Succeed(t, train, short(npz, used)...)
	before := fileOf(t, used, runs.WeightsFile)
	curves := filepath.Join(dir, "curves")
	require.NoError(t, os.MkdirAll(filepath.Join(curves, runs.CurvesFile), 0o777))
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
	require.Equal(t, before, fileOf(t, used, runs.WeightsFile))
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

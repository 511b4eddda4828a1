package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/nn/weights"
)

// Another head on trained weights: what fits is loaded, the head is new; and what is frozen comes out as it went in.
func TestFineTuning(t *testing.T) {
	dir, bars := t.TempDir(), programtest.BarsNPZ(t, 32, 8)
	first := filepath.Join(dir, "first")
	programtest.Succeed(t, train, short(bars, first, "--classes", "7")...)
	trained := weightsOf(t, filepath.Join(first, runs.WeightsFile))
	for _, row := range []struct {
		name  string
		flags []string
		shown []string
		stay  []string // parameters that are as they were in the file
	}{
		{"partial", []string{"--weights-partial"},
			[]string{"Weights: 2 of 4 tensors loaded; as they were: 3.bias (file has [7], network expects [10]), 3.weight (file has [7 784], network expects [10 784]); in the file and not used: none\n"}, nil},
		{"partial and frozen", []string{"--weights-partial", "--freeze", "1"}, []string{"Weights: 2 of 4", "Frozen: 2 of 4 parameters\n"}, []string{"1.weight", "1.bias"}},
		{"two patterns", []string{"--weights-partial", "--freeze", "1.b*, 3.bias"}, []string{"Frozen: 2 of 4 parameters\n"}, []string{"1.bias"}},
	} {
		out := filepath.Join(dir, row.name)
		r := programtest.Succeed(t, train, short(bars, out, append(row.flags, "--weights", filepath.Join(first, runs.WeightsFile))...)...)
		for _, text := range row.shown {
			require.Contains(t, r.Stdout, text, row.name)
		}
		after := weightsOf(t, filepath.Join(out, runs.WeightsFile))
		for _, name := range []string{"1.weight", "1.bias"} {
			require.Equal(t, slices.Contains(row.stay, name), slices.Equal(trained[name], after[name]), "%s: %s", row.name, name)
		}
	}
}

// Training starts from a .pth of PyTorch's: what is frozen comes out as it is in the file (scripts/record_pth.py), the rest is
// trained. One that is of no such network is refused.
func TestWeightsOfPyTorch(t *testing.T) {
	const path, other = "../../nn/weights/pth/testdata/cnn-large.pth", "../../nn/weights/pth/testdata/zip.pth"
	file, err := weights.Open(path)
	require.NoError(t, err)
	defer file.Close()
	out, bars := filepath.Join(t.TempDir(), "run"), programtest.BarsNPZ(t, 16, 28)
	r := programtest.Succeed(t, train, short(bars, out, "--model", "cnn-large", "--weights", path, "--freeze", "0,3,8,10")...)
	require.Contains(t, r.Stdout, "Frozen: 8 of 10 parameters\n")
	after := weightsOf(t, filepath.Join(out, runs.WeightsFile))
	require.Len(t, after, 10)
	for name, values := range after {
		before, err := file.Floats(name)
		require.NoError(t, err)
		require.Equal(t, !strings.HasPrefix(name, "12."), slices.Equal(before, values), name)
	}

	r = programtest.Run(train, short(bars, filepath.Join(t.TempDir(), "run"), "--weights", other)...)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "weights "+other+": tensors do not match the network: missing 1.bias, 1.weight, 3.bias, 3.weight; not expected brain, byte, channels_last, column, double, empty and 11 more; wrong shape none")
}

func TestInitialUsage(t *testing.T) {
	bars := programtest.BarsNPZ(t, 16, 8)
	for _, row := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--weights-partial"}, "--weights-partial: expected --weights too"},
		{[]string{"--freeze", "features"}, `--freeze: pattern "features" matches none of the 4 parameters: 1.weight, 1.bias, 3.weight, 3.bias`},
		{[]string{"--freeze", "1,"}, `--freeze: pattern "" matches none`},
		{[]string{"--freeze", "[,1"}, `--freeze: pattern "[": syntax error in pattern`},
		{[]string{"--freeze", "1,3"}, `--freeze: patterns ["1" "3"] leave none of the 4 parameters to train`},
	} {
		r := programtest.Run(train, short(bars, filepath.Join(t.TempDir(), "run"), row.flags...)...)
		require.Equal(t, 2, r.Code, "%q: %s", row.flags, r.Stderr)
		require.Contains(t, r.Stderr, row.want, "%q", row.flags)
	}
}

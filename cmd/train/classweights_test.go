package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// The same weights, however they are given, train the same network: another than without.
func TestClassWeights(t *testing.T) {
	npz, dir := unevenNPZ(t), t.TempDir()
	files := map[string]string{"lines": "0.5\n2\n1e1\n", "row": " 0.5, 2,10 "}
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}
	run := func(name string, more ...string) []byte {
		out := filepath.Join(dir, "run "+name)
		r := programtest.Succeed(t, train, short(npz, out, append(more, "--classes", "3", "--label-smoothing", "0.1", "--device", "cpu")...)...)
		if name != "none" {
			require.Contains(t, r.Stdout, "\nClass weights: 0.5, 2, 10\n")
		}
		return fileOf(t, out, runs.WeightsFile)
	}
	want := run("list", "--class-weights", "0.5,2,10")
	for name := range files {
		require.Equal(t, want, run(name, "--class-weights", filepath.Join(dir, name)), name)
	}
	require.NotEqual(t, want, run("none"))
	again := filepath.Join(dir, "again")
	programtest.Succeed(t, train, "--config", filepath.Join(dir, "run list", runs.ConfigFile), "--out", again)
	require.Equal(t, want, fileOf(t, again, runs.WeightsFile))
}

// Balanced weights are those of what is trained on, what is held out not counted; and they let a network find classes that are
// rare, in so few steps that the common one takes all without.
func TestBalancedClassWeights(t *testing.T) {
	npz, dir := unevenNPZ(t), t.TempDir()
	recall := func(name string, more ...string) string {
		out := filepath.Join(dir, name)
		r := programtest.Succeed(t, train, short(npz, out, append(more, "--classes", "3", "--stratify", "--test-fraction", "0.5", "--optimizer", "sgd", "--lr", "0.004", "--epochs", "6")...)...)
		if len(more) > 0 {
			require.Contains(t, r.Stdout, "\nClass weights: 0.4444, 2.222, 3.333\n", "40 samples: 30, 6 and 4")
		}
		lines := strings.Split(strings.TrimSpace(string(fileOf(t, out, runs.MatrixFile))), "\n")
		return strings.Split(lines[3], ",")[3] // of class 2
	}
	require.Equal(t, "0", recall("plain"))
	require.Equal(t, "1", recall("balanced", "--class-weights", "balanced"))
}

func TestClassWeightRefusals(t *testing.T) {
	dir, uneven := t.TempDir(), "npz:"+unevenNPZ(t)
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	x, _ := programtest.Bars(8, 8, 1)
	targets := "npz:" + programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{8, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{8}, Values: make([]float32, 8)})
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--class-weights", "heavy"}, 2, `--class-weights: "heavy", expected balanced, weights such as 1,2.5,1, or a file of them`},
		{[]string{"--class-weights", "1,2,"}, 2, `--class-weights: 2 weights, expected one for each of 3 classes`},
		{[]string{"--class-weights", ","}, 2, `--class-weights: ",", expected balanced`},
		{[]string{"--class-weights", "1,two,3"}, 2, `--class-weights: "1,two,3", expected balanced`},
		{[]string{"--class-weights", strings.Repeat("1,", 5000) + "x"}, 2, `--class-weights: "(1,){40}", expected balanced`},
		{[]string{"--class-weights", "1,0,3"}, 2, `--class-weights: 0 for class 1, expected 1e-15 to 1e\+15`},
		{[]string{"--class-weights", "1,NaN,3"}, 2, `--class-weights: NaN for class 1, expected 1e-15 to`},
		{[]string{"--class-weights", "1,2,Inf"}, 2, `--class-weights: \+Inf for class 2, expected 1e-15 to`},
		{[]string{"--class-weights", "1,2,3,4"}, 2, `--class-weights: 4 weights, expected one for each of 3 classes`},
		{[]string{"--class-weights", file("words", "1\n2\nthree\n")}, 2, `--class-weights .*words: weight 3 is "three", expected a number`},
		{[]string{"--class-weights", file("empty", "\n")}, 2, `--class-weights .*empty: no weights in it`},
		{[]string{"--class-weights", file("negative", "1 2 -3")}, 2, `--class-weights .*negative: -3 for class 2, expected 1e-15 to`},
		{[]string{"--class-weights", file("long", strings.Repeat("1\n", 16*cli.MaxClasses+1))}, 1, `--class-weights .*long: longer than 3200000 bytes: no weights of classes`},
		{[]string{"--class-weights", dir}, 1, `--class-weights .*: is a directory`},
		{[]string{"--class-weights", "balanced", "--data", targets, "--classes", "0"}, 2, `--class-weights: data "npz:.*" has targets, not labels`},
	} {
		out := filepath.Join(t.TempDir(), "run")
		r := programtest.Run(train, append([]string{"--data", uneven, "--classes", "3", "--model", "mlp", "--out", out}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Regexp(t, "^program: "+row.shown, r.Stderr)
		require.Empty(t, r.Stdout)
		require.NoDirExists(t, out)
	}
}

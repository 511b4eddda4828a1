package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// unevenNPZ are 80 bars of which the first 60 are of class 0, the next 12 of class 1 and the last 8 of class 2. There is no
// test set.
func unevenNPZ(t *testing.T) string {
	t.Helper()
	x, y := programtest.Bars(320, 8, 1)
	var chosen []float32
	var labels []int64
	for class, want := range []int{60, 12, 8} {
		for i := range y {
			if y[i] == int64(class) && want > 0 {
				chosen, labels, want = append(chosen, x[i*64:(i+1)*64]...), append(labels, y[i]), want-1
			}
		}
	}
	return programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{80, 1, 8, 8}, Values: chosen}, programtest.Array{Name: "y", Shape: []int{80}, Values: labels})
}

// The samples of each class that the test set had, by the run's confusion matrix.
func tested(t *testing.T, out string) string {
	t.Helper()
	var counts []string
	for _, line := range strings.Split(strings.TrimSpace(string(fileOf(t, out, runs.MatrixFile))), "\n")[1:] {
		counts = append(counts, strings.Split(line, ",")[1])
	}
	return strings.Join(counts, " ")
}

// Test and validation set are held out of data that has neither, by shares of each class if that is asked for; and the seed
// decides what they are.
func TestTestFraction(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	npz, dir := unevenNPZ(t), t.TempDir()
	run := func(name string, more ...string) programtest.Result {
		return programtest.Succeed(t, train, short(npz, filepath.Join(dir, name), append(more, "--classes", "3", "--log", "json")...)...)
	}
	held := []string{"--test-fraction", "0.25", "--val-fraction", "0.25"}
	r := run("stratified", append(held, "--stratify")...)
	require.Contains(t, r.Stderr, "45 samples to train on, 15 to validate, 20 to test")
	require.Equal(t, "15 3 2", tested(t, filepath.Join(dir, "stratified")))
	all := lines(t, r.Stdout)
	require.EqualValues(t, 20, all[len(all)-1]["test_samples"])

	run("last", append(held, "--no-shuffle")...)
	require.Equal(t, "0 12 8", tested(t, filepath.Join(dir, "last")), "the last in file order")
	run("stratified last", append(held, "--no-shuffle", "--stratify")...)
	require.Equal(t, "15 3 2", tested(t, filepath.Join(dir, "stratified last")))

	weights := func(name string) []byte { return fileOf(t, dir, name, runs.WeightsFile) }
	run("again", append(held, "--stratify")...)
	require.Equal(t, weights("stratified"), weights("again"))
	programtest.Succeed(t, train, "--config", filepath.Join(dir, "stratified", runs.ConfigFile), "--out", filepath.Join(dir, "config"))
	require.Equal(t, weights("stratified"), weights("config"))
}

func TestSplitRefusals(t *testing.T) {
	own, uneven := "npz:"+programtest.BarsNPZ(t, 16, 8), "npz:"+unevenNPZ(t)
	x, _ := programtest.Bars(8, 8, 1)
	targets := "npz:" + programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{8, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{8}, Values: make([]float32, 8)})
	folder := t.TempDir()
	pictures(t, filepath.Join(folder, "train"), 4)
	pictures(t, filepath.Join(folder, "val"), 2)
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{[]string{"--test-fraction", "1"}, 2, `--test-fraction: 1, expected at least 0 and below 1`},
		{[]string{"--test-fraction", "NaN"}, 2, `--test-fraction: NaN, expected at least 0 and below 1`},
		{[]string{"--test-fraction", "-0.1"}, 2, `--test-fraction: -0.1, expected`},
		{[]string{"--data", own, "--test-fraction", "0.2"}, 2, `--test-fraction: 0.2, but npz:.* has a test set of its own`},
		{[]string{"--data", "folder:" + folder, "--val-fraction", "0.2"}, 2, `--val-fraction: 0.2, but folder:.* has a set of its own to validate with`},
		{[]string{"--data", uneven, "--stratify"}, 2, `--stratify: nothing of npz:.* is held out, expected --val-fraction, --test-fraction or --folds too`},
		{[]string{"--data", targets, "--stratify", "--val-fraction", "0.5"}, 2, `--stratify: data "npz:.*" has targets, not labels`},
		{[]string{"--data", targets, "--stratify", "--folds", "2"}, 2, `--stratify: data "npz:.*" has targets, not labels`},
		{[]string{"--data", uneven, "--stratify", "--val-fraction", "0.05"}, 1, `--val-fraction: split of "npz:.*": fraction 0.05 holds none of the 8 samples of class 2 out`},
		{[]string{"--data", uneven, "--test-fraction", "0.001"}, 1, `--test-fraction: split of "npz:.*": fraction 0.001 of 80 samples holds none out`},
		{[]string{"--folds", "1"}, 2, `--folds: 1, expected at least 2, or 0 for one training`},
		{[]string{"--folds", "-3"}, 2, `--folds: -3, expected at least 2`},
		{[]string{"--folds", "3", "--val-fraction", "0.2"}, 2, `--folds: each sample is validated with once, expected no --val-fraction`},
		{[]string{"--folds", "3", "--overfit-batch"}, 2, `--folds: --overfit-batch and --find-lr validate with nothing, expected neither`},
		{[]string{"--folds", "3", "--find-lr"}, 2, `--folds: --overfit-batch and --find-lr validate with nothing`},
		{[]string{"--data", uneven, "--folds", "81"}, 1, `--folds: folds of "npz:.*": 81 of 80 samples, expected at least one for each`},
		{[]string{"--data", uneven, "--folds", "9", "--stratify"}, 1, `--folds: folds of "npz:.*": class 2 has 8 samples, expected at least 9, one for each fold`},
	} {
		out := filepath.Join(t.TempDir(), "run")
		r := programtest.Run(train, append(row.args, "--model", "mlp", "--out", out)...)
		require.Equal(t, row.code, r.Code, "%v: %s", row.args, r.Stderr)
		require.Regexp(t, "^program: "+row.shown, r.Stderr)
		require.Empty(t, r.Stdout)
		require.NoDirExists(t, out)
	}
}

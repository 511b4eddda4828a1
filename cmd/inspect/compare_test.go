package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
)

// savedRun is a run folder of train, of that name below the working folder.
func savedRun(t *testing.T, name, settings string, lines ...string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(name, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(name, runs.ConfigFile), []byte(settings), 0o666))
	if len(lines) > 0 {
		require.NoError(t, os.WriteFile(filepath.Join(name, runs.LinesFile), []byte(strings.Join(lines, "\n")+"\n"), 0o666))
	}
	return name
}

// someRuns are one that is done, one that is not, one of a regression and one without an epoch.
func someRuns(t *testing.T) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	return []string{
		savedRun(t, "a", "model: cnn-small\nepochs: 2\nseed: 1\nlr: 0.001\nbatch: 8\n",
			`{"event":"epoch","epoch":1,"step":6,"lr":0.001,"train_loss":1.5,"train_accuracy":0.25,"val_loss":1.25,"val_accuracy":0.5,"images_per_second":100,"seconds":1}`,
			`{"event":"epoch","epoch":2,"step":12,"lr":0.001,"train_loss":1,"train_accuracy":0.5,"val_loss":1.5,"val_accuracy":0.75,"images_per_second":300,"seconds":3}`,
			`{"event":"done","test_accuracy":0.625,"test_loss":1.75,"test_top5_accuracy":1,"epochs":2,"steps":12,"seconds":70,"run":"a"}`),
		savedRun(t, "b", "model: mlp\nepochs: 5\nseed: 2\nlr: 0.001\n",
			`{"event":"epoch","epoch":1,"step":6,"lr":0.001,"train_loss":2,"train_accuracy":0.125,"images_per_second":100,"seconds":1}`),
		savedRun(t, "c", "model: mlp\nepochs: 1\nseed: 1\nlr: 0.001\nbatch: 8\n",
			`{"event":"epoch","epoch":1,"step":6,"lr":0.001,"train_loss":3,"val_loss":4,"images_per_second":1e308,"seconds":1e308}`,
			`{"event":"done","test_loss":5,"epochs":1,"steps":6,"seconds":1,"run":"c"}`),
		savedRun(t, "d", "model: mlp\nepochs: 1\nseed: 1\nlr: 0.001\nbatch: \"8\\e[31m\"\n"),
	}
}

func TestCompare(t *testing.T) {
	dirs := someRuns(t)
	r := programtest.Succeed(t, inspect, append([]string{"compare"}, dirs...)...)
	require.Equal(t, `Run  Network    batch        epochs  seed  Epochs            Best validation  Test    Images/s  Time
a    cnn-small  8            2       1     2                 50.00%, epoch 1  62.50%  250       1 min 10 s
b    mlp        -            5       2     1 of 5, not done  -                -       100       1.0 s
c    mlp        8            1       1     1                 loss 4, epoch 1  loss 5  0         1.0 s
d    mlp        "8\x1b[31m"  1       1     0 of 1, not done  -                -       0         0.0 s
`, r.Stdout)

	r = programtest.Succeed(t, inspect, append([]string{"compare", "--csv"}, dirs...)...)
	rows, err := csv.NewReader(strings.NewReader(r.Stdout)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"run", "network", "batch", "epochs", "seed", "done", "epochs", "steps", "train_loss", "train_accuracy", "best_epoch", "val_loss", "val_accuracy",
			"test_loss", "test_accuracy", "test_top5_accuracy", "images_per_second", "seconds"},
		{"a", "cnn-small", "8", "2", "1", "true", "2", "12", "1", "0.5", "1", "1.25", "0.5", "1.75", "0.625", "1", "250", "70"},
		{"b", "mlp", "", "5", "2", "false", "1", "6", "2", "0.125", "", "", "", "", "", "", "100", "1"},
		{"c", "mlp", "8", "1", "1", "true", "1", "6", "3", "", "1", "4", "", "5", "", "", "0", "1"},
		{"d", "mlp", "8\x1b[31m", "1", "1", "false", "0", "0", "", "", "", "", "", "", "", "", "0", "0"}}, rows)

	r = programtest.Succeed(t, inspect, append([]string{"compare", "--json"}, dirs...)...)
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	require.Len(t, lines, 4)
	var one map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &one))
	require.Equal(t, map[string]any{"run": "a", "network": "cnn-small", "settings": map[string]any{"batch": "8", "epochs": "2", "seed": "1"}, "done": true, "epochs": 2.0,
		"steps": 12.0, "train_loss": 1.0, "train_accuracy": 0.5, "best_epoch": 1.0, "val_loss": 1.25, "val_accuracy": 0.5, "test_loss": 1.75,
		"test_accuracy": 0.625, "test_top5_accuracy": 1.0, "images_per_second": 250.0, "seconds": 70.0}, one)

	r = programtest.Succeed(t, inspect, "compare", "a")
	require.NotContains(t, r.Stdout, "seed", "nothing differs")
}

func TestCompareCurves(t *testing.T) {
	dirs := someRuns(t)
	for _, name := range []string{"both.png", "both.SVG"} {
		programtest.Succeed(t, inspect, append([]string{"compare", "-o", name}, dirs...)...)
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(content), map[string]string{"both.png": "\x89PNG", "both.SVG": "<?xml"}[name]))
	}
}

func TestCompareRefuses(t *testing.T) {
	dirs := someRuns(t)
	require.NoError(t, os.Mkdir("none", 0o777))
	savedRun(t, "damaged", "model: mlp\n", "{")
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{nil, 2, "0 runs, expected 1 to 1000"},
		{append([]string{"--csv", "--json"}, dirs...), 2, "--csv and --json: expected one or the other"},
		{append([]string{"-o", "x.jpg"}, dirs...), 2, `-o: "x.jpg", expected a file.png or file.svg`},
		{append(dirs, "none"), 1, "none: no config.yaml in it, expected a run folder of train"},
		{append(dirs, "nowhere"), 1, "nowhere: no such file or directory, expected a run folder of train"},
		{append(dirs, "damaged"), 1, "damaged/metrics.jsonl: line 1: damaged: unexpected end of JSON input"},
		{append([]string{"-o", "none/x/both.png"}, dirs...), 1, "none/x/both.png: no such file or directory"},
	} {
		r := programtest.Run(inspect, append([]string{"compare"}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v", row.args)
		require.Contains(t, r.Stderr, row.shown)
		require.Empty(t, r.Stdout)
	}
}

func TestReport(t *testing.T) {
	dirs := someRuns(t)
	for _, dir := range dirs {
		r := programtest.Succeed(t, inspect, "report", dir)
		require.Equal(t, filepath.Join(dir, runs.ReportFile)+"\n", r.Stdout)
		content, err := os.ReadFile(filepath.Join(dir, runs.ReportFile))
		require.NoError(t, err)
		require.Contains(t, string(content), "<h1>"+dir+"</h1>")
	}
	programtest.Succeed(t, inspect, "report", "a", "-o", "page.html")
	require.FileExists(t, "page.html")
	for _, row := range []struct {
		args  []string
		code  int
		shown string
	}{
		{nil, 2, "0 runs, expected one"},
		{[]string{"a", "b"}, 2, "2 runs, expected one"},
		{[]string{"nowhere"}, 1, "nowhere: no such file or directory, expected a run folder of train"},
		{[]string{"a", "-o", "none/page.html"}, 1, "none/page.html: no such file or directory"},
	} {
		r := programtest.Run(inspect, append([]string{"report"}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v", row.args)
		require.Contains(t, r.Stderr, row.shown)
	}
}

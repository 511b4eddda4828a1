package main

import (
	"encoding/csv"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/nn/tensorboard"
	"fovea/nn/tensorboard/tensorboardtest"
)

// What is left after a run: pictures, a page, and the facts that train printed.
func TestAfterRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 32, 8), out, "--val-fraction", "0.25", "--device", "cpu")...)
	for _, name := range []string{runs.CurvesFile, runs.MatrixPlot} {
		file, err := os.Open(filepath.Join(out, name))
		require.NoError(t, err)
		_, err = png.Decode(file)
		require.NoError(t, err, name)
		require.NoError(t, file.Close())
	}
	require.Contains(t, string(fileOf(t, out, runs.VectorFile)), "</svg>")
	summary, started, there := strings.Cut(string(fileOf(t, out, runs.SummaryFile)), "Started: ")
	require.True(t, there)
	require.True(t, strings.HasPrefix(r.Stdout, summary), "%s", summary)
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+\n$`, started)
	page := string(fileOf(t, out, runs.ReportFile))
	for _, shown := range []string{"done after 2 epochs", "Test accuracy", "data:image/png;base64,", "<svg", "val-fraction", "Model: &#34;mlp&#34;"} {
		require.True(t, strings.Contains(page, shown), shown)
	}
	m, err := runs.ReadMatrix(filepath.Join(out, runs.MatrixFile))
	require.NoError(t, err)
	require.Equal(t, 16, m.Samples)
}

// Without a test set, or without classes, there is no matrix and the rest is.
func TestAfterRunWithoutClasses(t *testing.T) {
	x, y := programtest.Bars(16, 8, 1)
	targets := make([]float32, len(y))
	for i, label := range y {
		targets[i] = float32(label)
	}
	for name, npz := range map[string]string{
		"no test set": programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{16, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{16}, Values: y}),
		"regression":  programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{16, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{16, 1}, Values: targets}),
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			programtest.Succeed(t, train, short(npz, out)...)
			require.NoFileExists(t, filepath.Join(out, runs.MatrixFile))
			require.NoFileExists(t, filepath.Join(out, runs.MatrixPlot))
			require.Contains(t, string(fileOf(t, out, runs.ReportFile)), "done after 2 epochs")
		})
	}
}

// TensorBoard has all that metrics.csv has, by the same steps; of a run that was resumed, as if it had never been stopped.
func TestTensorBoard(t *testing.T) {
	if testing.Short() {
		t.Skip("other processes, which take long and which the race detector does not see into")
	}
	root, npz := t.TempDir(), programtest.BarsNPZ(t, 40, 8)
	whole, resumed := filepath.Join(root, "whole"), filepath.Join(root, "resumed")
	flags := []string{"--val-fraction", "0.2", "--device", "cpu"}
	programtest.Succeed(t, train, short(npz, whole, append(flags, "--epochs", "3")...)...)
	programtest.Succeed(t, train, short(npz, resumed, append(flags, "--epochs", "2")...)...)
	programtest.Succeed(t, train, "--resume", resumed, "--epochs", "3")
	files, err := filepath.Glob(filepath.Join(resumed, tensorboard.Pattern))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for reader, all := range tensorboardtest.Read(t, root) {
		for run, series := range all {
			t.Run(reader+" "+run, func(t *testing.T) {
				table, err := csv.NewReader(strings.NewReader(string(fileOf(t, root, run, runs.TableFile)))).ReadAll()
				require.NoError(t, err)
				require.Len(t, table, 4)
				for column, tag := range map[string]string{"epoch": "epoch", "lr": "lr", "train_loss": "loss/train", "train_accuracy": "accuracy/train",
					"val_loss": "loss/validation", "val_accuracy": "accuracy/validation", "images_per_second": "images_per_second"} {
					s := series[tag]
					require.Equal(t, "scalars", s.Plugin, tag)
					require.Len(t, s.Points, 3, tag)
					for i, row := range table[1:] {
						cells := map[string]float64{}
						for k, name := range table[0] {
							cells[name], err = strconv.ParseFloat(row[k], 64)
							require.NoError(t, err)
						}
						require.EqualValues(t, cells["step"], s.Points[i][0], tag)
						require.InEpsilon(t, cells[column]+1, s.Points[i][1].(float64)+1, 1e-6, tag)
					}
				}
				lines := strings.Split(strings.TrimSpace(string(fileOf(t, root, run, runs.LinesFile))), "\n")
				var done runs.Done
				require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &done))
				for tag, want := range map[string]*float64{"loss/test": done.TestLoss, "accuracy/test": done.TestAcc, "accuracy/test_top5": done.TestTop5} {
					last := series[tag].Points[len(series[tag].Points)-1] // the data server has what was measured before it went on, too
					require.EqualValues(t, 12, last[0], tag)
					require.InDelta(t, *want, last[1], 1e-6, tag)
				}
				require.Equal(t, "images", series["confusion"].Plugin)
				for _, tag := range []string{"weights/1.weight", "gradients/1.weight"} {
					s := series[tag]
					require.Equal(t, "histograms", s.Plugin, tag)
					sum, end := 0.0, 0.0
					for i, bin := range s.Values()[len(s.Points)-1].([]any) {
						b := bin.([]any)
						require.True(t, i == 0 || b[0] == end, "%s: bins follow one another", tag)
						sum, end = sum+b[2].(float64), b[1].(float64)
					}
					require.EqualValues(t, 784*64, sum, tag)
				}
				settings := series["settings"].Values()
				require.Contains(t, settings[len(settings)-1].([]any)[0], "\n    val-fraction: 0.2")
				require.Contains(t, series["network"].Values()[0].([]any)[0], "    1 (Linear)")
			})
		}
	}
}

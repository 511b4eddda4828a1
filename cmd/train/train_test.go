package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/live"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// short are the flags of a short training; out is its run folder.
func short(data, out string, more ...string) []string {
	return append([]string{"--data", "npz:" + data, "--model", "mlp", "--batch", "8", "--epochs", "2", "--out", out}, more...)
}

func fileOf(t *testing.T, parts ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return content
}

// lines decodes JSON lines, and nothing else.
func lines(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one), "%q", line)
		all = append(all, one)
	}
	return all
}

// weightsOf reads weights into a network on the CPU.
func weightsOf(t *testing.T, path string) map[string][]float64 {
	t.Helper()
	card, err := weights.ReadCard(path)
	require.NoError(t, err)
	return stateOf(t, card.Model, card.Outputs, 0, card.Sample, func(n *nn.Network) { require.NoError(t, weights.Load(path, n.State())) })
}

func stateOf(t *testing.T, model string, outputs int, seed uint64, sample []int, ready func(*nn.Network)) map[string][]float64 {
	t.Helper()
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	m, err := zoo.Find(model)
	require.NoError(t, err)
	net, err := nn.Build(dev, m.New(outputs), sample, seed)
	require.NoError(t, err)
	ready(net)
	values := map[string][]float64{}
	for _, s := range net.State() {
		values[s.Name], err = s.Tensor.Floats()
		require.NoError(t, err)
	}
	net.Release()
	require.NoError(t, dev.Close())
	return values
}

// The output of a whole training: the table of layers first, the test accuracy last.
func TestText(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 64, 8), out, "--val-fraction", "0.25", "--epochs", "8", "--device", "cpu")...)
	require.Empty(t, r.Stderr)
	require.Regexp(t, `^Model: "mlp"
_+
Layer \(type\) +Output shape +Param #
=+
input \(Input\) +\(None, 1, 8, 8\) +0
0 \(Flatten\) +\(None, 64\) +0
1 \(Linear\) +\(None, 784\) +50,960
2 \(ReLU\) +\(None, 784\) +0
3 \(Linear\) +\(None, 10\) +7,850
=+
Total params: 58,810
Trainable params: 58,810
Non-trainable params: 0
Device: cpu .*, as asked for
Data: npz:.*, 48 samples to train on, 16 to validate, 32 to test; an epoch is 6 steps of 8
(Epoch \d/8: [\d.]+ s, \d+ images/s, lr 0.001, loss [\d.]+, accuracy [\d.]+%; validation loss [\d.]+, accuracy [\d.]+%
){8}Run folder: `+regexp.QuoteMeta(out)+` \(8 epochs, 48 steps, [\d.]+ s\)
Class  Samples  Precision   Recall
(\d            8     100.00   100.00
){4}(\d            0
){6}Test top-5 accuracy: 100.00%
Test accuracy: 100.00% \(32 samples, loss 0.\d+\)
$`, r.Stdout)
}

func TestJSON(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 64, 8), out, "--log", "json", "--epochs", "8", "--max-steps", "60")...)
	all := lines(t, r.Stdout)
	require.Len(t, all, 9)
	for i, line := range all[:8] {
		require.Equal(t, "epoch", line["event"])
		require.EqualValues(t, i+1, line["epoch"])
		require.EqualValues(t, min(60, 8*(i+1)), line["step"])
		for _, name := range []string{"train_loss", "train_accuracy", "images_per_second", "seconds"} {
			require.IsType(t, 0.0, line[name], name)
		}
		require.NotContains(t, line, "val_loss")
		require.Equal(t, i == 7, line["partial"] == true, "8 epochs are 64 steps, of which 60 are made")
	}
	done := all[8]
	require.Equal(t, "done", done["event"])
	require.EqualValues(t, 1, done["test_accuracy"])
	require.EqualValues(t, 32, done["test_samples"])
	require.Positive(t, done["seconds"])
	require.Equal(t, out, done["run"])
	require.Regexp(t, "^Device: .*\nData: .*\n$", r.Stderr)
}

func TestRunFolder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "deep", "run")
	r := programtest.Succeed(t, train, short(programtest.BarsNPZ(t, 64, 8), out, "--log", "json", "--val-fraction", "0.25", "--epochs", "3", "--classes", "4")...)
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "events.out.tfevents.") {
			names = append(names, e.Name())
		}
	}
	require.Len(t, entries, len(names)+1, "one file for TensorBoard")
	require.Equal(t, []string{runs.BestFile, runs.Checkpoints, runs.ConfigFile, runs.MatrixFile, runs.MatrixPlot, runs.CurvesFile, runs.VectorFile, live.File, runs.TableFile,
		runs.LinesFile, runs.WeightsFile, runs.ReportFile, runs.SummaryFile}, names)

	require.Equal(t, r.Stdout, string(fileOf(t, out, runs.LinesFile)), "the lines kept are the lines printed")
	epochs := lines(t, r.Stdout)[:3]

	table, err := csv.NewReader(bytes.NewReader(fileOf(t, out, runs.TableFile))).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, 4)
	require.Equal(t, strings.Split("epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,images_per_second,seconds", ","), table[0])
	for i, row := range table[1:] {
		for c, name := range table[0] {
			v, err := strconv.ParseFloat(row[c], 64)
			require.NoError(t, err, "%s of epoch %d", name, i+1)
			require.InEpsilon(t, epochs[i][name].(float64)+1, v+1, 1e-7, "%s of epoch %d", name, i+1)
		}
	}

	picture, err := png.Decode(bytes.NewReader(fileOf(t, out, runs.CurvesFile)))
	require.NoError(t, err)
	colours := map[string]int{}
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[fmt.Sprintf("%02x%02x%02x", r>>8, g>>8, b>>8)]++
		}
	}
	require.Greater(t, colours["1f77b4"], 50, "the training's curve")
	require.Greater(t, colours["d62728"], 50, "the validation's curve")

	card, err := weights.ReadCard(filepath.Join(out, runs.WeightsFile))
	require.NoError(t, err)
	require.Equal(t, &weights.Card{Model: "mlp", Outputs: 4, Sample: []int{1, 8, 8}}, card)
	require.Len(t, weightsOf(t, filepath.Join(out, runs.WeightsFile))["3.weight"], 4*784)
}

// The same seed writes the same bytes, whatever the number of threads; another seed does not.
func TestDeterminism(t *testing.T) {
	if testing.Short() {
		t.Skip("many trainings, whose pictures take minutes under the race detector")
	}
	npz := programtest.BarsNPZ(t, 50, 12)
	for _, model := range []string{"mlp", "cnn-small"} { // the second has dropout
		var first []byte
		for _, row := range []struct {
			args []string
			same bool
		}{
			{[]string{"--threads", "1"}, true},
			{[]string{"--threads", "1"}, true},
			{[]string{"--threads", "2"}, true},
			{[]string{"--threads", "3"}, true},
			{[]string{"--threads", "2", "--log", "json"}, true},
			{[]string{"--threads", "2", "--seed", "2"}, false},
			{[]string{"--threads", "2", "--no-shuffle"}, false},
		} {
			out := filepath.Join(t.TempDir(), "run")
			programtest.Succeed(t, train, short(npz, out, append(row.args, "--model", model, "--val-fraction", "0.1", "--device", "cpu")...)...)
			bytes := fileOf(t, out, runs.WeightsFile)
			if first == nil {
				first = bytes
			}
			require.Equal(t, row.same, string(first) == string(bytes), "%s %v", model, row.args)
		}
	}
}

func TestReference(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 16, 8), t.TempDir()
	for _, dev := range []string{"reference", "cpu"} {
		r := programtest.Succeed(t, train, short(npz, filepath.Join(dir, dev), "--device", dev)...)
		require.Contains(t, r.Stdout, "\nDevice: "+dev+" (")
	}
	cpu, reference := weightsOf(t, filepath.Join(dir, "cpu", runs.WeightsFile)), weightsOf(t, filepath.Join(dir, "reference", runs.WeightsFile))
	for name := range cpu {
		require.InDeltaSlice(t, reference[name], cpu[name], 1e-4, name)
	}
}

func TestWeights(t *testing.T) {
	npz, dir := programtest.BarsNPZ(t, 16, 8), t.TempDir()
	path := filepath.Join(dir, "first", runs.WeightsFile)
	programtest.Succeed(t, train, short(npz, filepath.Join(dir, "first"))...)
	// A step of next to nothing leaves what it started from.
	programtest.Succeed(t, train, short(npz, filepath.Join(dir, "second"), "--weights", path, "--seed", "5", "--max-steps", "1", "--optimizer", "sgd", "--lr", "1e-12")...)
	first, second := weightsOf(t, path), weightsOf(t, filepath.Join(dir, "second", runs.WeightsFile))
	for name := range first {
		require.InDeltaSlice(t, first[name], second[name], 1e-7, name)
	}
	for _, row := range []struct {
		args  []string
		shown string
	}{
		{[]string{"--classes", "4"}, `wrong shape 3.bias .file has .10., network expects .4.., 3.weight .file has .10 784., network expects .4 784.`},
		{[]string{"--model", "cnn-small"}, `tensors do not match the network: missing 0.bias, 0.weight, .*; not expected 1.bias`},
	} {
		out := filepath.Join(dir, "third")
		r := programtest.Run(train, short(npz, out, append(row.args, "--weights", path)...)...)
		require.Equal(t, 1, r.Code)
		require.Regexp(t, row.shown, r.Stderr)
		require.NoDirExists(t, out)
	}
}

func TestRegression(t *testing.T) {
	x, labels := programtest.Bars(64, 8, 1)
	y := make([]float32, 128)
	for i, label := range labels {
		y[2*i], y[2*i+1] = float32(label), -float32(label)/2
	}
	arrays := []programtest.Array{{Name: "x", Shape: []int{64, 1, 8, 8}, Values: x}, {Name: "y", Shape: []int{64, 2}, Values: y}}
	out := filepath.Join(t.TempDir(), "run")
	args := func(out string, more ...string) []string {
		return short(programtest.NPZ(t, arrays...), out, append(more, "--epochs", "8", "--batch", "4", "--lr", "0.003", "--val-fraction", "0.25")...)
	}
	r := programtest.Succeed(t, train, args(out)...)
	require.Regexp(t, `loss [\d.]+; validation loss [\d.]+\nRun folder: .*\nNo test set in npz:.*: nothing to measure at the end\n$`, r.Stdout)
	require.NotContains(t, r.Stdout, "accuracy")
	card, err := weights.ReadCard(filepath.Join(out, runs.WeightsFile))
	require.NoError(t, err)
	require.Equal(t, &weights.Card{Model: "mlp", Outputs: 2, Regression: true, Sample: []int{1, 8, 8}}, card)
	_, err = png.Decode(bytes.NewReader(fileOf(t, out, runs.CurvesFile)))
	require.NoError(t, err)

	arrays = append(arrays, programtest.Array{Name: "x_test", Shape: []int{64, 1, 8, 8}, Values: x}, programtest.Array{Name: "y_test", Shape: []int{64, 2}, Values: y})
	r = programtest.Succeed(t, train, args(out+"2", "--log", "json")...)
	all := lines(t, r.Stdout)
	done := all[len(all)-1]
	require.NotContains(t, done, "test_accuracy")
	require.Less(t, done["test_loss"], 0.05, "the targets' variance is 0.78")
	r = programtest.Succeed(t, train, args(out+"3")...)
	require.Regexp(t, `\nTest loss: 0.0\d+ \(64 samples\)\n$`, r.Stdout)
}

// A loss that is no number ends a training with exit code 1, the step, the layer, and the weights of the last update
// known to be good.
func TestDivergence(t *testing.T) {
	npz := programtest.BarsNPZ(t, 64, 8)
	sgd := func(out string, more ...string) []string {
		return short(npz, out, append([]string{"--optimizer", "sgd", "--epochs", "1000"}, more...)...)
	}
	for _, row := range []struct {
		name  string
		args  []string
		shown string
		kept  int
	}{
		{"huge rate", []string{"--lr", "1e38"}, `the loss is NaN at step 2 \(epoch 1\): layer 3 \(linear\)`, 0},
		{"infinite weights", []string{"--lr", "1e38", "--weight-decay", "1e38"}, `at step 2 \(epoch 1\): layer 1 \(linear(_relu)?\) first gave a value that is not finite, since its weights are not;`, 0},
		{"found by no later step", []string{"--lr", "1e38", "--max-steps", "1"}, `the loss is NaN on "npz:.*" after step 1 \(epoch 1\): layer 3 \(linear\)`, 0},
		{"with dropout", []string{"--model", "cnn-small", "--lr", "1e30"}, `at step 2 \(epoch 1\): layer \d \((conv2d|linear)(_relu)?\)`, 0},
		// Weight decay of 40 at a rate of 0.1 multiplies weights with about -3 at each step. A GPU takes the loss in float32,
		// which overflows a step before the logits do.
		{"slowly", []string{"--lr", "0.1", "--weight-decay", "40"}, `at step (40 \(epoch 5\): layer 3 \(linear\)|39 \(epoch 5\): cross_entropy) .*after 32 updates`, 32},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			r := programtest.Run(train, sgd(out, row.args...)...)
			require.Equal(t, 1, r.Code)
			require.Regexp(t, row.shown, r.Stderr)
			require.Contains(t, r.Stderr, fmt.Sprintf("the weights are back to those after %d updates. A smaller learning rate often helps; the weights are in %s", row.kept, filepath.Join(out, runs.WeightsFile)))
			require.NotContains(t, r.Stdout, "Test accuracy")
			kept := weightsOf(t, filepath.Join(out, runs.WeightsFile))
			for name, values := range kept {
				for i, v := range values {
					require.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%s element %d is %v", name, i, v)
				}
			}
			if row.kept > 0 {
				programtest.Succeed(t, train, sgd(out+"2", append(row.args, "--max-steps", strconv.Itoa(row.kept))...)...)
				require.Equal(t, fileOf(t, out+"2", runs.WeightsFile), fileOf(t, out, runs.WeightsFile))
				require.Len(t, lines(t, string(fileOf(t, out, runs.LinesFile))), row.kept/8)
				return
			}
			card, err := weights.ReadCard(filepath.Join(out, runs.WeightsFile))
			require.NoError(t, err)
			require.Equal(t, stateOf(t, card.Model, card.Outputs, 1, card.Sample, func(*nn.Network) {}), kept)
		})
	}
}

// Validation can be the first to see a loss that is no number.
func TestDivergenceInValidation(t *testing.T) {
	x, y := programtest.Bars(32, 8, 1)
	for i := 24 * 64; i < len(x); i++ { // the last quarter, which --no-shuffle validates with
		x[i] = 3e38
	}
	npz := programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{32, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{32}, Values: y})
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Run(train, short(npz, out, "--no-shuffle", "--val-fraction", "0.25", "--log", "json")...)
	require.Equal(t, 1, r.Code)
	require.Regexp(t, `the loss is (NaN|\+Inf|-Inf) on "npz:.*" after step 3 \(epoch 1\): layer 1 \(linear(_relu)?\) first gave`, r.Stderr)
	require.Empty(t, r.Stdout)
	require.NotEmpty(t, weightsOf(t, filepath.Join(out, runs.WeightsFile)))
}

func TestDivergenceInTest(t *testing.T) {
	x, y := programtest.Bars(16, 8, 1)
	huge := make([]float32, 64)
	for i := range huge {
		huge[i] = 3e38
	}
	npz := programtest.NPZ(t, programtest.Array{Name: "x", Shape: []int{16, 1, 8, 8}, Values: x}, programtest.Array{Name: "y", Shape: []int{16}, Values: y},
		programtest.Array{Name: "x_test", Shape: []int{1, 1, 8, 8}, Values: huge}, programtest.Array{Name: "y_test", Shape: []int{1}, Values: y[:1]})
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Run(train, short(npz, out, "--log", "json")...)
	require.Equal(t, 1, r.Code)
	require.Regexp(t, `test set: the loss is .* on "npz:.*\(test\)": layer 1 \(linear(_relu)?\) first gave a value that is not finite\n$`, r.Stderr)
	require.Len(t, lines(t, r.Stdout), 2, "both epochs, and no done")
	require.NotEmpty(t, weightsOf(t, filepath.Join(out, runs.WeightsFile)))
}

// MNIST itself, where its files are at hand.
func TestMNIST(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 60,000 pictures")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(cache, "fovea", "mnist")
	if _, err := os.Stat(filepath.Join(dir, "t10k-labels-idx1-ubyte.gz")); err != nil {
		t.Skip("MNIST was not fetched on this machine yet: " + err.Error())
	}
	out := filepath.Join(t.TempDir(), "run")
	r := programtest.Succeed(t, train, "--data-dir", dir, "--model", "mlp", "--max-steps", "60", "--out", out, "--log", "json")
	all := lines(t, r.Stdout)
	require.Greater(t, all[len(all)-1]["test_accuracy"], 0.88)
	require.Contains(t, r.Stderr, "54000 samples to train on, 6000 to validate, 10000 to test; an epoch is 270 steps of 200")
	card, err := weights.ReadCard(filepath.Join(out, runs.WeightsFile))
	require.NoError(t, err)
	sets, err := data.Open(t.Context(), "mnist", data.Options{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, sets.Train.Info().ClassNames, card.ClassNames)
	require.Equal(t, float32(1.0/255), card.Scale)
}

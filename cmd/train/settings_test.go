package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
)

// Whatever is wrong with a call is said before anything is made: one line that names the setting, what was expected and
// what was found, exit code 2 for usage and 1 for failure, nothing on standard output, and no run folder.
func TestRefusals(t *testing.T) {
	bars := "npz:" + programtest.BarsNPZ(t, 16, 8)
	x, y := programtest.Bars(8, 8, 1)
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no archive, no weights"), 0o666))
	array := func(arrays ...programtest.Array) string { return "npz:" + programtest.NPZ(t, arrays...) }
	good := programtest.Array{Name: "x", Shape: []int{8, 1, 8, 8}, Values: x}
	labels := func(values ...int64) programtest.Array {
		return programtest.Array{Name: "y", Shape: []int{len(values)}, Values: values}
	}
	const usage, failure = 2, 1
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		shown string // a regular expression
	}{
		{"unknown flag", []string{"--learning-rate", "1"}, usage, `flag provided but not defined: -learning-rate`},
		{"argument", []string{"mnist"}, usage, `unexpected argument "mnist": settings are given as flags`},
		{"model", []string{"--data", bars, "--model", "lenet"}, usage, `--model: unknown model "lenet", expected one of alexnet, .*cnn-small, .*mlp, .*zfnet`},
		{"input", []string{"--input", "28x28"}, usage, `invalid value "28x28" for flag -input: expected CxHxW such as 3x224x224, each from 1 to 16384`},
		{"input of data that has its own", []string{"--data", bars, "--input", "3x64x64"}, usage, `--input 3x64x64: the samples of npz:.* are all 1x8x8`},
		{"data", []string{"--data", "cifar"}, usage, `--data: unknown data set "cifar", expected .*mnist.*npz:FILE`},
		{"data without file", []string{"--data", "npz:"}, usage, `--data: unknown data set "npz:", expected npz:FILE`},
		{"data file", []string{"--data", "npz:/nowhere.npz"}, failure, `npz "/nowhere.npz": .*no such file`},
		{"data is no archive", []string{"--data", "npz:" + text}, failure, `not a zip archive`},
		{"data folder", []string{"--data", "mnist", "--data-dir", "/nowhere"}, failure, `mnist: data folder: .*no such file`},
		{"device", []string{"--data", bars, "--device", "tpu"}, usage, `--device: .*unknown "tpu", expected auto, cpu, cuda, reference`},
		{"device number", []string{"--data", bars, "--device", "cuda:one"}, usage, `--device: .*"one" is not a device number`},
		{"optimizer", []string{"--optimizer", "lion"}, usage, `--optimizer: .*"lion" is unknown, expected one of sgd, `},
		{"rate NaN", []string{"--lr", "NaN"}, usage, `invalid value "NaN" for flag -lr: expected a finite number`},
		{"rate 0", []string{"--lr", "0"}, usage, `learning rate 0, expected a finite number above 0`},
		{"rate text", []string{"--lr", "fast"}, usage, `invalid value "fast" for flag -lr: expected a number`},
		{"momentum", []string{"--optimizer", "sgd", "--momentum", "1"}, usage, `momentum 1, expected at least 0 and below 1`},
		{"momentum of adam", []string{"--momentum", "0.9"}, usage, `adam has no momentum, found 0.9`},
		{"decay", []string{"--weight-decay", "-1"}, usage, `weight decay -1, expected a finite number of at least 0`},
		{"batch", []string{"--batch", "0"}, usage, `--batch: 0, expected at least 1`},
		{"epochs", []string{"--epochs", "0"}, usage, `--epochs: 0, expected at least 1`},
		{"steps", []string{"--max-steps", "-1"}, usage, `--max-steps: -1, expected at least 0`},
		{"threads", []string{"--data", bars, "--threads", "-1"}, usage, `--threads: -1, expected 1 to 1024`},
		{"precision", []string{"--data", bars, "--precision", "double"}, usage, `invalid value "double" for flag -precision: expected fp32, tf32, bf16`},
		{"precision of the device", []string{"--data", bars, "--device", "cpu", "--precision", "tf32"}, usage, `--precision: precision tf32, expected what cpu offers: fp32, bf16`},
		{"seed", []string{"--seed", "-1"}, usage, `invalid value "-1" for flag -seed`},
		{"classes", []string{"--classes", "2000000000"}, usage, `--classes: 2000000000, expected 1 to 100000`},
		{"log", []string{"--log", "xml"}, usage, `--log: "xml", expected text or json`},
		{"fraction", []string{"--val-fraction", "1"}, usage, `--val-fraction: 1, expected at least 0 and below 1`},
		{"fraction of too few", []string{"--data", bars, "--val-fraction", "0.01"}, failure, `--val-fraction: .*holds none out`},
		{"wrong type of x", []string{"--data", array(programtest.Array{Name: "x", Shape: []int{8, 1, 8, 8}, Values: make([]float64, 512)}, labels(y...))},
			failure, `array "x": element type: expected float32 .*, found float64`},
		{"wrong type of y", []string{"--data", array(good, programtest.Array{Name: "y", Shape: []int{8}, Values: make([]float64, 8)})},
			failure, `array "y": element type: expected int64 .* or float32 .*, found float64`},
		{"wrong shape of x", []string{"--data", array(programtest.Array{Name: "x", Shape: []int{8, 8, 8}, Values: x}, labels(y...))},
			failure, `array "x": expected shape \[N,C,H,W\] or \[N,D\], found \[8,8,8\]`},
		{"wrong length of y", []string{"--data", array(good, labels(y[:7]...))}, failure, `array "y": expected 8 entries.*found 7`},
		{"wrong shape for the network", []string{"--data", bars, "--model", "cnn-large"}, failure, `--model cnn-large on samples \(1, 8, 8\) .*: layer 3 \(Conv2D\): .*shape`},
		{"label too large", []string{"--data", array(good, labels(0, 1, 2, 3, 10, 1, 2, 3))}, failure,
			`sample 4 has label 10, expected 0 to 9 \(--classes sets how many there are\)`},
		{"label too large for --classes", []string{"--data", bars, "--classes", "3"}, failure, `sample 3 has label 3, expected 0 to 2`},
		{"label below 0", []string{"--data", array(good, labels(0, 1, 2, -3, 0, 1, 2, 3))}, failure, `sample 3 has label -3, expected 0 to`},
		{"classes of a regression", []string{"--data", array(good, programtest.Array{Name: "y", Shape: []int{8}, Values: make([]float32, 8)}), "--classes", "2"},
			usage, `--classes: data .* has 1 regression targets, not classes`},
		{"weights missing", []string{"--data", bars, "--weights", "/nowhere.safetensors"}, failure, `weights /nowhere.safetensors: no such file`},
		{"weights damaged", []string{"--data", bars, "--weights", text}, failure, `weights .*: not a whole safetensors file`},
		{"config missing", []string{"--config", "/nowhere.yaml"}, failure, `--config /nowhere.yaml: no such file`},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			r := programtest.Run(train, append(row.args, "--out", out)...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Regexp(t, "^program: .*"+row.shown, r.Stderr)
			require.Empty(t, r.Stdout)
			require.NoDirExists(t, out)
			require.Equal(t, row.code == usage, strings.Contains(r.Stderr, "--help shows how it is used"))
		})
	}
}

func TestHelp(t *testing.T) {
	r := programtest.Succeed(t, train, "--help")
	require.Empty(t, r.Stderr)
	examples, flags, found := strings.Cut(r.Stdout, "\nFlags:\n")
	require.True(t, found)
	_, examples, found = strings.Cut(examples, "\nExamples:\n")
	require.True(t, found)
	calls := regexp.MustCompile(`(?m)^  train.*$`).FindAllString(examples, -1)
	require.Len(t, calls, 4)
	for _, call := range calls { // what help shows must be accepted
		_, err := parse(strings.Fields(call)[1:], nil)
		if strings.Contains(call, "--resume") { // were there such a run
			require.EqualError(t, err, "--resume runs/large: no such file or directory, expected a run folder of train")
			continue
		}
		require.NoError(t, err, call)
	}
	for name, shown := range map[string]string{"data": `default "mnist"`, "data-dir": "default the user's cache folder", "model": `default "cnn-small"`, "input": "default what the network was designed for", "device": `default "auto"`,
		"epochs": "default 10", "max-steps": "0: no limit", "batch": "default 200", "lr": "default 0.001 for adam", "optimizer": `default "adam"`, "momentum": "default 0.9 for nesterov, else 0",
		"weight-decay": "default 0.01 for adamw, else 0", "seed": "default 1", "threads": "0: all", "precision": "default fp32", "deterministic-algorithms": "the same bits", "no-shuffle": "file order", "val-fraction": "default 0.1 for mnist, fashion-mnist, cifar10, cifar100 and for folders",
		"schedule": "docs/training.md", "warmup": "500steps", "patience": "0: never", "label-smoothing": "spread over all classes", "clip-norm": "0: no limit",
		"accumulate": "default 1", "ema": "0: none", "overfit-batch": "by heart", "weights": "to start from", "out": "default runs/<model>-<time>", "log": `default "text"`, "ui": "all of the terminal", "config": "flags win",
		"resume": "as if it never had been", "checkpoint-steps": "each epoch", "checkpoint-minutes": "have gone by"} {
		require.Regexp(t, `(?m)^  -`+name+`\b[^\n]*\n(    \t[^\n]*\n)*    \t[^\n]*`+regexp.QuoteMeta(shown), flags, name)
	}
}

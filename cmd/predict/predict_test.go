package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/inference"
	"fovea/cmd/internal/programtest"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// save keeps an untrained network, or one that ready has changed, as train would, and returns the file.
func save(t testing.TB, card *weights.Card, written bool, ready func(testing.TB, device.Device, *nn.Network)) (path string, state map[string][]float64) {
	t.Helper()
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	model, err := zoo.Find(card.Model)
	require.NoError(t, err)
	net, err := nn.Build(dev, model.New(card.Outputs), card.Sample, 3)
	require.NoError(t, err)
	if ready != nil {
		ready(t, dev, net)
	}
	state = map[string][]float64{}
	for _, s := range net.State() {
		state[s.Name], err = s.Tensor.Floats()
		require.NoError(t, err)
	}
	path = filepath.Join(t.TempDir(), cli.WeightsFile)
	if !written {
		card = nil
	}
	require.NoError(t, weights.Save(path, net.State(), card))
	net.Release()
	require.NoError(t, dev.Close())
	return path, state
}

// dense is the network mlp, written out.
func dense(state map[string][]float64, x []float32) []float64 {
	layer := func(weight, bias, in []float64) []float64 {
		out := make([]float64, len(bias))
		for i := range out {
			out[i] = bias[i]
			for k, v := range in {
				out[i] += weight[i*len(in)+k] * v
			}
		}
		return out
	}
	in := make([]float64, len(x))
	for i, v := range x {
		in[i] = float64(v)
	}
	hidden := layer(state["1.weight"], state["1.bias"], in)
	for i, v := range hidden {
		hidden[i] = max(v, 0)
	}
	return layer(state["3.weight"], state["3.bias"], hidden)
}

func npy(t testing.TB, values any, shape ...int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batch.npy")
	require.NoError(t, os.WriteFile(path, programtest.Array{Shape: shape, Values: values}.Npy(), 0o666))
	return path
}

func logits(t *testing.T, path string, shape ...int) []float64 {
	t.Helper()
	d, err := data.ReadNpy(path)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape(shape), d.Shape())
	switch values := d.Data().(type) {
	case []float64:
		return values
	case []float32:
		wide := make([]float64, len(values))
		for i, v := range values {
			wide[i] = float64(v)
		}
		return wide
	}
	t.Fatalf("logits of %v", d.Dtype())
	return nil
}

var mlp = weights.Card{Model: "mlp", Outputs: 5, Sample: tensor.Shape{1, 8, 8}}

// A batch of an array: the raw outputs are the network's, on each device and however many are computed at once; what is
// printed follows from them.
func TestBatch(t *testing.T) {
	path, state := save(t, &mlp, true, nil)
	x, _ := programtest.Bars(7, 8, 1)
	batch := npy(t, x, 7, 1, 8, 8)
	var want []float64
	for i := range 7 {
		want = append(want, dense(state, x[i*64:(i+1)*64])...)
	}
	for _, args := range [][]string{{"--device", "cpu"}, {"--device", "cpu", "--batch", "3", "--threads", "1"}, {"--device", "cpu", "--batch", "7"}, {"--batch", "1"}, {"--device", "reference"}} {
		out := filepath.Join(t.TempDir(), "logits.npy")
		r := programtest.Succeed(t, predict, append(args, "--run", filepath.Dir(path), "--json", "--top-k", "2", "--logits", out, batch)...)
		got := logits(t, out, 7, 5)
		tolerance := 1e-5
		if args[1] == "reference" {
			tolerance = 1e-12
		}
		require.InDeltaSlice(t, want, got, tolerance, "%v", args)
		require.Regexp(t, `^Device: .*\n$`, r.Stderr)
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		require.Len(t, lines, 7)
		for i, line := range lines {
			var p inference.Prediction
			decoder := json.NewDecoder(strings.NewReader(line))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(&p), line)
			require.Equal(t, batch, p.Input)
			require.Equal(t, i, *p.Row)
			require.Len(t, p.Top, 2)
			own, sum := want[i*5:(i+1)*5], 0.0
			for _, v := range own {
				sum += math.Exp(v)
			}
			require.GreaterOrEqual(t, p.Top[0].Probability, p.Top[1].Probability)
			above := 0
			for k, v := range own {
				if v > own[p.Top[1].Class] {
					above++
					require.Equal(t, k, p.Top[0].Class)
				}
			}
			require.Equal(t, 1, above, "the second choice has one class above it")
			for _, c := range p.Top {
				require.InDelta(t, math.Exp(own[c.Class])/sum, c.Probability, 1e-5)
			}
		}
	}
	r := programtest.Succeed(t, predict, "--model", "mlp", "--weights", path, "--top-k", "99", batch)
	require.Regexp(t, `(?m)^`+regexp.QuoteMeta(batch)+`\[0\]: \d \d+\.\d\d%(, \d \d+\.\d\d%){4}$`, r.Stdout)
	require.Len(t, strings.Split(strings.TrimSpace(r.Stdout), "\n"), 7)
}

func TestRegression(t *testing.T) {
	card := weights.Card{Model: "mlp", Outputs: 2, Regression: true, Sample: tensor.Shape{1, 8, 8}}
	path, state := save(t, &card, true, nil)
	x, _ := programtest.Bars(3, 8, 1)
	batch := npy(t, x, 3, 1, 8, 8)
	r := programtest.Succeed(t, predict, "--run", filepath.Dir(path), "--json", batch)
	for i, line := range strings.Split(strings.TrimSpace(r.Stdout), "\n") {
		var p inference.Prediction
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		require.Empty(t, p.Top)
		require.InDeltaSlice(t, dense(state, x[i*64:(i+1)*64]), p.Outputs, 1e-5)
	}
	r = programtest.Succeed(t, predict, "--run", filepath.Dir(path), batch)
	require.Regexp(t, `(?m)^.*\[2\]: -?[\d.e-]+, -?[\d.e-]+$`, r.Stdout)
}

// names has class names, and the scale of pixels.
var names = weights.Card{Model: "mlp", Outputs: 4, Sample: tensor.Shape{1, 8, 8}, Scale: 1.0 / 255, ClassNames: []string{"first", "second", "third", "fourth"}}

// learn trains a network on Bars.
func learn(t testing.TB, dev device.Device, net *nn.Network) {
	x, y := programtest.Bars(128, 8, 1)
	labels := make([]int32, len(y))
	for i, v := range y {
		labels[i] = int32(v)
	}
	set, err := data.NewMemory(data.Info{Name: "bars", Sample: tensor.Shape{1, 8, 8}}, x, labels, nil)
	require.NoError(t, err)
	config, err := optim.Defaults("adam")
	require.NoError(t, err)
	optimizer, err := optim.New(dev, config, net.Parameters)
	require.NoError(t, err)
	defer optimizer.Release()
	trainer := fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: set, Batch: 16}, Epochs: 10}
	require.NoError(t, trainer.Run(t.Context()))
}

// bar is a picture of one bright column, as Bars draws class: four times as large.
func bar(class, side int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			if x*8/side == class*2 {
				m.SetGray(x, y, color.Gray{255})
			}
		}
	}
	return m
}

func encode(t testing.TB, name string, m image.Image) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch filepath.Ext(name) {
	case ".jpg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
	case ".gif":
		err = gif.Encode(&b, m, nil)
	default:
		err = png.Encode(&b, m)
	}
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
	return path
}

// Pictures of each format and size are recognised, in the order given.
func TestPictures(t *testing.T) {
	path, _ := save(t, &names, true, learn)
	var files, want []string
	for class, name := range names.ClassNames {
		for _, picture := range []string{encode(t, "a.png", bar(class, 8)), encode(t, "b.png", bar(class, 32)), encode(t, "c.jpg", bar(class, 40)), encode(t, "d.gif", bar(class, 24))} {
			files, want = append(files, picture), append(want, regexp.QuoteMeta(picture)+": "+name+` \d+\.\d\d%`)
		}
	}
	r := programtest.Succeed(t, predict, append([]string{"--run", filepath.Dir(path), "--top-k", "1", "--batch", "3"}, files...)...)
	require.Regexp(t, "^"+strings.Join(want, "\n")+"\n$", r.Stdout)
	r = programtest.Succeed(t, predict, "--run", filepath.Dir(path), "--top-k", "1", "--json", files[0])
	var p inference.Prediction
	require.NoError(t, json.Unmarshal([]byte(r.Stdout), &p))
	require.Nil(t, p.Row)
	require.Equal(t, 0, p.Top[0].Class)
	require.Equal(t, "first", p.Top[0].Name)
}

// A picture of the network's size gives what an array of its pixels, scaled, gives; --scale wins over the card, and
// weights that say nothing are of pixels times 1/255.
func TestScale(t *testing.T) {
	said, _ := save(t, &names, true, nil)
	m := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range m.Pix {
		m.Pix[i] = uint8(i * 4)
	}
	picture := encode(t, "m.png", m)
	for _, row := range []struct {
		args  []string
		scale float32
	}{
		{[]string{"--run", filepath.Dir(said)}, 1.0 / 255},
		{[]string{"--model", "mlp", "--weights", said}, 1.0 / 255},
		{[]string{"--run", filepath.Dir(said), "--scale", "0.01"}, 0.01},
	} {
		x := make([]float32, 64)
		for i := range x {
			x[i] = float32(m.Pix[i]) * row.scale
		}
		out := filepath.Join(t.TempDir(), "logits.npy")
		programtest.Succeed(t, predict, append(row.args, "--logits", out, picture)...)
		fromPicture := logits(t, out, 1, 4)
		programtest.Succeed(t, predict, append(row.args, "--logits", out, npy(t, x, 1, 1, 8, 8))...)
		require.InDeltaSlice(t, logits(t, out, 1, 4), fromPicture, 1e-5, "%v", row.args)
	}
	// A file that says nothing of 28x28 samples and --classes.
	digits := weights.Card{Model: "mlp", Outputs: 4, Sample: tensor.Shape{1, 28, 28}}
	silent, state := save(t, &digits, false, nil)
	out := filepath.Join(t.TempDir(), "logits.npy")
	large := image.NewGray(image.Rect(0, 0, 28, 28))
	x := make([]float32, 784)
	for i := range x {
		large.Pix[i] = uint8(i)
		x[i] = float32(uint8(i)) / 255
	}
	programtest.Succeed(t, predict, "--model", "mlp", "--weights", silent, "--classes", "4", "--logits", out, encode(t, "m.png", large))
	require.InDeltaSlice(t, dense(state, x), logits(t, out, 1, 4), 1e-5)
}

// Whatever is wrong is said in one line, with exit code 2 for usage and 1 for failure, and nothing is printed or written.
func TestRefusals(t *testing.T) {
	good, _ := save(t, &names, true, nil)
	numbers, _ := save(t, &mlp, true, nil)
	silent, _ := save(t, &names, false, nil)
	two, _ := save(t, &weights.Card{Model: "mlp", Outputs: 4, Sample: tensor.Shape{2, 8, 8}, Scale: 1}, true, nil)
	card := func(change func(*weights.Card)) string { // of weights that are otherwise good
		t.Helper()
		dev, err := device.Open("cpu", device.Options{Threads: 1})
		require.NoError(t, err)
		model, err := zoo.Find("mlp")
		require.NoError(t, err)
		net, err := nn.Build(dev, model.New(4), []int{1, 8, 8}, 3)
		require.NoError(t, err)
		defer net.Release()
		changed := names
		change(&changed)
		path := filepath.Join(t.TempDir(), cli.WeightsFile)
		require.NoError(t, weights.Save(path, net.State(), &changed))
		return filepath.Dir(path)
	}
	picture := encode(t, "m.png", bar(0, 8))
	whole, err := os.ReadFile(picture)
	require.NoError(t, err)
	file := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, content, 0o666))
		return path
	}
	huge := bytes.Clone(whole) // claims 65535 x 65535
	copy(huge[16:], "\x00\x00\xff\xff\x00\x00\xff\xff")
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	x := make([]float32, 128)
	run := filepath.Dir(good)
	const usage, failure = 2, 1
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		shown string
	}{
		{"no network", []string{picture}, usage, `no network: expected --run, or --model and --weights`},
		{"no weights", []string{"--model", "mlp", picture}, usage, `no network: expected --run, or --model and --weights`},
		{"no model", []string{"--weights", good, picture}, usage, `no network: expected --run, or --model and --weights`},
		{"run and model", []string{"--run", run, "--model", "mlp", picture}, usage, `--run and --model or --weights: expected one or the other`},
		{"run and weights", []string{"--run", run, "--weights", good, picture}, usage, `--run and --model or --weights: expected one or the other`},
		{"nothing to predict", []string{"--run", run}, usage, `nothing to predict: expected pictures, folders, .npy arrays, or - for standard input`},
		{"top-k", []string{"--run", run, "--top-k", "0", picture}, usage, `--top-k: 0, expected at least 1`},
		{"batch", []string{"--run", run, "--batch", "0", picture}, usage, `--batch: 0, expected at least 1`},
		{"scale", []string{"--run", run, "--scale", "0", picture}, usage, `--scale: 0, expected a number above 0`},
		{"scale NaN", []string{"--run", run, "--scale", "nan", picture}, usage, `invalid value "nan" for flag -scale: expected a finite number`},
		{"classes", []string{"--model", "mlp", "--weights", silent, "--classes", "-1", picture}, usage, `--classes: -1, expected 1 to 100000`},
		{"unknown flag", []string{picture, "--labels", "x"}, usage, `flag provided but not defined: -labels`},
		{"unknown model", []string{"--model", "lenet", "--weights", good, picture}, usage, `--model: unknown model "lenet", expected one of `},
		{"unknown device", []string{"--run", run, "--device", "tpu", picture}, usage, `--device: .*unknown "tpu", expected auto`},
		{"precision of the device", []string{"--run", run, "--device", "cpu", "--precision", "tf32", picture}, usage, `--precision: precision tf32, expected what cpu offers: fp32, bf16`},
		{"logits elsewhere", []string{"--run", run, "--logits", "out.csv", picture}, usage, `--logits: "out.csv", expected a name that ends in .npy`},
		{"no run", []string{"--run", "/nowhere", picture}, failure, `--run /nowhere: no such file or directory`},
		{"run is a file", []string{"--run", picture, picture}, failure, `--run .*m.png: not a folder`},
		{"run is empty", []string{"--run", t.TempDir(), picture}, failure, `--run .*: no model.safetensors in it, expected a run folder of train`},
		{"run that does not say", []string{"--run", filepath.Dir(silent), picture}, failure, `does not say of which network; expected --model and --weights instead of --run`},
		{"weights missing", []string{"--model", "mlp", "--weights", "/nowhere", picture}, failure, `weights /nowhere: no such file or directory`},
		{"weights damaged", []string{"--model", "mlp", "--weights", picture, picture}, failure, `weights .*m.png: not a whole safetensors file`},
		{"other model", []string{"--model", "cnn-small", "--weights", good, picture}, failure, `of network "mlp", --model says "cnn-small"`},
		{"other classes", []string{"--model", "mlp", "--weights", good, "--classes", "5", picture}, failure, `4 classes, --classes says 5`},
		{"other shape", []string{"--model", "mlp", "--weights", silent, "--classes", "4", picture}, failure, `wrong shape 1.weight .*64.*784`},
		{"other tensors", []string{"--model", "cnn-small", "--weights", silent, picture}, failure, `tensors do not match the network: missing `},
		{"card of unknown model", []string{"--run", card(func(c *weights.Card) { c.Model = "lenet" }), picture}, failure, `unknown model "lenet"`},
		{"card of many classes", []string{"--run", card(func(c *weights.Card) { c.Outputs, c.ClassNames = 1<<40, nil }), picture}, failure, `classes, expected at most 100000`},
		{"card of a huge sample", []string{"--run", card(func(c *weights.Card) { c.Sample = []int{1, 1 << 30, 1 << 34} }), picture}, failure, `samples .*, expected at most 3145728 elements`},
		{"pictures for numbers", []string{"--run", filepath.Dir(numbers), picture}, failure, `the network was trained on numbers, not pictures; expected --scale`},
		{"two channels", []string{"--run", filepath.Dir(two), picture}, failure, `a picture has 1 channel or 3, expected a .npy batch`},
		{"picture missing", []string{"--run", run, picture, "/nowhere.png"}, failure, `^program: /nowhere.png: no such file or directory`},
		{"folder without pictures", []string{"--run", run, run}, failure, `001: no pictures in it, expected PNG, JPEG or GIF files`},
		{"picture is a device", []string{"--run", run, "/dev/null"}, failure, `not a regular file, expected a picture`},
		{"pictures of nothing", []string{"--run", run, "--on-bad-image", "skip", "/nowhere.png", good}, failure, `none of 2 inputs is a picture that can be read`},
		{"standard input twice", []string{"--run", run, "-", picture, "-"}, usage, `-: standard input twice, expected once`},
		{"bad image", []string{"--run", run, "--on-bad-image", "ignore", picture}, usage, `--on-bad-image: "ignore", expected fail or skip`},
		{"workers", []string{"--run", run, "--workers", "-1", picture}, usage, `--workers: -1, expected at least 0`},
		{"not a picture", []string{"--run", run, good}, failure, `model.safetensors: not a picture, expected PNG, JPEG or GIF`},
		{"picture cut short", []string{"--run", run, file("cut.png", whole[:len(whole)-20])}, failure, `cut.png: .*unexpected EOF`},
		{"header cut short", []string{"--run", run, file("cut.png", whole[:20])}, failure, `cut.png: .*unexpected EOF`},
		{"picture too large", []string{"--run", run, file("huge.png", huge)}, failure, `huge.png: a picture of 65535 x 65535, expected 1 to 67108864 pixels`},
		{"array missing", []string{"--run", run, "/nowhere.npy"}, failure, `npy "/nowhere.npy": .*no such file`},
		{"array is a picture", []string{"--run", run, file("m.npy", whole)}, failure, `not an npy array`},
		{"array of float64", []string{"--run", run, npy(t, make([]float64, 64), 1, 1, 8, 8)}, failure, `elements are float64, expected float32`},
		{"array of one sample", []string{"--run", run, npy(t, x[:64], 1, 8, 8)}, failure, `shape .*1, 8, 8.*, expected \[N, C, H, W\] with samples .*1, 8, 8`},
		{"array of other samples", []string{"--run", run, npy(t, x, 2, 8, 8, 1)}, failure, `shape .*2, 8, 8, 1.*, expected \[N, C, H, W\] with samples .*1, 8, 8`},
		{"array of NaN", []string{"--run", run, npy(t, append(make([]float32, 127), float32(math.NaN())), 2, 1, 8, 8)}, failure, `batch.npy\[1\]: output 0 of the network is NaN, expected finite numbers`},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "logits.npy")
			args := row.args
			if !strings.Contains(row.name, "logits") {
				args = append([]string{"--logits", out}, args...)
			}
			r := programtest.Run(predict, args...)
			require.Equal(t, row.code, r.Code, r.Stderr)
			require.Regexp(t, row.shown, r.Stderr)
			require.Equal(t, row.code == usage, strings.Contains(r.Stderr, "--help shows how it is used"))
			require.NoFileExists(t, out)
			if row.name != "array of NaN" { // its first row is good, and printed
				require.Empty(t, r.Stdout)
			}
		})
	}
	r := programtest.Run(predict, "--run", run, "--logits", "/dev/null/out.npy", picture)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "not a directory")
}

func TestHelp(t *testing.T) {
	r := programtest.Succeed(t, predict, "--help")
	require.Empty(t, r.Stderr)
	calls := regexp.MustCompile(`(?m)^  predict.*$`).FindAllString(r.Stdout, -1)
	require.Len(t, calls, 5)
	for _, call := range calls { // what help shows must be accepted
		_, err := parse(strings.Fields(call)[1:], nil)
		require.NoError(t, err, call)
	}
	require.Contains(t, r.Stdout, "white on black")
	for _, name := range []string{"run", "model", "weights", "device", "threads", "precision", "deterministic-algorithms", "top-k", "json", "logits"} {
		require.Regexp(t, `(?m)^  -`+name+`\b`, r.Stdout)
	}
}

func TestProcess(t *testing.T) {
	path, _ := save(t, &names, true, nil)
	program := programtest.Build(t)
	picture := encode(t, "m.png", bar(0, 8))
	for _, row := range []struct {
		args []string
		code int
	}{
		{[]string{picture, "--run", filepath.Dir(path)}, 0},
		{[]string{"-h"}, 0},
		{[]string{"--run", filepath.Dir(path)}, 2},
		{[]string{"--run", "/nowhere", picture}, 1},
	} {
		cmd := exec.Command(program, row.args...)
		cmd.Run()
		require.Equal(t, row.code, cmd.ProcessState.ExitCode(), "%v", row.args)
	}
}

package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/data"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/onnx"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// run is a run folder with a network whose parameters set, where it knows them, has written; the others are random.
func run(t *testing.T, card weights.Card, set map[string]func(w []float32)) string {
	t.Helper()
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	model, err := zoo.Find(card.Model)
	require.NoError(t, err)
	net, err := nn.Build(dev, model.New(card.Outputs), card.Sample, 5)
	require.NoError(t, err)
	for _, p := range net.Parameters {
		if fill, is := set[p.Name]; is {
			values := make([]float32, p.Tensor().Size())
			fill(values)
			require.NoError(t, dev.Upload(p.Tensor(), values))
		}
	}
	folder := t.TempDir()
	require.NoError(t, weights.Save(filepath.Join(folder, cli.WeightsFile), net.State(), &card))
	net.Release()
	require.NoError(t, dev.Close())
	return folder
}

// zeros but for some elements.
func only(at map[int]float32) func(w []float32) {
	return func(w []float32) {
		for i, v := range at {
			w[i] = v
		}
	}
}

func writePicture(t *testing.T, m image.Image) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	path := filepath.Join(t.TempDir(), "picture.png")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
	return path
}

// noise is a picture of random pixels, and those as [channels, height, width].
func noise(channels, width, height int) (m image.Image, values []float32) {
	random := philox.NewSource(philox.Stream{Seed: 7})
	values = make([]float32, channels*width*height)
	gray, rgb := image.NewGray(image.Rect(0, 0, width, height)), image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		rgb.Pix[4*i+3] = 255
		for c := range channels {
			v := uint8(random.Uniform(0, 256))
			values[c*width*height+i] = float32(v)
			rgb.Pix[4*i+c], gray.Pix[i] = v, v
		}
	}
	if channels == 1 {
		return gray, values
	}
	return rgb, values
}

func readValues(t *testing.T, path string, shape ...int) []float32 {
	t.Helper()
	d, err := data.ReadNpy(path)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape(shape), d.Shape())
	return d.Float32s()
}

func greyAt(m image.Image, x, y int) uint8 { return color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y }

// tiny is cnn-small on 8 x 8: maps of 4 x 4 after the convolution, of 2 x 2 after the pooling.
var tiny = weights.Card{Model: "cnn-small", Outputs: 3, Sample: tensor.Shape{1, 8, 8}, Scale: 1.0 / 255, ClassNames: []string{"none", "some", "less"}}

// A device without fused forms computes the same, and shows every layer of the summary, a convolution before its
// normalisation among them.
func TestUnfused(t *testing.T) {
	for _, name := range devicetest.Names() {
		dev, err := device.Open(name, device.Options{})
		require.NoError(t, err)
		model, err := zoo.Find("resnet20-cifar")
		require.NoError(t, err)
		sample := tensor.Shape{3, 16, 16}
		_, x := noise(3, 16, 16)
		var outputs [2][]float64
		for i, d := range []device.Device{dev, unfused{dev}} {
			net, err := nn.Build(d, model.New(4), sample, 3)
			require.NoError(t, err)
			s := &subject{net: net, card: &weights.Card{Sample: sample, Outputs: 4}}
			tape := autograd.NewTape(d)
			tape.NoGrad = true
			y, maps, err := s.forward(tape, tape.Input(s.dense(x)))
			require.NoError(t, err)
			outputs[i], err = s.outputs(y)
			require.NoError(t, err)
			if i == 1 {
				names := layerNames(maps)
				for _, r := range net.Rows {
					if len(r.Shape) == 4 {
						require.Contains(t, names, r.Name, name)
					}
				}
			}
			tape.Reset()
			net.Release()
		}
		for i, want := range outputs[0] {
			require.InEpsilon(t, want, outputs[1][i], 1e-4, "%s: output %d", name, i)
		}
		require.NoError(t, dev.Close())
	}
}

// What is wrong with the network, the layer or the picture is said in one line, and no file is written.
func TestLookingRefusals(t *testing.T) {
	folder, dense := run(t, tiny, nil), run(t, weights.Card{Model: "mlp", Outputs: 3, Sample: tensor.Shape{1, 8, 8}, Scale: 1}, nil)
	numbers := run(t, weights.Card{Model: "cnn-small", Outputs: 3, Sample: tensor.Shape{1, 8, 8}}, nil)
	endless := run(t, tiny, map[string]func(w []float32){"7.bias": only(map[int]float32{1: float32(inf)})})
	m, _ := noise(1, 8, 8)
	picture := writePicture(t, m)
	text := filepath.Join(t.TempDir(), "text.png")
	require.NoError(t, os.WriteFile(text, []byte("no picture"), 0o666))
	commands := []string{"filters", "feature-maps", "gradcam", "occlusion"}
	const usage, failure = 2, 1
	for _, row := range []struct {
		name     string
		commands []string
		args     []string
		code     int
		shown    string
	}{
		{"no network", commands, []string{picture}, usage, `no network: expected --run, or --model and --weights`},
		{"no file", commands, []string{"--run", folder, "-o", "", picture}, usage, `no file: expected -o FILE.png`},
		{"no picture", commands[1:], []string{"--run", folder}, usage, `no picture: expected one PNG, JPEG or GIF file`},
		{"two pictures", commands[1:], []string{"--run", folder, picture, "x.png"}, usage, `unexpected argument "x.png": expected one picture`},
		{"run", commands, []string{"--run", "/nowhere", picture}, failure, `--run /nowhere: no such file or directory`},
		{"device", commands, []string{"--run", folder, "--device", "tpu", picture}, usage, `--device: .*unknown "tpu"`},
		{"not a picture", commands[1:], []string{"--run", folder, text}, failure, `^program: ` + text + `: not a picture, expected PNG, JPEG or GIF`},
		{"picture missing", commands[1:], []string{"--run", folder, "/nowhere.png"}, failure, `^program: /nowhere.png: no such file or directory`},
		{"numbers", commands[1:], []string{"--run", numbers, picture}, failure, `the network was trained on numbers, not pictures`},
		{"values", commands[1:], []string{"--run", folder, "--values", "x.csv", picture}, usage, `--values: "x.csv", expected a name that ends in .npy`},
		{"layer", commands[1:3], []string{"--run", folder, "--layer", "conv1", picture}, usage, `--layer: no feature maps of "conv1", expected one of 0, 1, 2$`},
		{"layer without maps", commands[1:3], []string{"--run", folder, "--layer", "5", picture}, usage, `--layer: no feature maps of "5", expected one of 0, 1, 2$`},
		{"layer of filters", commands[:1], []string{"--run", folder, "--layer", "conv1"}, usage, `--layer: no convolution "conv1", expected one of 0$`},
		{"no convolution", commands[:1], []string{"--run", folder, "--layer", "5"}, usage, `--layer: 5 \(Linear\) is not a convolution, expected one of 0$`},
		{"dense filters", commands[:1], []string{"--run", dense}, usage, `network mlp has no convolution`},
		{"dense maps", commands[1:2], []string{"--run", dense, picture}, usage, `the network has no convolution`},
		{"dense class maps", commands[2:3], []string{"--run", dense, picture}, usage, `the network has no convolution whose maps have more than one place`},
		{"dense layer", commands[1:3], []string{"--run", dense, "--layer", "1", picture}, failure, `--layer 1: the network makes no feature maps`},
		{"class", commands[2:], []string{"--run", folder, "--class", "3", picture}, usage, `--class: "3", expected 0 to 2 or the name of a class`},
		{"class below", commands[2:], []string{"--run", folder, "--class", "-1", picture}, usage, `--class: "-1", expected 0 to 2`},
		{"class name", commands[2:], []string{"--run", folder, "--class", "cat", picture}, usage, `--class: "cat", expected 0 to 2`},
		{"not finite", commands[2:], []string{"--run", endless, picture}, failure, `picture.png: output 1 of the network is \+Inf, expected finite numbers`},
		{"colours", commands[1:2], []string{"--run", folder, "--colours", "red", picture}, usage, `--colours: "red", expected grey or viridis`},
		{"values of all", commands[1:2], []string{"--run", folder, "--layer", "all", "--values", "x.npy", picture}, usage, `--values are of one layer`},
		{"argument", commands[:1], []string{"--run", folder, picture}, usage, `unexpected argument ".*picture.png": settings are given as flags`},
		{"count", commands[:1], []string{"--run", folder, "--count", "-1"}, usage, `--count: -1, expected at least 1, or 0 for all`},
		{"size", commands[3:], []string{"--run", folder, "--size", "9", picture}, usage, `--size: 9, expected at most 8`},
		{"size below", commands[3:], []string{"--run", folder, "--size", "-1", picture}, usage, `--size: -1, expected at least 1, or 0`},
		{"stride", commands[3:], []string{"--run", folder, "--stride", "-1", picture}, usage, `--stride: -1, expected at least 1, or 0`},
		{"grey", commands[3:], []string{"--run", folder, "--grey", "2", picture}, usage, `--grey: 2, expected 0 \(black\) to 1 \(white\)`},
		{"batch", commands[3:], []string{"--run", folder, "--batch", "0", picture}, usage, `--batch: 0, expected at least 1`},
		{"folder", commands, []string{"--run", folder, "-o", "/nowhere/out.png", picture}, failure, `/nowhere/out.png: no such file or directory`},
	} {
		for _, command := range row.commands {
			t.Run(row.name+" of "+command, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "out.png")
				args := row.args
				if command == "filters" && row.name != "argument" && args[len(args)-1] == picture {
					args = args[:len(args)-1]
				}
				r := programtest.Run(inspect, append([]string{command, "-o", out}, args...)...)
				require.Equal(t, row.code, r.Code, r.Stderr)
				require.Regexp(t, "(?m)"+row.shown, r.Stderr)
				require.Empty(t, r.Stdout)
				require.NoFileExists(t, out)
				require.NotContains(t, r.Stderr, "Device:", "one line, and what --help is")
			})
		}
	}
}

// Networks come from a run, from weights of a named network, and from an ONNX file; help shows how.
func TestLookingAtEach(t *testing.T) {
	folder := run(t, tiny, nil)
	file := filepath.Join(folder, cli.WeightsFile)
	exported := filepath.Join(t.TempDir(), "net.onnx")
	require.NoError(t, onnx.Export(exported, zoo.CNNSmall(3), tiny.Sample, onnx.ExportOptions{Load: func(state []nn.Tensor) error { return weights.Load(file, state) }}))
	m, _ := noise(1, 8, 8)
	picture := writePicture(t, m)
	for _, row := range []struct {
		command string
		values  bool
		shape   []int
		args    []string
	}{
		{"filters", false, nil, nil},
		{"feature-maps", true, []int{32, 4, 4}, []string{picture}},
		{"gradcam", true, []int{4, 4}, []string{"--class", "1", picture}},
		{"occlusion", true, []int{8, 8}, []string{"--class", "1", picture}},
	} {
		var want []float32
		var drawn []byte
		for i, source := range [][]string{{"--run", folder}, {"--model", "cnn-small", "--weights", file}, {"--model", exported}} {
			out := filepath.Join(t.TempDir(), "out.png")
			args := append([]string{row.command, "-o", out}, append(source, row.args...)...)
			values := filepath.Join(t.TempDir(), "values.npy")
			if row.values {
				args = append(args, "--values", values)
			}
			r := programtest.Succeed(t, inspect, args...)
			require.Contains(t, r.Stdout, out+": ", "%v", args)
			require.Contains(t, r.Stderr, "Device: ")
			content, err := os.ReadFile(out)
			require.NoError(t, err)
			if row.values {
				got := readValues(t, values, row.shape...)
				if i == 0 {
					want = got
				}
				require.InDeltaSlice(t, want, got, 1e-5, "%v", args)
			} else {
				if i == 0 {
					drawn = content
				}
				require.True(t, bytes.Equal(drawn, content), "%v", args)
			}
		}
		require.Contains(t, programtest.Succeed(t, inspect, row.command, "--help").Stdout, "Usage: inspect "+row.command)
	}
}

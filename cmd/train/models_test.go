package main

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/cmd/internal/programtest"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// --model list shows every network, and trains nothing.
func TestModelList(t *testing.T) {
	r := programtest.Succeed(t, train, "--model", "list")
	require.Empty(t, r.Stderr)
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	require.Len(t, lines, 1+len(zoo.Names()))
	require.Equal(t, []string{"network", "input", "classes", "parameters", "multiply-adds", "paper"}, strings.Fields(lines[0]))
	for i, name := range zoo.Names() {
		require.Equal(t, name, strings.Fields(lines[1+i])[0])
	}
	for _, line := range []string{
		"cnn-large 1x28x28 10 59,933 891,900 the lecture's",
		"googlenet 3x224x224 1000 13,004,888 1,498,376,192 Szegedy et al. 2014",
		"resnet1001-cifar 3x32x32 10 10,327,706 1,487,849,984 He et al. 2016",
		"vgg16 3x224x224 1000 138,357,544 15,470,264,320 Simonyan and Zisserman 2014",
	} {
		require.Regexp(t, "(?m)^"+strings.ReplaceAll(regexp.QuoteMeta(line), " ", " +")+"$", r.Stdout)
	}
}

// --input decides what pictures of any size become, and the file of weights says so.
func TestInputSize(t *testing.T) {
	pictures := t.TempDir()
	for class, level := range map[string]uint8{"dark": 40, "light": 200} {
		require.NoError(t, os.Mkdir(filepath.Join(pictures, class), 0o777))
		for i := range 10 {
			picture := image.NewGray(image.Rect(0, 0, 20+i, 30-i))
			for at := range picture.Pix {
				picture.Pix[at] = level + uint8(at%(3+i))
			}
			file, err := os.Create(filepath.Join(pictures, class, fmt.Sprintf("%d.png", i)))
			require.NoError(t, err)
			require.NoError(t, errors.Join(png.Encode(file, picture), file.Close()))
		}
	}
	for _, row := range []struct {
		args []string
		want tensor.Shape
	}{
		{nil, tensor.Shape{3, 32, 32}},
		{[]string{"--input", "3x16x24"}, tensor.Shape{3, 16, 24}},
		{[]string{"--input", "1x16x16"}, tensor.Shape{1, 16, 16}},
	} {
		out := filepath.Join(t.TempDir(), "run")
		args := append([]string{"--data", "folder:" + pictures, "--model", "resnet20-cifar", "--max-steps", "2", "--epochs", "1", "--batch", "4", "--device", "cpu", "--out", out}, row.args...)
		programtest.Succeed(t, train, args...)
		card, err := weights.ReadCard(filepath.Join(out, "model.safetensors"))
		require.NoError(t, err)
		require.Equal(t, row.want, card.Sample, "%v", row.args)
		require.Equal(t, 2, card.Outputs)
	}
}

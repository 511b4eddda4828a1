package main

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/nn/zoo"
)

// TestSummary: the table is Keras', and its totals are the lecture's.
func TestSummary(t *testing.T) {
	for _, row := range []struct {
		args []string
		want []string // regular expressions of whole lines
	}{
		{[]string{"--model", "vgg16"}, []string{`Model: "vgg16"`, `Layer \(type\) +Output shape +Param #`,
			`input \(Input\) +\(None, 3, 224, 224\) +0`, `features.0 \(Conv2D\) +\(None, 64, 224, 224\) +1,792`, `features.30 \(MaxPool2D\) +\(None, 512, 7, 7\) +0`,
			`flatten \(Flatten\) +\(None, 25088\) +0`, `classifier.0 \(Linear\) +\(None, 4096\) +102,764,544`, `classifier.6 \(Linear\) +\(None, 1000\) +4,097,000`,
			`Total params: 138,357,544`, `Trainable params: 138,357,544`, `Non-trainable params: 0`}},
		{[]string{"--model", "vgg16", "--classes", "10", "--input", "3x300x200"}, []string{`input \(Input\) +\(None, 3, 300, 200\) +0`, `features.30 \(MaxPool2D\) +\(None, 512, 9, 6\) +0`,
			`avgpool \(AdaptiveAvgPool2D\) +\(None, 512, 7, 7\) +0`, `classifier.6 \(Linear\) +\(None, 10\) +40,970`, `Total params: 134,301,514`}},
		{[]string{"--model", "resnet20-cifar", "--multiply-adds"}, []string{`.* Param # +Multiply-adds`, `conv1 \(Conv2D\) +\(None, 16, 32, 32\) +432 +442,368`,
			`layer2.0 \(Residual\) +\(None, 32, 16, 16\) +0 +0`, `Trainable params: 269,722`, `Multiply-adds of a sample: 40,551,040`}},
		{[]string{"--model", "googlenet", "--memory", "--multiply-adds"}, []string{`inception3a \(Branches\) +\(None, 256, 28, 28\) +0 +0 +802,816 +0`,
			`aux1.fc2 \(Linear\) +\(None, 1000\) +1,025,000 +1,024,000 +4,000 +4,100,000`, `Trainable params: 13,004,888`, `Multiply-adds of a sample: 1,498,376,192`,
			`Multiply-adds of auxiliary heads, in training: 8,372,224`, `Outputs of all layers for a sample: 50,109,216 bytes \(47.8 MiB\)`, `Params: 52,079,840 bytes \(49.7 MiB\)`}},
	} {
		t.Run(fmt.Sprint(row.args), func(t *testing.T) {
			r := programtest.Succeed(t, inspect, append([]string{"summary"}, row.args...)...)
			require.Empty(t, r.Stderr)
			for _, line := range row.want {
				require.Regexp(t, "(?m)^"+line+"$", r.Stdout)
			}
		})
	}
}

func TestSummaryRefusals(t *testing.T) {
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, `no network: expected --model`},
		{[]string{"vgg16"}, 2, `unexpected argument "vgg16"`},
		{[]string{"--model", "vgg"}, 2, `--model: unknown model "vgg", expected one of alexnet, .*zfnet`},
		{[]string{"--model", "vgg16", "--classes", "-1"}, 2, `--classes: -1, expected 1 to 100000, or 0`},
		{[]string{"--model", "vgg16", "--input", "224x224"}, 2, `invalid value "224x224" for flag -input: expected CxHxW such as 3x224x224`},
		{[]string{"--model", "vgg16", "--input", "3x224x31"}, 1, `--model vgg16 on samples \[3 224 31\]: layer features.30 \(MaxPool2D\): max_pool2d: wrong shape: window`},
		{[]string{"--model", "/nowhere.onnx"}, 1, `--model: .*/nowhere.onnx: .*no such file`},
	} {
		r := programtest.Run(inspect, append([]string{"summary"}, row.args...)...)
		require.Equal(t, row.code, r.Code, "%v", row.args)
		require.Regexp(t, "^program: "+row.want, r.Stderr, "%v", row.args)
		require.Empty(t, r.Stdout, "%v", row.args)
	}
}

func TestSummaryList(t *testing.T) {
	r := programtest.Succeed(t, inspect, "summary", "--model", "list")
	for _, name := range zoo.Names() {
		require.Regexp(t, "(?m)^"+regexp.QuoteMeta(name)+" +", r.Stdout)
	}
}

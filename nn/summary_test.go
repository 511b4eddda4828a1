package nn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/nn"
)

// The table is laid out as Keras lays it out; frozen parameters and running statistics are those not trainable.
func TestSummary(t *testing.T) {
	dev, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	features := nn.Named("features", nn.Sequential(nn.Conv(8, 3, nn.NoBias()), nn.BatchNorm(), nn.ReLU(), nn.MaxPool(2)))
	net, err := nn.Build(dev, nn.Sequential(features, nn.Named("flatten", nn.Flatten()), nn.Named("classifier", nn.Linear(1000))), tensor.Shape{3, 12, 12}, 1)
	require.NoError(t, err)
	defer net.Release()
	net.Parameters[0].Frozen = true
	var b strings.Builder
	require.NoError(t, net.Summary(&b, "tiny"))
	require.Equal(t, `Model: "tiny"
____________________________________________________
Layer (type)             Output shape        Param #
====================================================
input (Input)            (None, 3, 12, 12)   0
features.0 (Conv2D)      (None, 8, 10, 10)   216
features.1 (BatchNorm)   (None, 8, 10, 10)   32
features.2 (ReLU)        (None, 8, 10, 10)   0
features.3 (MaxPool2D)   (None, 8, 5, 5)     0
flatten (Flatten)        (None, 200)         0
classifier (Linear)      (None, 1000)        201,000
====================================================
Total params: 201,248
Trainable params: 201,016
Non-trainable params: 232
`, b.String())
	require.ErrorContains(t, net.Summary(brokenPipe{}, "tiny"), "broken pipe")
}

// More columns are shown on request, and their sums; what an auxiliary head multiplies is said apart.
func TestSummaryColumns(t *testing.T) {
	net, err := nn.Describe(nn.Sequential(
		nn.Named("conv", nn.Conv(8, 3)),
		nn.Named("aux", nn.Auxiliary(0.3, nn.Sequential(nn.Named("flatten", nn.Flatten()), nn.Named("fc", nn.Linear(2))))),
		nn.Named("flatten", nn.Flatten()),
		nn.Named("fc", nn.Linear(1000))), tensor.Shape{3, 12, 12})
	require.NoError(t, err)
	const multiplyAdds, memory = "Multiply-adds of a sample: 821,600\nMultiply-adds of auxiliary heads, in training: 1,600\n",
		"Outputs of all layers for a sample: 15,336 bytes (0.0 MiB)\nParams: 3,211,304 bytes (3.1 MiB)\n"
	for _, row := range []struct {
		columns    []nn.Column
		conv, head string
		end        string
	}{
		{nil, "224", "1,602", "Non-trainable params: 0\n"},
		{[]nn.Column{nn.MultiplyAdds}, "224 21,600", "1,602 1,600", "Non-trainable params: 0\n" + multiplyAdds},
		{[]nn.Column{nn.Memory}, "224 3,200 896", "1,602 8 6,408", "Non-trainable params: 0\n" + memory},
		{[]nn.Column{nn.Memory, nn.MultiplyAdds}, "224 21,600 3,200 896", "1,602 1,600 8 6,408",
			"Non-trainable params: 0\n" + multiplyAdds + memory},
	} {
		var b strings.Builder
		require.NoError(t, net.Summary(&b, "two heads", row.columns...))
		require.Regexp(t, `(?m)^conv \(Conv2D\) +\(None, 8, 10, 10\) +`+strings.ReplaceAll(row.conv, " ", " +")+`$`, b.String())
		require.Regexp(t, `(?m)^aux.fc \(Linear\) +\(None, 2\) +`+strings.ReplaceAll(row.head, " ", " +")+`$`, b.String())
		require.True(t, strings.HasSuffix(b.String(), row.end), b.String())
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

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

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

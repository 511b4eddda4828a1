package fit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/fit"
)

func TestCheck(t *testing.T) {
	d, err := device.Open("cpu", device.Options{Threads: 1})
	require.NoError(t, err)
	defer d.Close()
	for _, row := range []struct {
		name    string
		layer   nn.Layer
		info    data.Info
		classes int
		shown   string
	}{
		{"fits", nn.Sequential(nn.Flatten(), nn.Linear(4)), data.Info{Sample: tensor.Shape{1, 4, 4}}, 4, ""},
		{"regression fits", nn.Sequential(nn.Flatten(), nn.Linear(3)), data.Info{Sample: tensor.Shape{1, 4, 4}, Targets: 3}, 0, ""},
		{"other samples", nn.Sequential(nn.Flatten(), nn.Linear(4)), data.Info{Name: "x", Sample: tensor.Shape{1, 4, 5}}, 4, `the network takes samples .*1, 4, 4.*, data "x" has .*1, 4, 5`},
		{"fewer outputs", nn.Sequential(nn.Flatten(), nn.Linear(4)), data.Info{Name: "x", Sample: tensor.Shape{1, 4, 4}}, 5, `the network gives .*4.* for a sample, data "x" needs one output for each of 5 classes`},
		{"other targets", nn.Sequential(nn.Flatten(), nn.Linear(4)), data.Info{Name: "x", Sample: tensor.Shape{1, 4, 4}, Targets: 2}, 4, `one output for each of 2 targets`},
		{"maps", nn.Sequential(nn.Conv(4, 3)), data.Info{Name: "x", Sample: tensor.Shape{1, 4, 4}}, 4, `the network gives .*4, 2, 2.* for a sample`},
	} {
		t.Run(row.name, func(t *testing.T) {
			net, err := nn.Build(d, row.layer, tensor.Shape{1, 4, 4}, 1)
			require.NoError(t, err)
			defer net.Release()
			err = fit.Check(net, row.info, row.classes)
			if row.shown == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, device.ErrShape)
			require.Regexp(t, row.shown, err.Error())
		})
	}
}

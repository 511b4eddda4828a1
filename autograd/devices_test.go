package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
)

// devices opens one of each kind that this machine has, the reference first.
func devices(t *testing.T) []device.Device {
	t.Helper()
	var opened []device.Device
	for _, name := range devicetest.Names() {
		d, err := device.Open(name, device.Options{Deterministic: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		opened = append(opened, d)
	}
	return opened
}

//go:build cuda

package cuda

import (
	"testing"

	"fovea/device"
	"fovea/device/devicetest"
)

// TestSequences: what the device keeps between calls is right whatever comes in between.
func TestSequences(t *testing.T) {
	programs := 6
	if testing.Short() {
		programs = 2
	}
	for _, p := range []struct {
		precision device.Precision
		bounds    devicetest.Precision
	}{
		{device.FP32, devicetest.Precision{}},
		{device.BF16, devicetest.Precision{Relative: 5e-3, Why: "as in TestConformanceInBF16", BFloat16: true}},
	} {
		t.Run(p.precision.String(), func(t *testing.T) {
			devicetest.RunSequences(t, opener(p.precision), devicetest.Sequences{Programs: programs, Precision: p.bounds})
		})
	}
}

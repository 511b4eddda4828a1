package reference_test

import (
	"testing"

	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/reference"
)

// The reference agrees with itself; what the suite shows here is that it fills every element, leaves its inputs alone,
// works in place and on views, and keeps its memory in order.
func TestConformance(t *testing.T) {
	devicetest.Run(t, func() (device.Device, error) { return reference.New(), nil })
}

// Nor does it keep anything from one call to the next.
func TestSequences(t *testing.T) {
	devicetest.RunSequences(t, func() (device.Device, error) { return reference.New(), nil }, devicetest.Sequences{Programs: 3})
}

// Its gradients are those of its forward passes.
func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	d := reference.New()
	for _, row := range devicetest.Rows() {
		t.Run(row.Op, func(t *testing.T) {
			row.EachCase(func(c devicetest.Case, seed uint64) {
				t.Run(c.Name, func(t *testing.T) {
					if c.Kink != "" {
						t.Skip("no finite differences: " + c.Kink)
					}
					if err := row.CheckGradients(d, c, seed); err != nil {
						t.Error(err)
					}
				})
			})
		})
	}
}

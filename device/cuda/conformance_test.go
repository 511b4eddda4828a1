//go:build cuda

package cuda

import (
	"testing"

	"fovea/device"
	"fovea/device/devicetest"
)

func TestConformance(t *testing.T) {
	devicetest.Run(t, func() (device.Device, error) { return New(0, device.Options{Deterministic: true}) })
}

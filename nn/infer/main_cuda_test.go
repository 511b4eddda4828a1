//go:build cuda

package infer

import (
	"testing"

	"fovea/device/cuda/emulator/control"
)

// On the emulated GPU the tests fail if a rule was broken: a race, a leak, a bad access.
func TestMain(m *testing.M) { control.Main(m) }

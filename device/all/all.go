// Package all registers every device of this build: import it for its side effect, then use device.Open.
package all

import (
	_ "fovea/device/cpu"       // registers cpu
	_ "fovea/device/cuda"      // registers cuda
	_ "fovea/device/reference" // registers reference
)

package all

import (
	_ "fovea/device/cpu"       // registers cpu
	_ "fovea/device/cuda"      // registers cuda
	_ "fovea/device/reference" // registers reference
)

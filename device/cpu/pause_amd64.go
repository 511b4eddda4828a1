package cpu

import "fovea/kernels/amd64"

// pause lets the core rest for some tens of nanoseconds while it waits for a store of another.
func pause() { amd64.Pause() }

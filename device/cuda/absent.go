//go:build !cuda

package cuda

import (
	"errors"

	"fovea/device"
)

// ErrAbsent says that this program was built without CUDA.
var ErrAbsent = errors.New("this build is pure Go; the CUDA build is being made (docs/status.md says how far it is)")

func init() {
	device.Register(device.Driver{Name: "cuda", Preference: 10, Open: func(int, device.Options) (device.Device, error) {
		return nil, ErrAbsent
	}})
}

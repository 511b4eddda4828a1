//go:build !cuda

package cuda

import (
	"errors"

	"fovea/device"
)

// ErrAbsent says that this program was built without CUDA.
var ErrAbsent = errors.New("this build is pure Go; `make cuda` makes one with CUDA (docs/cuda.md)")

func init() {
	device.Register(device.Driver{Name: "cuda", Preference: 10, Precisions: []device.Precision{device.TF32, device.BF16},
		Open: func(int, device.Options) (device.Device, error) { return nil, ErrAbsent }})
}

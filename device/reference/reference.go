package reference

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
)

func init() {
	device.Register(device.Driver{Name: "reference", Preference: -1, Open: func(index int, _ device.Options) (device.Device, error) {
		if index != 0 {
			return nil, fmt.Errorf("reference:%d: there is one reference device, number 0", index)
		}
		return New(), nil
	}})
}

// Device computes in float64 on the calling goroutine; nothing is asynchronous and nothing is pooled.
type Device struct {
	stats device.Stats
}

var _ device.Device = (*Device)(nil)

// New opens a reference device.
func New() *Device { return &Device{} }

// Name implements device.Memory.
func (d *Device) Name() string { return "reference" }

// Describe implements device.Memory.
func (d *Device) Describe() string { return "reference (float64, obvious and slow, one thread)" }

// Float implements device.Memory.
func (d *Device) Float() tensor.Dtype { return tensor.Float64 }

// New implements device.Memory.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	var t *device.Tensor
	switch dtype {
	case tensor.Float64:
		t = device.NewTensor(d, shape, dtype, make([]float64, device.Size(shape)))
	case tensor.Int32:
		t = device.NewTensor(d, shape, dtype, make([]int32, device.Size(shape)))
	default:
		return nil, fmt.Errorf("%w: %v, the reference device has float64 and int32", device.ErrDType, dtype)
	}
	d.stats.SystemAllocations++
	d.stats.LiveTensors++
	d.stats.LiveBytes += bytes(t)
	d.stats.SystemBytes = d.stats.LiveBytes
	d.stats.PeakBytes = max(d.stats.PeakBytes, d.stats.LiveBytes)
	return t, nil
}

func bytes(t *device.Tensor) int64 { return int64(t.Size()) * int64(t.DType.Size()) }

// Free implements device.Memory.
func (d *Device) Free(t *device.Tensor) {
	d.stats.LiveTensors--
	d.stats.LiveBytes -= bytes(t)
	d.stats.SystemBytes = d.stats.LiveBytes
}

// Upload implements device.Memory.
func (d *Device) Upload(dst *device.Tensor, src any) error {
	switch to := dst.Handle.(type) {
	case []float64:
		switch from := src.(type) {
		case []float32:
			if len(from) == len(to) {
				for i, v := range from {
					to[i] = float64(v)
				}
				return nil
			}
		case []float64:
			if len(from) == len(to) {
				copy(to, from)
				return nil
			}
		}
	case []int32:
		if from, ok := src.([]int32); ok && len(from) == len(to) {
			copy(to, from)
			return nil
		}
	}
	return device.TransferError("upload", dst, src)
}

// Download implements device.Memory.
func (d *Device) Download(dst any, src *device.Tensor) error {
	switch from := src.Handle.(type) {
	case []float64:
		switch to := dst.(type) {
		case []float32:
			if len(from) == len(to) {
				for i, v := range from {
					to[i] = float32(v)
				}
				return nil
			}
		case []float64:
			if len(from) == len(to) {
				copy(to, from)
				return nil
			}
		}
	case []int32:
		if to, ok := dst.([]int32); ok && len(from) == len(to) {
			copy(to, from)
			return nil
		}
	}
	return device.TransferError("download", src, dst)
}

// Synchronize implements device.Memory.
func (d *Device) Synchronize() error { return nil }

// Stats implements device.Memory.
func (d *Device) Stats() device.Stats { return d.stats }

// Close implements device.Memory.
func (d *Device) Close() error { return device.LeakError(d) }

func floats(t *device.Tensor) []float64 { return t.Handle.([]float64) }

func labels(t *device.Tensor) []int32 { return t.Handle.([]int32) }

// at is the position of element [a, b, c, e] in a row-major array of shape s.
func at(s tensor.Shape, a, b, c, e int) int { return ((a*s[1]+b)*s[2]+c)*s[3] + e }

func clear64(x []float64) {
	for i := range x {
		x[i] = 0
	}
}

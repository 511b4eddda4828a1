package faulty

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
)

// ErrInjected is what a call fails with.
var ErrInjected = errors.New("injected failure")

// Device passes every call on to the device inside, until the one that must fail.
type Device struct {
	device.Device
	// FailAt is the number of the call that fails, counted from 1; 0 for none.
	FailAt int
	// Calls counts allocations, transfers and primitives. Set it to 0 to count anew.
	Calls int
}

var _ device.Device = (*Device)(nil)

// New wraps a device.
func New(d device.Device) *Device { return &Device{Device: d} }

func (d *Device) call(name string) error {
	d.Calls++
	if d.Calls == d.FailAt {
		return fmt.Errorf("%w: call %d, %s", ErrInjected, d.Calls, name)
	}
	return nil
}

func first(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// New implements device.Memory. The tensor belongs to the wrapper, so that what is made of it counts too.
func (d *Device) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	if err := d.call("New"); err != nil {
		return nil, err
	}
	return d.adopt(d.Device.New(shape, dtype))
}

// Reshape implements device.Rearrangement.
func (d *Device) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	if err := d.call("Reshape"); err != nil {
		return nil, err
	}
	return d.adopt(d.Device.Reshape(x, shape))
}

func (d *Device) adopt(t *device.Tensor, err error) (*device.Tensor, error) {
	if t != nil {
		t.Device = d
	}
	return t, err
}

// Upload implements device.Memory.
func (d *Device) Upload(dst *device.Tensor, src any) error {
	return first(d.call("Upload"), func() error { return d.Device.Upload(dst, src) })
}

// Download implements device.Memory.
func (d *Device) Download(dst any, src *device.Tensor) error {
	return first(d.call("Download"), func() error { return d.Device.Download(dst, src) })
}

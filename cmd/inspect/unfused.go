package main

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// unfused is a device that offers its primitives and no fused form of several: every layer then makes a value of its own that
// can be looked at, under its own name. Activations are stored as all else is.
type unfused struct{ device.Device }

// New makes tensors belong to this device, not to the one within.
func (d unfused) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return d.own(d.Device.New(shape, dtype))
}

// Reshape does so too.
func (d unfused) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return d.own(d.Device.Reshape(x, shape))
}

func (d unfused) own(t *device.Tensor, err error) (*device.Tensor, error) {
	if err != nil {
		return nil, err
	}
	t.Device = d
	return t, nil
}

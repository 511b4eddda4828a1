package zoo

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
)

// A unit whose ReLU takes a number within rounding of zero may be open on one device and closed on another. Nothing is
// wrong then, and yet the gradients of a deep network are some percent apart. So what is compared is the derivative with
// the same units open: following is a device on which each ReLU opens the units that another device's opened.

// nearZero is how far from zero, in units of the root mean square of its feature map, an input may be whose unit is
// forced, unless a test says otherwise. The deepest networks here compute it with an error of some 1e-5.
const nearZero = 1e-3

// following is a device whose n-th ReLU has the pattern open[n]. It fuses nothing.
type following struct {
	device.Device
	open   [][]bool
	near   float64 // see nearZero
	next   int
	forced int // units that would have been otherwise
}

var _ device.Device = (*following)(nil)

// New implements device.Memory. The tensor belongs to the wrapper.
func (d *following) New(shape tensor.Shape, dtype tensor.Dtype) (*device.Tensor, error) {
	return d.adopt(d.Device.New(shape, dtype))
}

// Reshape implements device.Rearrangement.
func (d *following) Reshape(x *device.Tensor, shape tensor.Shape) (*device.Tensor, error) {
	return d.adopt(d.Device.Reshape(x, shape))
}

func (d *following) adopt(t *device.Tensor, err error) (*device.Tensor, error) {
	if t != nil {
		t.Device = d
	}
	return t, err
}

// Activate implements device.Activation.
func (d *following) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	if s.Kind != device.ReLU {
		return d.Device.Activate(y, x, s)
	}
	values, err := x.Floats()
	if err != nil {
		return err
	}
	if d.next == len(d.open) || len(d.open[d.next]) != len(values) {
		return fmt.Errorf("ReLU %d of %v is not one of the network that is followed", d.next, x.Shape)
	}
	open, squares := d.open[d.next], 0.0
	d.next++
	for _, v := range values {
		squares += v * v
	}
	bound := d.near * math.Sqrt(squares/float64(len(values)))
	for i, v := range values {
		if open[i] != (v > 0) {
			if d.forced++; math.Abs(v) > bound {
				return fmt.Errorf("ReLU %d: element %d of %v is %v here, and on the device that is followed on the other side of zero", d.next-1, i, x.Shape, v)
			}
		}
		if !open[i] {
			values[i] = 0
		}
	}
	return d.Upload(y, values)
}

// ActivateBackward implements device.Activation.
func (d *following) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	if s.Kind != device.ReLU {
		return d.Device.ActivateBackward(dx, dy, x, y, s)
	}
	result, err := y.Floats()
	if err != nil {
		return err
	}
	gradient, err := dy.Floats()
	if err != nil {
		return err
	}
	for i, v := range result {
		if v == 0 {
			gradient[i] = 0
		}
	}
	return d.Upload(dx, gradient)
}

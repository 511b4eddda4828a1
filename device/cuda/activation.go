//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"errors"

	"fovea/device"
	"fovea/device/cuda/launch"
	"fovea/device/philox"
)

// theirs are the activations that cuDNN has. It computes float32; bfloat16 goes by our own kernels, here and in every other
// operation but convolutions and matrix products.
var theirs = map[device.ActivationKind]C.cudnnActivationMode_t{
	device.Sigmoid: C.CUDNN_ACTIVATION_SIGMOID,
	device.Tanh:    C.CUDNN_ACTIVATION_TANH,
	device.ReLU:    C.CUDNN_ACTIVATION_RELU,
	device.ELU:     C.CUDNN_ACTIVATION_ELU,
}

// activation finds or makes a descriptor.
func (n *dnn) activation(mode C.cudnnActivationMode_t, coefficient float64, nan C.cudnnNanPropagation_t) (C.cudnnActivationDescriptor_t, error) {
	key := activationKey{mode, coefficient, nan}
	if a, known := n.activations[key]; known {
		return a, nil
	}
	var a C.cudnnActivationDescriptor_t
	if err := checkDNN("cudnnCreateActivationDescriptor", C.cudnnCreateActivationDescriptor(&a)); err != nil {
		return nil, err
	}
	if err := checkDNN("cudnnSetActivationDescriptor", C.cudnnSetActivationDescriptor(a, mode, nan, C.double(coefficient))); err != nil {
		return nil, errors.Join(err, checkDNN("cudnnDestroyActivationDescriptor", C.cudnnDestroyActivationDescriptor(a)))
	}
	n.activations[key] = a
	return a, nil
}

type activationKey struct {
	mode        C.cudnnActivationMode_t
	coefficient float64
	nan         C.cudnnNanPropagation_t
}

// flat describes n elements that are all treated alike, whatever their shape.
func flat(n int) tensorKey { return tensorKey{n: 1, c: 1, h: 1, w: n, rowMajor: true} }

// cuDNN counts in int.
const countMost = 1 << 31

// Activate implements device.Activation.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	n := x.Size()
	if n == 0 {
		return nil
	}
	c := d.like(y, named(s.Kind.String(), x.Shape))
	xp, yp := c.in(x), c.out(y)
	mode, has := theirs[s.Kind]
	if !has || n >= countMost || c.type_ != launch.F32 {
		return c.launch(launch.Activate(yp, xp, n, s, c.type_))
	}
	return c.post(func() error {
		a, err := d.dnn.activation(mode, s.Alpha, C.CUDNN_PROPAGATE_NAN)
		if err != nil {
			return err
		}
		t, err := d.dnn.tensor(flat(n))
		if err != nil {
			return err
		}
		return checkDNN("cudnnActivationForward", C.cudnnActivationForward(d.dnn.handle, a, factor(&one), t, pointer(xp), factor(&zero), t, pointer(yp)))
	})
}

// ActivateBackward implements device.Activation. It is a kernel of our own for all kinds: cuDNN does not promise what the
// slope is where x is 0 or not a number, which device.Activation defines.
func (d *Device) ActivateBackward(dx, dy, x, y *device.Tensor, s device.ActivationSpec) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(dx, named("gradient of "+s.Kind.String(), x.Shape))
	dyp, xp, yp := c.in(dy), c.in(x), c.in(y)
	return c.launch(launch.ActivateBackward(c.out(dx), dyp, xp, yp, x.Size(), s, c.type_))
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(y, named("maxout", x.Shape))
	xp := c.in(x)
	return c.launch(launch.Maxout(c.out(y), xp, y.Shape, pieces, c.type_))
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(dx, named("gradient of maxout", x.Shape))
	dyp, xp := c.in(dy), c.in(x)
	return c.launch(launch.MaxoutBackward(c.out(dx), dyp, xp, y.Shape, pieces, c.type_))
}

func softmax(logarithm bool) C.cudnnSoftmaxAlgorithm_t {
	if logarithm {
		return C.CUDNN_SOFTMAX_LOG
	}
	return C.CUDNN_SOFTMAX_ACCURATE
}

// Softmax implements device.Activation.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(y, named("softmax", x.Shape))
	xp, yp := c.in(x), c.out(y)
	if c.type_ != launch.F32 {
		return c.launch(launch.Softmax(yp, xp, x.Shape, logarithm, c.type_))
	}
	key, algorithm := describe(x.Shape), softmax(logarithm)
	return c.post(func() error {
		t, err := d.dnn.tensor(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnSoftmaxForward", C.cudnnSoftmaxForward(d.dnn.handle, algorithm, C.CUDNN_SOFTMAX_MODE_CHANNEL, factor(&one), t, pointer(xp),
			factor(&zero), t, pointer(yp)))
	})
}

// SoftmaxBackward implements device.Activation.
func (d *Device) SoftmaxBackward(dx, dy, y *device.Tensor, logarithm bool) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.as(precise(y, dy), named("gradient of softmax", y.Shape))
	dyp, yp, dxp := c.in(dy), c.in(y), c.out(dx)
	if c.type_ != launch.F32 {
		return c.launch(launch.SoftmaxBackward(dxp, dyp, yp, y.Shape, logarithm, c.type_))
	}
	key, algorithm := describe(y.Shape), softmax(logarithm)
	return c.post(func() error {
		t, err := d.dnn.tensor(key)
		if err != nil {
			return err
		}
		return checkDNN("cudnnSoftmaxBackward", C.cudnnSoftmaxBackward(d.dnn.handle, algorithm, C.CUDNN_SOFTMAX_MODE_CHANNEL, factor(&one), t, pointer(yp),
			t, pointer(dyp), factor(&zero), t, pointer(dxp)))
	})
}

// Dropout implements device.Activation. cuDNN's dropout has random numbers of its own; ours must be those of every device.
func (d *Device) Dropout(y, x *device.Tensor, rate float64, stream philox.Stream) error {
	if x.Size() == 0 {
		return nil
	}
	c := d.like(y, named("dropout", x.Shape))
	xp := c.in(x)
	return c.launch(launch.Dropout(c.out(y), xp, x.Shape, rate, stream, 0, c.type_))
}

//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"fovea/device"
	"fovea/device/cuda/launch"
	"fovea/device/philox"
)

// theirs are the activations that cuDNN has.
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
	n.activations[key] = a // so that release finds it
	return a, checkDNN("cudnnSetActivationDescriptor", C.cudnnSetActivationDescriptor(a, mode, nan, C.double(coefficient)))
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
	n, yp, xp := x.Size(), address(y), address(x)
	if n == 0 {
		return nil
	}
	mode, has := theirs[s.Kind]
	if !has || n >= countMost {
		return d.launch(named(s.Kind.String(), x.Shape), launch.Activate(yp, xp, n, s, launch.F32))
	}
	return d.queue.post(named(s.Kind.String(), x.Shape), func() error {
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
	return d.launch(named("gradient of "+s.Kind.String(), x.Shape), launch.ActivateBackward(address(dx), address(dy), address(x), address(y), x.Size(), s, launch.F32))
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	if y.Size() == 0 {
		return nil
	}
	return d.launch(named("maxout", x.Shape), launch.Maxout(address(y), address(x), y.Shape, pieces, launch.F32))
}

// MaxoutBackward implements device.Activation.
func (d *Device) MaxoutBackward(dx, dy, x, y *device.Tensor, pieces int) error {
	if y.Size() == 0 {
		return nil
	}
	return d.launch(named("gradient of maxout", x.Shape), launch.MaxoutBackward(address(dx), address(dy), address(x), y.Shape, pieces, launch.F32))
}

// Softmax implements device.Activation.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	if x.Size() == 0 {
		return nil
	}
	key, yp, xp := describe(x.Shape), address(y), address(x)
	algorithm := C.cudnnSoftmaxAlgorithm_t(C.CUDNN_SOFTMAX_ACCURATE)
	if logarithm {
		algorithm = C.CUDNN_SOFTMAX_LOG
	}
	return d.queue.post(named("softmax", x.Shape), func() error {
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
	key, dxp, dyp, yp := describe(y.Shape), address(dx), address(dy), address(y)
	algorithm := C.cudnnSoftmaxAlgorithm_t(C.CUDNN_SOFTMAX_ACCURATE)
	if logarithm {
		algorithm = C.CUDNN_SOFTMAX_LOG
	}
	return d.queue.post(named("gradient of softmax", y.Shape), func() error {
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
	return d.launch(named("dropout", x.Shape), launch.Dropout(address(y), address(x), x.Shape, rate, stream, 0, launch.F32))
}

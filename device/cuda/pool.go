//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// poolKey is all that a pooling's descriptor depends on.
type poolKey struct {
	mode                    C.cudnnPoolingMode_t
	window, padding, stride [2]int
}

// pooling is cuDNN's form of a pooling: the largest or the mean of windows, the same padding on opposite sides, and no
// window that hangs over. The others are ours.
func pooling(x, y tensor.Shape, s device.PoolSpec) (key poolKey, has bool) {
	key = poolKey{window: s.Window, stride: s.Stride, padding: [2]int{s.Padding.Top, s.Padding.Left}}
	switch {
	case s.Kind == device.MaxPool:
		key.mode = C.CUDNN_POOLING_MAX_DETERMINISTIC
	case s.Kind == device.AveragePool && s.CountPadding:
		key.mode = C.CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING
	case s.Kind == device.AveragePool:
		key.mode = C.CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING
	default:
		return key, false
	}
	if s.Padding.Top != s.Padding.Bottom || s.Padding.Left != s.Padding.Right {
		return key, false
	}
	for i := range 2 {
		if room := x[2+i] + 2*key.padding[i] - s.Window[i]; room < 0 || y[2+i] != room/s.Stride[i]+1 {
			return key, false
		}
	}
	return key, true
}

func (n *dnn) pooling(k poolKey) (C.cudnnPoolingDescriptor_t, error) {
	if p, known := n.pools[k]; known {
		return p, nil
	}
	var p C.cudnnPoolingDescriptor_t
	if err := checkDNN("cudnnCreatePoolingDescriptor", C.cudnnCreatePoolingDescriptor(&p)); err != nil {
		return nil, err
	}
	if err := checkDNN("cudnnSetPooling2dDescriptor", C.cudnnSetPooling2dDescriptor(p, k.mode, C.CUDNN_PROPAGATE_NAN,
		C.int(k.window[0]), C.int(k.window[1]), C.int(k.padding[0]), C.int(k.padding[1]), C.int(k.stride[0]), C.int(k.stride[1]))); err != nil {
		return nil, errors.Join(err, checkDNN("cudnnDestroyPoolingDescriptor", C.cudnnDestroyPoolingDescriptor(p)))
	}
	n.pools[k] = p
	return p, nil
}

// poolingOf describes a pooling and its tensors.
func (n *dnn) poolingOf(k poolKey, x, y tensorKey) (p C.cudnnPoolingDescriptor_t, xt, yt C.cudnnTensorDescriptor_t, err error) {
	if p, err = n.pooling(k); err != nil {
		return nil, nil, nil, err
	}
	if xt, err = n.tensor(x); err != nil {
		return nil, nil, nil, err
	}
	yt, err = n.tensor(y)
	return p, xt, yt, err
}

func poolName(op string, x tensor.Shape, s device.PoolSpec) string {
	return fmt.Sprintf("%s%s of %v, window %v, stride %v", op, s.Kind, x, s.Window, s.Stride)
}

// Pool implements device.Pooling.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	if y.Size() == 0 {
		return nil
	}
	c := d.like(y, poolName("", x.Shape, s))
	xp, yp := c.in(x), c.out(y)
	key, has := pooling(x.Shape, y.Shape, s)
	if !has || c.type_ != launch.F32 {
		return c.launch(launch.Pool(yp, xp, y.Shape, x.Shape, s, c.type_))
	}
	xs, ys := describe(x.Shape), describe(y.Shape)
	return c.post(func() error {
		p, xt, yt, err := d.dnn.poolingOf(key, xs, ys)
		if err != nil {
			return err
		}
		return checkDNN("cudnnPoolingForward", C.cudnnPoolingForward(d.dnn.handle, p, factor(&one), xt, pointer(xp), factor(&zero), yt, pointer(yp)))
	})
}

// PoolBackward implements device.Pooling. Of the largest and the smallest it is ours: cuDNN does not say which of equal
// elements gets the gradient, device.Pooling does.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	if x.Size() == 0 {
		return nil
	}
	if y.Size() == 0 {
		return d.Fill(dx, 0)
	}
	c := d.like(y, poolName("gradient of ", x.Shape, s)) // as Pool did: what is equal to y is found in x rounded as y is
	dyp, xp, yp, dxp := c.in(dy), c.in(x), c.in(y), c.out(dx)
	key, has := pooling(x.Shape, y.Shape, s)
	if !has || s.Kind == device.MaxPool || c.type_ != launch.F32 {
		return c.launch(launch.PoolBackward(dxp, dyp, xp, yp, y.Shape, x.Shape, s, c.type_))
	}
	xs, ys := describe(x.Shape), describe(y.Shape)
	return c.post(func() error {
		p, xt, yt, err := d.dnn.poolingOf(key, xs, ys)
		if err != nil {
			return err
		}
		return checkDNN("cudnnPoolingBackward", C.cudnnPoolingBackward(d.dnn.handle, p, factor(&one), yt, pointer(yp), yt, pointer(dyp), xt, pointer(xp),
			factor(&zero), xt, pointer(dxp)))
	})
}

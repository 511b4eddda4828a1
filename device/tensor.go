package device

import (
	"fmt"

	"gorgonia.org/tensor"
)

// Tensor is an array on a device. Shape is logical and row-major (NCHW for feature maps, OIHW for weights); how the
// elements lie in memory is known to the device alone, which keeps them behind Handle.
//
// It is not a tensor.Dense because a channel-blocked or padded layout has no NCHW strides; Dense is what goes in
// (FromDense) and comes out (Dense) at the edge. A tensor is owned by reference count: New gives it one owner, Retain
// adds one, Release takes one away, and with the last its memory goes back to the device's pool. Counts are not
// synchronised: one goroutine drives a device.
type Tensor struct {
	Shape  tensor.Shape
	DType  tensor.Dtype // Device.Float(), or tensor.Int32 for class labels
	Device Device
	Handle any // the device's own record of the memory; nil once freed

	owners int
	base   *Tensor // the tensor whose memory this one shows, if it is a view
}

// NewTensor is for devices: it wraps a handle in a tensor with one owner.
func NewTensor(d Device, shape tensor.Shape, dtype tensor.Dtype, handle any) *Tensor {
	return &Tensor{Shape: shape.Clone(), DType: dtype, Device: d, Handle: handle, owners: 1}
}

// NewView is for devices: a tensor of another shape over the memory of base, which stays alive as long as the view.
func NewView(base *Tensor, shape tensor.Shape) *Tensor {
	if base.base != nil {
		base = base.base
	}
	base.Retain()
	return &Tensor{Shape: shape.Clone(), DType: base.DType, Device: base.Device, Handle: base.Handle, owners: 1, base: base}
}

// Size is the number of elements.
func (t *Tensor) Size() int { return Size(t.Shape) }

// Retain adds an owner and returns t.
func (t *Tensor) Retain() *Tensor {
	if t.owners <= 0 {
		panic(fmt.Sprintf("device: Retain of a tensor %v that was already freed", t.Shape))
	}
	t.owners++
	return t
}

// Release takes an owner away; the last one gives the memory back. Releasing nil does nothing.
func (t *Tensor) Release() {
	if t == nil {
		return
	}
	if t.owners <= 0 {
		panic(fmt.Sprintf("device: Release of a tensor %v that was already freed", t.Shape))
	}
	t.owners--
	if t.owners > 0 {
		return
	}
	if t.base != nil {
		t.base.Release()
	} else {
		t.Device.Free(t)
	}
	t.Handle = nil
}

// Exclusive says whether nobody else sees this memory, so that it may be overwritten in place.
func (t *Tensor) Exclusive() bool { return t.owners == 1 && t.base == nil }

// Copy copies src to dst, which has its shape, to the bit.
func Copy(dst, src *Tensor) error {
	zero := make([]int, len(src.Shape))
	return src.Device.CopyRegion(dst, zero, src, zero, src.Shape)
}

// FromDense copies a dense tensor of float32, float64, int32 or int64 elements, in any order and also a view of another,
// to a new tensor on d. Floating-point elements become d.Float(), integers (class labels) become int32; an integer that
// int32 cannot hold is an error.
func FromDense(d Device, dense *tensor.Dense) (*Tensor, error) {
	switch data := dense.Data().(type) {
	case []float32:
		return FromSlice(d, dense.Shape(), rowMajor(dense, data))
	case []float64:
		return FromSlice(d, dense.Shape(), rowMajor(dense, data))
	case []int32:
		return FromSlice(d, dense.Shape(), rowMajor(dense, data))
	case []int64:
		return fromLabels(d, dense.Shape(), rowMajor(dense, data))
	case float32: // gorgonia hands out scalars bare
		return FromSlice(d, dense.Shape(), []float32{data})
	case float64:
		return FromSlice(d, dense.Shape(), []float64{data})
	case int32:
		return FromSlice(d, dense.Shape(), []int32{data})
	case int64:
		return fromLabels(d, dense.Shape(), []int64{data})
	}
	return nil, fmt.Errorf("%w: tensor %v has elements of type %v, expected float32, float64, int32 or int64",
		ErrDType, dense.Shape(), dense.Dtype())
}

// rowMajor returns the elements of dense, whose memory is data, row by row. (Dense.Materialize leaves a column-major
// tensor as it is.)
func rowMajor[T any](dense *tensor.Dense, data []T) []T {
	shape, strides := dense.Shape(), dense.Strides()
	ordered, step := len(data) == Size(shape), 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		ordered = ordered && (shape[axis] == 1 || strides[axis] == step)
		step *= shape[axis]
	}
	if ordered {
		return data
	}
	out := make([]T, Size(shape))
	for i := range out {
		at, rest := 0, i
		for axis := len(shape) - 1; axis >= 0; axis-- {
			at += rest % shape[axis] * strides[axis]
			rest /= shape[axis]
		}
		out[i] = data[at]
	}
	return out
}

func fromLabels(d Device, shape tensor.Shape, wide []int64) (*Tensor, error) {
	narrow, err := narrowLabels(wide)
	if err != nil {
		return nil, err
	}
	return FromSlice(d, shape, narrow)
}

// FromSlice copies row-major elements ([]float32, []float64 or []int32) to a new tensor on d.
func FromSlice(d Device, shape tensor.Shape, data any) (*Tensor, error) {
	dtype := d.Float()
	if _, labels := data.([]int32); labels {
		dtype = tensor.Int32
	}
	t, err := d.New(shape, dtype)
	if err != nil {
		return nil, err
	}
	if err := d.Upload(t, data); err != nil {
		t.Release()
		return nil, err
	}
	return t, nil
}

// Filled is a new tensor of d.Float() elements that are all value.
func Filled(d Device, shape tensor.Shape, value float64) (*Tensor, error) {
	t, err := d.New(shape, d.Float())
	if err != nil {
		return nil, err
	}
	if err := d.Fill(t, value); err != nil {
		t.Release()
		return nil, err
	}
	return t, nil
}

func narrowLabels(wide []int64) ([]int32, error) {
	narrow := make([]int32, len(wide))
	for i, v := range wide {
		narrow[i] = int32(v)
		if int64(narrow[i]) != v {
			return nil, fmt.Errorf("%w: element %d is %d, which int32 cannot hold", ErrDType, i, v)
		}
	}
	return narrow, nil
}

// Dense waits for the device and copies t to a new dense tensor: float32 or float64 as the device computes, or int32.
func (t *Tensor) Dense() (*tensor.Dense, error) {
	if t.Size() == 0 {
		return nil, fmt.Errorf("%w: tensor %v is empty, a dense tensor cannot be", ErrShape, t.Shape)
	}
	var backing any
	switch t.DType {
	case tensor.Float32:
		backing = make([]float32, t.Size())
	case tensor.Float64:
		backing = make([]float64, t.Size())
	default:
		backing = make([]int32, t.Size())
	}
	if err := t.Device.Download(backing, t); err != nil {
		return nil, err
	}
	if t.Shape.IsScalar() {
		switch v := backing.(type) {
		case []float32:
			return tensor.New(tensor.FromScalar(v[0])), nil
		case []float64:
			return tensor.New(tensor.FromScalar(v[0])), nil
		case []int32:
			return tensor.New(tensor.FromScalar(v[0])), nil
		}
	}
	return tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(backing)), nil
}

// Floats waits for the device and copies t's elements, row-major, as float64.
func (t *Tensor) Floats() ([]float64, error) {
	out := make([]float64, t.Size())
	return out, t.Device.Download(out, t)
}

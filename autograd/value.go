package autograd

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
)

// Value is an array in a computation: an input, a parameter, or what an operation made of others.
type Value struct {
	Name   string // of a parameter, as in its state dictionary: "features.0.weight"
	Frozen bool   // a parameter that gets no gradient

	data *device.Tensor
	grad *device.Tensor

	tape       *Tape // nil for a parameter
	generation int   // the tape's when the value was made
	needsGrad  bool
	keep       bool
	precise    bool // made by Memory.New, not as an activation; parameters always are
	hasGrad    bool // parameters: grad holds something to add to
	low, high  int32

	readers   int  // recorded operations that it is an operand of
	rectified bool // the result of a ReLU
	masked    bool // whose slope its gradient has already been multiplied with, see beforeRectified
	convolved bool // the result of a convolution, which takes its gradient as pooled too
	pooled    *pooledGradient
}

// NewParameter copies a dense tensor to d as a value that no tape owns. Its gradient accumulates over backward passes
// until ZeroGrad. Free it with Release.
func NewParameter(d device.Device, name string, dense *tensor.Dense) (*Value, error) {
	data, err := device.FromDense(d, dense)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	return &Value{Name: name, data: data}, nil
}

// ZeroParameter is NewParameter of zeros.
func ZeroParameter(d device.Device, name string, shape tensor.Shape) (*Value, error) {
	data, err := device.Filled(d, shape, 0)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	return &Value{Name: name, data: data}, nil
}

// Described is a parameter that has a name and a shape but no memory: for networks that are only looked at.
func Described(name string, shape tensor.Shape) *Value {
	return &Value{Name: name, data: device.NewTensor(nil, shape, tensor.Float32, nil)}
}

// Release gives a parameter's memory back.
func (v *Value) Release() {
	v.data.Release()
	v.grad.Release()
	v.data, v.grad = nil, nil
}

// Shape is the logical shape; nil after a failure on the tape.
func (v *Value) Shape() tensor.Shape {
	if v == nil || v.data == nil {
		return nil
	}
	return v.data.Shape
}

// Tape is the tape that the value belongs to, nil for a parameter.
func (v *Value) Tape() *Tape {
	if v == nil {
		return nil
	}
	return v.tape
}

// Tensor is the value's array on the device, for optimisers and metrics. The tape may free it; see Keep.
func (v *Value) Tensor() *device.Tensor { return v.data }

// Grad is the gradient on the device: nil if there is none (yet, or any more; see Keep).
func (v *Value) Grad() *device.Tensor {
	if v.tape == nil && !v.hasGrad {
		return nil
	}
	return v.grad
}

// ZeroGrad forgets a parameter's gradient; its memory is kept for the next.
func (v *Value) ZeroGrad() { v.hasGrad = false }

// Keep makes the tape hold this value and its gradient until Reset, and returns v.
func (v *Value) Keep() *Value {
	v.keep = true
	return v
}

// Dense waits for the device and copies the value out.
func (v *Value) Dense() (*tensor.Dense, error) {
	if err := v.readable(); err != nil {
		return nil, err
	}
	return v.data.Dense()
}

// Item is the value of a scalar.
func (v *Value) Item() (float64, error) {
	if err := v.readable(); err != nil {
		return 0, err
	}
	if v.data.Size() != 1 {
		return 0, fmt.Errorf("autograd: item of a value of shape %v, expected one element", v.data.Shape)
	}
	f, err := v.data.Floats()
	if err != nil {
		return 0, err
	}
	return f[0], nil
}

var errFreed = errors.New("autograd: the value's memory was given back (by Backward or Reset); call Keep before, or read it earlier")

func (v *Value) readable() error {
	if v.tape != nil && v.tape.err != nil {
		return v.tape.err
	}
	if v.data == nil || (v.tape != nil && v.generation != v.tape.generation) {
		return errFreed
	}
	return nil
}

// free drops what the tape owns of the value.
func (v *Value) free() {
	v.data.Release()
	v.grad.Release()
	v.pooled.release()
	v.data, v.grad, v.pooled = nil, nil, nil
}

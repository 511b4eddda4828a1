package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Pool2D takes the largest, smallest or mean element of each window, see autograd.Pool.
type Pool2D struct {
	Kind   device.PoolKind
	Global bool
	Window
}

// MaxPool takes the largest element of windows of size x size. Options: Stride, Padding, PaddingSides, CeilMode.
func MaxPool(size int, options ...Option) *Pool2D {
	return &Pool2D{Kind: device.MaxPool, Window: newWindow(size, options)}
}

// MinPool takes the smallest element; options as MaxPool.
func MinPool(size int, options ...Option) *Pool2D {
	return &Pool2D{Kind: device.MinPool, Window: newWindow(size, options)}
}

// AvgPool takes the mean; options as MaxPool, and CountPadding.
func AvgPool(size int, options ...Option) *Pool2D {
	return &Pool2D{Kind: device.AveragePool, Window: newWindow(size, options)}
}

// GlobalAvgPool takes the mean of each map: [N, C, H, W] to [N, C, 1, 1].
func GlobalAvgPool() *Pool2D { return &Pool2D{Kind: device.AveragePool, Global: true} }

// GlobalMaxPool takes the largest element of each map.
func GlobalMaxPool() *Pool2D { return &Pool2D{Kind: device.MaxPool, Global: true} }

// GlobalMinPool takes the smallest element of each map.
func GlobalMinPool() *Pool2D { return &Pool2D{Kind: device.MinPool, Global: true} }

// AdaptiveAvgPool takes the mean of height x width windows that cover each map, whatever its size, so that a classifier
// after it fits inputs of any size; a map that has the size passes as it is.
func AdaptiveAvgPool(height, width int) *Function {
	size := [2]int{height, width}
	return &Function{"AdaptiveAvgPool2D",
		func(in tensor.Shape) (tensor.Shape, error) { return device.AdaptiveOutput(in, size) },
		func(x *autograd.Value) *autograd.Value { return autograd.AdaptiveAvgPool(x, size) }}
}

func (l *Pool2D) spec() device.PoolSpec {
	return device.PoolSpec{Kind: l.Kind, Window: l.Size, Stride: l.Stride, Padding: l.Padding,
		CeilMode: l.CeilMode, CountPadding: l.CountPadding}.Normal()
}

// Build implements Layer.
func (l *Pool2D) Build(_ *Builder, in tensor.Shape) (tensor.Shape, error) {
	allowed := []string{"Stride", "Padding", "PaddingSides", "CeilMode"}
	if l.Kind == device.AveragePool {
		allowed = append(allowed, "CountPadding")
	}
	if err := l.only(allowed...); err != nil {
		return nil, err
	}
	if l.Global {
		if len(in) != 4 {
			return nil, fmt.Errorf("%w: input %v, expected [N, C, H, W]", device.ErrShape, in)
		}
		return tensor.Shape{in[0], in[1], 1, 1}, nil
	}
	return l.spec().Output(in)
}

// Forward implements Layer.
func (l *Pool2D) Forward(x *autograd.Value) *autograd.Value {
	if l.Global {
		return autograd.GlobalPool(x, l.Kind)
	}
	return autograd.Pool(x, l.spec())
}

func (l *Pool2D) String() string {
	name := map[device.PoolKind]string{device.MaxPool: "MaxPool2D", device.MinPool: "MinPool2D", device.AveragePool: "AvgPool2D"}[l.Kind]
	if l.Global {
		name = "Global" + name
	}
	return name
}

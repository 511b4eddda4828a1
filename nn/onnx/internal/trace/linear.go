package trace

import (
	"fovea/device"
	"fovea/nn/onnx/internal/onnxpb"
)

// Linear implements device.FullyConnected.
func (d *Device) Linear(y, x, w, b *device.Tensor) error {
	return d.node(y, "Gemm", []*device.Tensor{x, w, b}, integer("transB", 1))
}

// MatMul implements device.FullyConnected.
func (d *Device) MatMul(c, a, b *device.Tensor, transposeA, transposeB bool) error {
	if !transposeA && !transposeB {
		return d.node(c, "MatMul", []*device.Tensor{a, b})
	}
	var attributes []*onnxpb.AttributeProto
	if transposeA {
		attributes = append(attributes, integer("transA", 1))
	}
	if transposeB {
		attributes = append(attributes, integer("transB", 1))
	}
	return d.node(c, "Gemm", []*device.Tensor{a, b}, attributes...)
}

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	operand, err := d.in(x)
	if err != nil {
		return err
	}
	bias, err := d.in(b)
	if err != nil {
		return err
	}
	var axes []int
	for i := 2; i < len(x.Shape); i++ {
		axes = append(axes, i-1)
	}
	if len(axes) > 0 {
		bias = d.add("Unsqueeze", []string{bias, d.vector("axes", axes...)})
	}
	d.set(y, d.add("Add", []string{operand, bias}))
	return nil
}

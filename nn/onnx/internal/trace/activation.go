package trace

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
	"fovea/nn/onnx/internal/onnxpb"
)

// Activate implements device.Activation.
func (d *Device) Activate(y, x *device.Tensor, s device.ActivationSpec) error {
	operands := []*device.Tensor{x}
	switch s.Kind {
	case device.Identity:
		return d.node(y, "Identity", operands)
	case device.Step:
		operand, err := d.in(x)
		if err != nil {
			return err
		}
		above := d.add("Greater", []string{operand, d.scalar(0)})
		d.set(y, d.add("Cast", []string{above}, integer("to", int(onnxpb.TensorProto_FLOAT))))
		return nil
	case device.Sigmoid:
		return d.node(y, "Sigmoid", operands)
	case device.Tanh:
		return d.node(y, "Tanh", operands)
	case device.ReLU:
		return d.node(y, "Relu", operands)
	case device.LeakyReLU:
		return d.node(y, "LeakyRelu", operands, float("alpha", s.Alpha))
	case device.ELU:
		return d.node(y, "Elu", operands, float("alpha", s.Alpha))
	}
	return fmt.Errorf("onnx: activation %d has no operator", s.Kind)
}

// Maxout implements device.Activation.
func (d *Device) Maxout(y, x *device.Tensor, pieces int) error {
	operand, err := d.in(x)
	if err != nil {
		return err
	}
	shape := append([]int{x.Shape[0], x.Shape[1] / pieces, pieces}, x.Shape[2:]...)
	d.set(y, d.add("ReduceMax", []string{d.reshape(operand, shape)}, integers("axes", 2), integer("keepdims", 0)))
	return nil
}

// Softmax implements device.Activation.
func (d *Device) Softmax(y, x *device.Tensor, logarithm bool) error {
	op := "Softmax"
	if logarithm {
		op = "LogSoftmax"
	}
	return d.node(y, op, []*device.Tensor{x}, integer("axis", 1))
}

// Dropout implements device.Activation.
func (d *Device) Dropout(_, _ *device.Tensor, rate float64, _ philox.Stream) error {
	return fmt.Errorf("onnx: dropout at rate %v: %w", rate, errTraining)
}

package trace

import (
	"fovea/device"
	"fovea/nn/onnx/internal/onnxpb"
)

// Pool implements device.Pooling.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	operand, err := d.in(x)
	if err != nil {
		return err
	}
	if s.Kind == device.MinPool { // ONNX has none
		d.set(y, d.add("Neg", []string{d.pool("MaxPool", d.add("Neg", []string{operand}), x, s)}))
		return nil
	}
	d.set(y, d.pool(map[device.PoolKind]string{device.MaxPool: "MaxPool", device.AveragePool: "AveragePool"}[s.Kind], operand, x, s))
	return nil
}

func (d *Device) pool(op, operand string, x *device.Tensor, s device.PoolSpec) string {
	if s.Padding == (device.Padding{}) && s.Window == [2]int{x.Shape[2], x.Shape[3]} {
		return d.add("Global"+op, []string{operand})
	}
	p := s.Padding
	attributes := []*onnxpb.AttributeProto{
		integers("kernel_shape", s.Window[:]...),
		integers("strides", s.Stride[:]...),
		integers("pads", p.Top, p.Left, p.Bottom, p.Right),
	}
	if s.CeilMode {
		attributes = append(attributes, integer("ceil_mode", 1))
	}
	if s.CountPadding && op == "AveragePool" {
		attributes = append(attributes, integer("count_include_pad", 1))
	}
	return d.add(op, []string{operand}, attributes...)
}

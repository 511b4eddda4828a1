package trace

import (
	"math"

	"fovea/device"
	"fovea/nn/onnx/internal/onnxpb"
)

// Conv implements device.Convolution.
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return d.node(y, "Conv", []*device.Tensor{x, w, b}, window(s, w)...)
}

// ConvBackwardData implements device.Convolution: the transposed convolution.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	pads := [2]int{s.Padding.Top + s.Padding.Bottom, s.Padding.Left + s.Padding.Right}
	var extra [2]int
	for i := range extra {
		extra[i] = dx.Shape[2+i] - ((dy.Shape[2+i]-1)*s.Stride[i] - pads[i] + s.Dilation[i]*(w.Shape[2+i]-1) + 1)
	}
	return d.node(dx, "ConvTranspose", []*device.Tensor{dy, w}, append(window(s, w), integers("output_padding", extra[:]...))...)
}

// Rotate180 implements device.Convolution.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	x, err := d.in(w)
	if err != nil {
		return err
	}
	d.set(y, d.add("Slice", []string{x, d.vector("starts", -1, -1), d.vector("ends", math.MinInt64, math.MinInt64),
		d.vector("axes", -2, -1), d.vector("steps", -1, -1)}))
	return nil
}

func window(s device.ConvSpec, w *device.Tensor) []*onnxpb.AttributeProto {
	p := s.Padding
	return []*onnxpb.AttributeProto{
		integers("kernel_shape", w.Shape[2:]...),
		integers("strides", s.Stride[:]...),
		integers("pads", p.Top, p.Left, p.Bottom, p.Right),
		integers("dilations", s.Dilation[:]...),
		integer("group", s.Groups),
	}
}

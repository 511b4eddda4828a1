package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// Conv2D slides filters over its input [N, C, H, W], see autograd.Conv2D. Parameters: weight [filters, C/groups, R, S]
// and bias [filters].
type Conv2D struct {
	Filters int
	Window

	kind         string
	weight, bias *autograd.Value
}

// Conv is the sliding window of CNN layers with filters of size x size. Options: Stride, Padding, PaddingSides, Same,
// Dilation, Groups, NoBias.
func Conv(filters, size int, options ...Option) *Conv2D {
	return &Conv2D{Filters: filters, Window: newWindow(size, options), kind: "Conv2D"}
}

// TrueConv is the convolution of signal processing: its masks are rotated by 180 degrees before they slide.
func TrueConv(filters, size int, options ...Option) *Conv2D {
	return &Conv2D{Filters: filters, Window: newWindow(size, options), kind: "TrueConv2D"}
}

// ConvTranspose is the transpose of Conv ("deconvolution"): its weight is [C, filters/groups, R, S]. Options are those
// of Conv without Same, and OutputPadding.
func ConvTranspose(filters, size int, options ...Option) *Conv2D {
	return &Conv2D{Filters: filters, Window: newWindow(size, options), kind: "ConvTranspose2D"}
}

// Build implements Layer.
func (l *Conv2D) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	if l.weight != nil {
		return nil, errBuilt
	}
	transposed := l.kind == "ConvTranspose2D"
	allowed := "Same"
	if transposed {
		allowed = "OutputPadding"
	}
	if err := l.only("Stride", "Padding", "PaddingSides", "Dilation", "Groups", "NoBias", allowed); err != nil {
		return nil, err
	}
	if len(in) != 4 {
		return nil, fmt.Errorf("%w: input %v, expected [N, C, H, W]", device.ErrShape, in)
	}
	spec := l.conv()
	from, to := in[1], l.Filters
	if from%spec.Groups != 0 || to%spec.Groups != 0 {
		return nil, fmt.Errorf("%w: %d channels to %d filters, expected multiples of %d groups", device.ErrShape, from, to, spec.Groups)
	}
	weight := tensor.Shape{to, from / spec.Groups, l.Size[0], l.Size[1]}
	if transposed {
		weight = tensor.Shape{from, to / spec.Groups, l.Size[0], l.Size[1]}
	}
	var out tensor.Shape
	var err error
	if transposed {
		out, err = spec.TransposedOutput(in, weight, nil, l.OutputPadding)
	} else {
		out, err = spec.Output(in, weight, nil)
	}
	if err != nil {
		return nil, err
	}
	products := weight[1] * weight[2] * weight[3] // in an output element
	if transposed {
		products = from / spec.Groups * weight[2] * weight[3] / (spec.Stride[0] * spec.Stride[1])
		b.MultiplyAdds(device.Products(in, weight))
	} else {
		b.MultiplyAdds(device.Products(out, weight))
	}
	if l.weight, err = b.Parameter("weight", weight, HeNormal(products)); err != nil || l.NoBias {
		return out, err
	}
	l.bias, err = b.Parameter("bias", tensor.Shape{to}, Constant(0))
	return out, err
}

// Forward implements Layer.
func (l *Conv2D) Forward(x *autograd.Value) *autograd.Value {
	switch l.kind {
	case "TrueConv2D":
		return autograd.TrueConv2D(x, l.weight, l.bias, l.conv())
	case "ConvTranspose2D":
		return autograd.ConvTranspose2D(x, l.weight, l.bias, l.conv(), l.OutputPadding)
	}
	return autograd.Conv2D(x, l.weight, l.bias, l.conv())
}

func (l *Conv2D) fuses(t *autograd.Tape) bool {
	_, has := t.Device().(device.FusedConvolution)
	return has && l.kind == "Conv2D"
}

func (l *Conv2D) forwardReLU(x *autograd.Value) *autograd.Value {
	return autograd.Conv2DReLU(x, l.weight, l.bias, l.conv())
}

func (l *Conv2D) String() string { return l.kind }

package nn

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// BatchNormalization normalises each channel, see autograd.BatchNorm. Parameters: weight (the scale) and bias (the
// shift); buffers: running_mean and running_var; all [C].
type BatchNormalization struct {
	device.BatchNormSpec

	scale, shift   *autograd.Value
	mean, variance *device.Tensor
}

// BatchNorm has PyTorch's constants: epsilon 1e-5, momentum 0.1.
func BatchNorm() *BatchNormalization {
	return &BatchNormalization{BatchNormSpec: device.BatchNormSpec{Epsilon: 1e-5, Momentum: 0.1}}
}

// Build implements Layer.
func (l *BatchNormalization) Build(b *Builder, in tensor.Shape) (tensor.Shape, error) {
	if l.scale != nil {
		return nil, errBuilt
	}
	if err := device.CheckBatchNorm(in, false); err != nil {
		return nil, err
	}
	channels := tensor.Shape{in[1]}
	var err error
	if l.scale, err = b.Parameter("weight", channels, Constant(1)); err != nil {
		return nil, err
	}
	if l.shift, err = b.Parameter("bias", channels, Constant(0)); err != nil {
		return nil, err
	}
	if l.mean, err = b.Buffer("running_mean", channels, 0); err != nil {
		return nil, err
	}
	l.variance, err = b.Buffer("running_var", channels, 1)
	return in, err
}

// Forward implements Layer.
func (l *BatchNormalization) Forward(x *autograd.Value) *autograd.Value {
	return autograd.BatchNorm(x, l.scale, l.shift, l.mean, l.variance, l.BatchNormSpec)
}

func (l *BatchNormalization) fuses(t *autograd.Tape) bool {
	_, has := t.Device().(device.FusedNormalisation)
	return has
}

func (l *BatchNormalization) forwardReLU(x *autograd.Value) *autograd.Value {
	return l.forwardAddReLU(x, nil)
}

// forwardAddReLU is the end of a residual block.
func (l *BatchNormalization) forwardAddReLU(x, residual *autograd.Value) *autograd.Value {
	return autograd.BatchNormReLU(x, residual, l.scale, l.shift, l.mean, l.variance, l.BatchNormSpec)
}

func (l *BatchNormalization) String() string { return "BatchNorm" }

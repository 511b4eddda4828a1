package cpu

import (
	"math"

	"fovea/device"
)

var _ device.FoldedConvolution = (*Device)(nil)

// folding is a batch normalisation with given statistics, to be made part of the convolution before it: that with weights
// factor*w and bias (b - mean)*factor + shift, factor being scale/sqrt(variance + epsilon).
type folding struct {
	scale, shift, mean, variance *device.Tensor
	epsilon                      float64
}

// ConvBatchNorm implements device.FoldedConvolution.
func (d *Device) ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *device.Tensor, s device.ConvSpec, n device.BatchNormSpec, relu bool) error {
	f := &folding{scale, shift, mean, variance, n.Epsilon}
	return d.convolve(y, x, w, epilogue{bias: f.bias(floats(b)), add: residual, relu: relu, fold: f}, s)
}

func (f *folding) factor(m int) float64 {
	return float64(floats(f.scale)[m]) / math.Sqrt(float64(floats(f.variance)[m])+f.epsilon)
}

func (f *folding) bias(b []float32) []float32 {
	folded := make([]float32, f.scale.Size())
	for m := range folded {
		v := -float64(floats(f.mean)[m])
		if b != nil {
			v += float64(b[m])
		}
		folded[m] = float32(v*f.factor(m) + float64(floats(f.shift)[m]))
	}
	return folded
}

// sources are what weights with this folding (nil for none) are made of.
func (f *folding) sources(w *device.Tensor) []*device.Tensor {
	if f == nil {
		return []*device.Tensor{w}
	}
	return []*device.Tensor{w, f.scale, f.variance}
}

// key tells this folding (nil for none) from others of the same weights.
func (f *folding) key() foldKey {
	if f == nil {
		return foldKey{}
	}
	return foldKey{f.scale.Handle, f.variance.Handle, f.epsilon}
}

// scaledWeights is factor*w, to be given back.
func (d *Device) scaledWeights(w *device.Tensor, f *folding) *buffer[float32] {
	b := d.floats.get(w.Size(), &d.stats)
	from, each := floats(w), device.Size(w.Shape[1:])
	d.divide(w.Shape[0], each, func(_, first, last int) {
		for m := first; m < last; m++ {
			factor := float32(f.factor(m))
			to := b.data[m*each:][:each]
			for i, v := range from[m*each:][:each] {
				to[i] = factor * v
			}
		}
	})
	return b
}

// plainWeights is w, or factor*w, row-major as it is; to be given back with doneWith.
func (d *Device) plainWeights(w *device.Tensor, f *folding) (b *buffer[float32], kept bool) {
	if f == nil {
		return w.Handle.(*buffer[float32]), true
	}
	return d.formOf(formKey{pass: "folded", fold: f.key()}, f.sources(w), false, func() *buffer[float32] { return d.scaledWeights(w, f) })
}

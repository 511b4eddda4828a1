//go:build cuda

package cuda

import (
	"fovea/device"
	"fovea/device/cuda/launch"
)

var _ device.FoldedConvolution = (*Device)(nil)

// folding is a batch normalisation with given statistics, to be made part of the convolution before it.
type folding struct {
	scale, shift, mean, variance *device.Tensor
	device.BatchNormSpec
}

// ConvBatchNorm implements device.FoldedConvolution.
func (d *Device) ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *device.Tensor, s device.ConvSpec, n device.BatchNormSpec, relu bool) error {
	return d.convolve(y, x, w, epilogue{bias: b, residual: residual, relu: relu, fold: &folding{scale, shift, mean, variance, n}}, s)
}

// folded are weights and bias with a normalisation folded in. They stay with the weights for as long as nothing is written that they
// are made of.
type folded struct {
	*kept
	bias uint64
	of   recipe
}

// recipe is what folded weights are made of: tensors as they were written last, nil for no bias.
type recipe struct {
	sources [6]source
	epsilon float64
}

type source struct {
	*buffer
	written int64
}

func (f *folding) recipe(w, b *device.Tensor) recipe {
	r := recipe{epsilon: f.Epsilon}
	for i, t := range []*device.Tensor{w, b, f.scale, f.shift, f.mean, f.variance} {
		if t != nil {
			of := t.Handle.(*buffer)
			r.sources[i] = source{of, of.written}
		}
	}
	return r
}

// weights is where a convolution's weights and its bias (0 for none) can be read.
func (c *call) weights(w *device.Tensor, e epilogue) (weights, bias uint64) {
	f := e.fold
	if f == nil {
		return c.in(w), c.in(e.bias)
	}
	home, of := w.Handle.(*buffer), f.recipe(w, e.bias)
	if k := home.folded; k == nil || k.of != of || !c.d.holds(k.kept) {
		c.d.unfold(home, c.keep)
		home.folded = c.fold(w, e.bias, f, of)
	}
	if home.folded == nil {
		return 0, 0
	}
	return uint64(home.folded.at), home.folded.bias
}

// fold makes weights and bias with a normalisation folded in; nil if that failed. It starts from the master weights, so that their
// product with the factor is rounded once in every precision.
func (c *call) fold(w, b *device.Tensor, f *folding, of recipe) *folded {
	bias := (w.Size()*c.type_.Bytes() + 255) &^ 255 // aligned as a tensor is
	k := c.make(bias+w.Shape[0]*c.type_.Bytes(), func(at uint64) {
		stats := launch.Statistics{Mean: c.exact(f.mean), Spread: c.exact(f.variance), Epsilon: f.Epsilon, IsVariance: true}
		c.run(launch.BatchNormFold(at, at+uint64(bias), c.exact(w), c.exact(b), stats, c.exact(f.scale), c.exact(f.shift), w.Shape, c.type_))
	})
	if k == nil {
		return nil
	}
	return &folded{k, uint64(k.at) + uint64(bias), of}
}

// unfold gives back the folded form of weights.
func (d *Device) unfold(b *buffer, give func(*buffer)) {
	if b.folded != nil {
		d.drop(b.folded.kept, give)
		b.folded = nil
	}
}

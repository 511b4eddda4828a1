package device

// Several primitives in one pass over memory are a device's offer: autograd asks for these interfaces and computes the
// primitives one after another where a device has none. The definition of each is that of its parts.

// FusedConvolution is a convolution and what follows it in most networks.
type FusedConvolution interface {
	// ConvReLU: y = ReLU(Conv(x, w, b)); b may be nil. A sum that is not a number may come out as 0: cuDNN's does.
	ConvReLU(y, x, w, b *Tensor, s ConvSpec) error
}

// FusedPooling is a convolution whose result nobody but a pooling sees, such as a network's first one: its maps are larger than all else, and
// need not be made as a whole.
type FusedPooling interface {
	// ConvReLUPool: pooled = Pool(ConvReLU(x, w, b, s), p) of the largest elements; b may be nil. What each window chose is noted in
	// chosen, which has pooled's shape, in a form of the device's own; nil if no gradient will be wanted.
	ConvReLUPool(pooled, chosen, x, w, b *Tensor, s ConvSpec, p PoolSpec) error
	// ConvBackwardWeightsPooled: dw = ConvBackwardWeights(x, dy, s) of dy = PoolBackward(dz, y, pooled, p), y being the convolution's
	// result and chosen what ConvReLUPool noted of it. The ReLU's slope must have been taken on dz: it is that of pooled's elements.
	ConvBackwardWeightsPooled(dw, x, dz, chosen *Tensor, s ConvSpec, p PoolSpec) error
}

// FusedLinear is a fully connected layer and its activation.
type FusedLinear interface {
	// LinearReLU: y = ReLU(Linear(x, w, b)); b may be nil.
	LinearReLU(y, x, w, b *Tensor) error
}

// FusedNormalisation is a batch normalisation with the sum and the activation of a residual block.
type FusedNormalisation interface {
	// BatchNormReLU: y = ReLU(BatchNorm(x) + residual); residual has x's shape, or is nil for no sum.
	BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *Tensor, s BatchNormSpec) error
	// BatchNormReLUBackward is its gradient. With g = dy where y > 0 (or is not a number) and 0 elsewhere (there NaN may come
	// of a dy that is not finite), dresidual = g (nil: not wanted), and dx, dscale and dshift are BatchNormBackward's of g.
	BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *Tensor) error
	// BatchNormReLUInfer: y = ReLU(BatchNormInfer(x) + residual).
	BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *Tensor, s BatchNormSpec) error
}

// FoldedConvolution is a convolution and the batch normalisation after it when the statistics are given: then both are one
// convolution, with weights scale*invStd times as large. It serves inference and has no gradient.
type FoldedConvolution interface {
	// ConvBatchNorm: y = BatchNormInfer(Conv(x, w, b), scale, shift, mean, variance) + residual, and ReLU of that if relu is
	// set. b may be nil; residual has y's shape, or is nil for no sum. What is not a number may come out of a ReLU as 0.
	ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *Tensor, s ConvSpec, n BatchNormSpec, relu bool) error
}

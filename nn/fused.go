package nn

import (
	"fovea/autograd"
	"fovea/device"
)

// Containers compute layers that stand one after another at once where the device makes one pass of them. A convolution and
// its normalisation are one only where nothing is learned: see device.FoldedConvolution.

// together is the first of the layers with those after it that are computed with it from x, and how many that makes.
func together(t *autograd.Tape, layers []Layer, x *autograd.Value) (l Layer, count int) {
	l, count = layers[0], 1
	if t == nil {
		return l, count
	}
	if f, can := fold(t, layers); can {
		l, count = f, 2
	}
	if f, can := l.(fusable); can && count < len(layers) && isReLU(layers[count]) && f.fuses(t) {
		l, count = withReLU{f}, count+1
		if conv, is := f.(*Conv2D); is && count < len(layers) && t.PoolsConvolutions(x) {
			if pool, follows := layers[count].(*Pool2D); follows && pool.Kind == device.MaxPool && !pool.Global {
				return pooled{conv, pool}, count + 1
			}
		}
	}
	return l, count
}

// pooled is a convolution, the ReLU after it, and a pooling that takes the largest elements.
type pooled struct {
	*Conv2D
	pool *Pool2D
}

// Forward implements Layer.
func (l pooled) Forward(x *autograd.Value) *autograd.Value {
	return autograd.Conv2DReLUPool(x, l.weight, l.bias, l.conv(), l.pool.spec())
}

// fusable is a layer that may take the ReLU after it into its own computation.
type fusable interface {
	Layer
	fuses(t *autograd.Tape) bool
	forwardReLU(x *autograd.Value) *autograd.Value
}

// withReLU is a layer and the ReLU after it.
type withReLU struct{ fusable }

// Forward implements Layer.
func (l withReLU) Forward(x *autograd.Value) *autograd.Value { return l.forwardReLU(x) }

func isReLU(l Layer) bool {
	f, is := l.(*Function)
	return is && f.kind == "ReLU"
}

// addable is a layer that may take a sum and the ReLU after it into its own computation: the end of a residual block.
type addable interface {
	forwardAddReLU(x, residual *autograd.Value) *autograd.Value
}

// folded is a convolution and the batch normalisation after it, with statistics that are held.
type folded struct {
	*Conv2D
	norm *BatchNormalization
}

// fold makes one of the first two layers, if they are such.
func fold(t *autograd.Tape, layers []Layer) (f folded, can bool) {
	if _, has := t.Device().(device.FoldedConvolution); !has || !t.NoGrad || t.Training || len(layers) < 2 {
		return f, false
	}
	conv, is := layers[0].(*Conv2D)
	norm, follows := layers[1].(*BatchNormalization)
	return folded{conv, norm}, is && follows && conv.kind == "Conv2D"
}

// Forward implements Layer.
func (l folded) Forward(x *autograd.Value) *autograd.Value { return l.compute(x, nil, false) }

func (l folded) fuses(*autograd.Tape) bool { return true }

func (l folded) forwardReLU(x *autograd.Value) *autograd.Value { return l.compute(x, nil, true) }

func (l folded) forwardAddReLU(x, residual *autograd.Value) *autograd.Value {
	return l.compute(x, residual, true)
}

func (l folded) compute(x, residual *autograd.Value, relu bool) *autograd.Value {
	n := l.norm
	return autograd.ConvBatchNorm(x, l.weight, l.bias, n.scale, n.shift, residual, n.mean, n.variance, l.conv(), n.BatchNormSpec, relu)
}

package devicetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	"fovea/device/reference"
)

// offering is a reference device with the fused primitives, each of which has the bugs that are set.
type offering struct {
	device.Device
	residual, relu, scale, bias, epsilon, gate, dresidual, winner bool // forgotten
}

// end does what follows a normalisation.
func (d offering) end(y, residual *device.Tensor, active bool) error {
	if d.residual {
		residual = nil
	}
	return addReLU(d.Device, y, residual, active && !d.relu)
}

func (d offering) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	if d.bias {
		b = nil
	}
	return then(d.Conv(y, x, w, b, s), func() error { return d.end(y, nil, true) })
}

// noted is what an offering remembers of a convolution and its pooling, for the tensor that it was to note it in.
var noted = map[*device.Tensor]struct{ y, pooled []float64 }{}

func (d offering) ConvReLUPool(pooled, chosen, x, w, b *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	if d.bias {
		b = nil
	}
	shape := must(s.Output(x.Shape, w.Shape, nil))
	return through(d.Device, shape, func(y *device.Tensor) error {
		err := then(d.Conv(y, x, w, b, s), func() error { return then(d.end(y, nil, true), func() error { return d.Pool(pooled, y, p) }) })
		if err != nil || chosen == nil {
			return err
		}
		was := noted[chosen]
		if was.y, err = y.Floats(); err == nil {
			was.pooled, err = pooled.Floats()
		}
		noted[chosen] = was
		return err
	})
}

func (d offering) ConvBackwardWeightsPooled(dw, x, dz, chosen *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	was := noted[chosen]
	delete(noted, chosen)
	shape := must(s.Output(x.Shape, dw.Shape, nil))
	return through(d.Device, shape, func(y *device.Tensor) error {
		return through(d.Device, dz.Shape, func(pooled *device.Tensor) error {
			return through(d.Device, shape, func(dy *device.Tensor) error {
				if d.winner {
					p.Kind = device.AveragePool
				}
				return then(d.Upload(y, was.y), func() error {
					return then(d.Upload(pooled, was.pooled), func() error {
						return then(d.PoolBackward(dy, dz, y, pooled, p), func() error { return d.ConvBackwardWeights(dw, x, dy, s) })
					})
				})
			})
		})
	})
}

func (d offering) LinearReLU(y, x, w, b *device.Tensor) error {
	if d.bias {
		b = nil
	}
	return then(d.Linear(y, x, w, b), func() error { return d.end(y, nil, true) })
}

func (d offering) BatchNormReLU(y, mean, invStd, runningMean, runningVar, x, residual, scale, shift *device.Tensor, s device.BatchNormSpec) error {
	return then(d.BatchNorm(y, mean, invStd, runningMean, runningVar, x, scale, shift, d.spec(s)), func() error { return d.end(y, residual, true) })
}

func (d offering) spec(s device.BatchNormSpec) device.BatchNormSpec {
	if d.epsilon {
		s.Epsilon *= 1000
	}
	return s
}

func (d offering) BatchNormReLUBackward(dx, dresidual, dscale, dshift, dy, x, y, scale, mean, invStd *device.Tensor) error {
	return through(d.Device, y.Shape, func(g *device.Tensor) error {
		if d.gate {
			y = dy
		}
		err := then(d.ActivateBackward(g, dy, y, y, relu), func() error { return d.BatchNormBackward(dx, dscale, dshift, g, x, scale, mean, invStd) })
		if dresidual == nil || err != nil {
			return err
		}
		if d.dresidual {
			g = dy
		}
		return d.Scale(dresidual, g, 1, 0)
	})
}

func (d offering) BatchNormReLUInfer(y, x, residual, scale, shift, mean, variance *device.Tensor, s device.BatchNormSpec) error {
	return then(d.BatchNormInfer(y, x, scale, shift, mean, variance, d.spec(s)), func() error { return d.end(y, residual, true) })
}

func (d offering) ConvBatchNorm(y, x, w, b, scale, shift, mean, variance, residual *device.Tensor, s device.ConvSpec, n device.BatchNormSpec, active bool) error {
	if d.bias {
		b = nil
	}
	if d.scale {
		scale = variance
	}
	return through(d.Device, y.Shape, func(convolved *device.Tensor) error {
		return then(d.Conv(convolved, x, w, b, s), func() error {
			return then(d.BatchNormInfer(y, convolved, scale, shift, mean, variance, d.spec(n)), func() error { return d.end(y, residual, active) })
		})
	})
}

func TestBugsOfFusedPrimitivesAreFound(t *testing.T) {
	conv, pooled, linear, norm, infer, folded := "conv2d_relu", "conv2d_relu_pool", "linear_relu", "batch_norm_relu", "batch_norm_relu_infer", "conv2d_batch_norm"
	for _, bug := range []struct {
		name   string
		device offering
		rows   []string // that find it
	}{
		{"none", offering{}, nil},
		{"residual forgotten", offering{residual: true}, []string{norm, infer, folded}},
		{"ReLU forgotten", offering{relu: true}, []string{conv, pooled, linear, norm, infer, folded}},
		{"bias forgotten", offering{bias: true}, []string{conv, pooled, linear, folded}},
		{"scale taken from the variance", offering{scale: true}, []string{folded}},
		{"another epsilon", offering{epsilon: true}, []string{norm, infer, folded}},
		{"gated by the gradient's own sign", offering{gate: true}, []string{norm}},
		{"gradient spread over the window", offering{winner: true}, []string{pooled}},
		{"gradient of the residual not gated", offering{dresidual: true}, []string{norm}},
	} {
		bug.device.Device = reference.New()
		var found []string
		for _, row := range fusedRows() {
			require.True(t, row.Offered(bug.device), row.Op)
			require.False(t, row.Offered(reference.New()), row.Op)
			wrong := false
			row.EachCase(func(c Case, seed uint64) { wrong = wrong || row.Check(bug.device, c, seed) != nil })
			if wrong {
				found = append(found, row.Op)
			}
		}
		require.Equal(t, bug.rows, found, bug.name)
	}
}

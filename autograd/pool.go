package autograd

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Pool takes the largest, smallest or mean element of each window, see device.Pooling.
func Pool(x *Value, s device.PoolSpec) *Value {
	op := s.Kind.String()
	t := begin(op, x).floats(op, x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	s = s.Normal()
	shape, err := s.Output(x.Shape())
	if err != nil {
		return t.Fail(err)
	}
	var y *Value
	y = t.apply(operation{name: op, operands: []*Value{x}, shape: shape,
		forward: func(y *device.Tensor) error { return t.dev.Pool(y, x.data, s) },
		backward: func(dy *device.Tensor) error {
			return t.beforeRectified(x, y, dy, s, func(dz *device.Tensor) error {
				if x.takesPooled(s) {
					x.pooled = &pooledGradient{dz: dz.Retain(), y: y.data.Retain(), spec: s}
					return nil
				}
				return t.give(x, func(dx *device.Tensor) error { return t.dev.PoolBackward(dx, dz, x.data, y.data, s) })
			})
		}})
	return y
}

// beforeRectified hands backward the gradient of y, the pooled x. Where x is the result of a ReLU that nobody else sees, the
// ReLU's slope is taken here, on the smaller maps: the gradient goes to the largest elements alone, and where those were
// positive is where y is.
func (t *Tape) beforeRectified(x, y *Value, dy *device.Tensor, s device.PoolSpec, backward func(dz *device.Tensor) error) error {
	if s.Kind != device.MaxPool || !x.rectified || x.readers > 1 || x.keep {
		return backward(dy)
	}
	x.masked = true
	return t.beforeReLU(y, dy, backward)
}

// pooledGradient is the gradient of a value that nobody but a pooling saw: PoolBackward of dz, y being the pooled value. A convolution's
// bias gets the sums of dz, which are the same, for each element of dz goes to one place.
type pooledGradient struct {
	dz, y *device.Tensor
	spec  device.PoolSpec
}

func (g *pooledGradient) release() {
	if g != nil {
		g.dz.Release()
		g.y.Release()
	}
}

// takesPooled says that x's gradient may stay as the pooling has it. If x is the result of a ReLU too then beforeRectified has taken the slope.
func (x *Value) takesPooled(s device.PoolSpec) bool {
	return x.convolved && (!x.rectified || x.masked) && s.Kind != device.AveragePool && x.readers == 1 && !x.keep
}

// GlobalPool reduces each map to one element: [N, C, H, W] to [N, C, 1, 1].
func GlobalPool(x *Value, kind device.PoolKind) *Value {
	s := device.PoolSpec{Kind: kind}
	if shape := x.Shape(); len(shape) == 4 {
		s.Window = [2]int{shape[2], shape[3]}
	}
	return Pool(x, s)
}

// AdaptiveAvgPool takes the mean of size[0] x size[1] windows that cover each map, whatever its size, see
// device.AdaptiveWindow. Windows that differ make it a matrix product, which every device has: each output place is a
// weighted sum of its map.
func AdaptiveAvgPool(x *Value, size [2]int) *Value {
	t := begin("adaptive_avg_pool2d", x)
	if t.err != nil {
		return t.Fail(t.err)
	}
	in := x.Shape()
	out, err := device.AdaptiveOutput(in, size)
	if err != nil {
		return t.Fail(err)
	}
	if device.EqualShape(in, out) {
		return x
	}
	if in[2]%size[0] == 0 && in[3]%size[1] == 0 {
		return Pool(x, device.PoolSpec{Kind: device.AveragePool, Window: [2]int{in[2] / size[0], in[3] / size[1]}})
	}
	maps := Reshape(x, in[0]*in[1], in[2]*in[3])
	windows := t.Input(adaptiveWindows([2]int{in[2], in[3]}, size))
	means := MatMul(maps, windows)
	y := Reshape(means, out...)
	for _, v := range []*Value{maps, windows, means} {
		t.Free(v)
	}
	return y
}

// adaptiveWindows has a column for each output place: 1/n for the n elements of a map in its window.
func adaptiveWindows(in, out [2]int) *tensor.Dense {
	elements := make([]float64, in[0]*in[1]*out[0]*out[1])
	for p := range out[0] {
		top, bottom := device.AdaptiveWindow(p, in[0], out[0])
		for q := range out[1] {
			left, right := device.AdaptiveWindow(q, in[1], out[1])
			for i := top; i < bottom; i++ {
				for j := left; j < right; j++ {
					elements[(i*in[1]+j)*out[0]*out[1]+p*out[1]+q] = 1 / float64((bottom-top)*(right-left))
				}
			}
		}
	}
	return tensor.New(tensor.WithShape(in[0]*in[1], out[0]*out[1]), tensor.WithBacking(elements))
}

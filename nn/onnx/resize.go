package onnx

import (
	"math"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

func init() {
	register("Resize", operator{attributes: "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value keep_aspect_ratio_policy mode nearest_mode", tape: resize})
	register("Upsample", operator{attributes: "mode scales", tape: upsample})
}

// upsample is what versions before 10 have for Resize.
func upsample(c *call) *autograd.Value {
	x := c.onTape(0)
	var scales []float64
	if c.given(1) {
		scales = c.reals(1)
	} else if a := c.attributes["scales"]; a != nil {
		for _, s := range a.Floats {
			scales = append(scales, float64(s))
		}
	}
	return c.resized(x, sampling{mode: c.text("mode", "nearest"), coordinates: "asymmetric", nearest: "floor"}, scales, nil)
}

// sampling is how a Resize finds its source.
type sampling struct {
	mode, coordinates, nearest string
}

func resize(c *call) *autograd.Value {
	x := c.onTape(0)
	s := sampling{mode: c.text("mode", "nearest"), coordinates: c.text("coordinate_transformation_mode", "half_pixel"),
		nearest: c.text("nearest_mode", "round_prefer_floor")}
	if c.int("antialias", 0) != 0 || c.int("exclude_outside", 0) != 0 {
		c.fail("antialias and exclude_outside are not read")
	}
	scaled, sized := 2, 3
	if c.opset < 11 {
		s.coordinates, s.nearest = "asymmetric", "floor"
		scaled, sized = 1, 2
	}
	if c.err != nil {
		return nil
	}
	rank := len(x.Shape())
	axes := c.ints("axes")
	seen := make([]bool, rank)
	for i := range axes {
		if axes[i] = c.axis(axes[i], rank); c.err != nil || seen[axes[i]] {
			c.fail("axes %v", c.ints("axes"))
			return nil
		}
		seen[axes[i]] = true
	}
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	// An empty vector stands for one that is left out.
	if c.given(sized) && c.opset >= 11 && len(c.integers(sized)) > 0 {
		return c.resized(x, s, nil, c.sizes(x.Shape(), axes, c.integers(sized)))
	}
	if !c.given(scaled) {
		c.fail("neither scales nor sizes")
		return nil
	}
	list := c.reals(scaled)
	if len(list) != len(axes) {
		c.fail("%d scales, expected %d", len(list), len(axes))
		return nil
	}
	scales := make([]float64, rank)
	for i := range scales {
		scales[i] = 1
	}
	for i, axis := range axes {
		scales[axis] = list[i]
	}
	return c.resized(x, s, scales, nil)
}

// sizes spreads those of some axes over all, and keeps the proportions where the policy says so.
func (c *call) sizes(shape tensor.Shape, axes, list []int) []int {
	if len(list) != len(axes) {
		c.fail("%d sizes, expected %d", len(list), len(axes))
		return nil
	}
	out := shape.Clone()
	policy := c.text("keep_aspect_ratio_policy", "stretch")
	scale := math.Inf(1)
	if policy == "not_smaller" {
		scale = 0
	}
	for i, axis := range axes {
		if shape[axis] < 1 || list[i] < 1 {
			c.fail("sizes %v of %v, expected at least 1", list, shape)
			return nil
		}
		out[axis] = list[i]
		ratio := float64(list[i]) / float64(shape[axis])
		if policy == "not_smaller" {
			scale = max(scale, ratio)
		} else {
			scale = min(scale, ratio)
		}
	}
	switch policy {
	case "stretch":
	case "not_larger", "not_smaller":
		for _, axis := range axes {
			out[axis] = int(math.Floor(scale*float64(shape[axis]) + 0.5))
		}
	default:
		c.fail("keep_aspect_ratio_policy %.40q is not known", policy)
	}
	return out
}

// maxResized bounds what resizing makes of a dimension.
const maxResized = 1 << 16

// resized computes each axis of which the size or the scale changes. Either scales or sizes are given.
func (c *call) resized(x *autograd.Value, s sampling, scales []float64, sizes []int) *autograd.Value {
	if c.err != nil {
		return nil
	}
	shape := x.Shape()
	if s.mode != "nearest" && s.mode != "linear" && s.mode != "bilinear" {
		c.fail("mode %.40q, expected nearest or linear", s.mode)
	}
	if sizes == nil {
		if len(scales) != len(shape) {
			c.fail("%d scales for %v", len(scales), shape)
			return nil
		}
		sizes = make([]int, len(shape))
		for i, v := range scales {
			if !(v > 0 && v*float64(shape[i]) < maxResized+1) {
				c.fail("scale %v of axis %d of %v, expected a result of 1 to %d", v, i, shape, maxResized)
				return nil
			}
			sizes[i] = int(math.Floor(float64(shape[i]) * v))
		}
	}
	for i, n := range sizes {
		if n < 1 || n > maxResized && n != shape[i] {
			c.fail("size %d of axis %d of %v, expected 1 to %d", n, i, shape, maxResized)
			return nil
		}
	}
	if y := c.device(x, s, scales, sizes); y != nil || c.err != nil {
		return y
	}
	y := x
	for axis, n := range sizes {
		scale := float64(n) / float64(shape[axis])
		if scales != nil {
			scale = scales[axis]
		}
		if n == shape[axis] && scale == 1 {
			continue
		}
		at := make([]float64, n)
		for p := range at {
			at[p] = c.source(s.coordinates, float64(p), scale, float64(shape[axis]), float64(n))
		}
		if c.err != nil {
			return nil
		}
		if s.mode == "nearest" {
			y = c.then(y, x, c.take(y, axis, c.nearest(s.nearest, at, shape[axis])))
		} else {
			y = c.then(y, x, c.interpolated(y, axis, at))
		}
	}
	return y
}

// device computes what the devices' own up-sampling is, nil for anything else.
func (c *call) device(x *autograd.Value, s sampling, scales []float64, sizes []int) *autograd.Value {
	shape := x.Shape()
	if len(shape) != 4 || sizes[0] != shape[0] || sizes[1] != shape[1] {
		return nil
	}
	whole := true
	for i := 2; i < 4; i++ {
		if scales != nil && scales[i] != float64(sizes[i])/float64(shape[i]) {
			return nil
		}
		whole = whole && sizes[i]%shape[i] == 0
	}
	to := [2]int{sizes[2], sizes[3]}
	switch {
	case s.mode == "nearest" && s.coordinates == "asymmetric" && s.nearest == "floor" && whole:
		return autograd.Upsample(x, to, device.UpsampleSpec{})
	case s.mode == "nearest":
		return nil
	case s.coordinates == "half_pixel":
		return autograd.Upsample(x, to, device.UpsampleSpec{Bilinear: true})
	case s.coordinates == "align_corners":
		return autograd.Upsample(x, to, device.UpsampleSpec{Bilinear: true, AlignCorners: true})
	}
	return nil
}

// source is where output place p of n reads in an axis of in elements. With align_corners the length of the result is what
// the scale makes of it before it is rounded, as in the tests of the specification.
func (c *call) source(coordinates string, p, scale, in, n float64) float64 {
	switch coordinates {
	case "half_pixel":
		return (p+0.5)/scale - 0.5
	case "half_pixel_symmetric":
		// The middle of what is there stays in the middle, though n was rounded.
		adjusted := n / (scale * in)
		return in/2*(1-adjusted) + (p+0.5)/scale - 0.5
	case "pytorch_half_pixel":
		if n <= 1 {
			return 0
		}
		return (p+0.5)/scale - 0.5
	case "align_corners":
		if n <= 1 {
			return 0
		}
		return p * (in - 1) / (scale*in - 1)
	case "asymmetric":
		return p / scale
	}
	c.fail("coordinate_transformation_mode %.40q is not read", coordinates)
	return 0
}

// nearest rounds places as the mode says.
func (c *call) nearest(mode string, at []float64, in int) []int {
	index := make([]int, len(at))
	for i, v := range at {
		switch mode {
		case "round_prefer_floor":
			v = math.Ceil(v - 0.5)
		case "round_prefer_ceil":
			v = math.Floor(v + 0.5)
		case "floor":
			v = math.Floor(v)
		case "ceil":
			v = math.Ceil(v)
		default:
			c.fail("nearest_mode %.40q is not known", mode)
		}
		index[i] = int(min(max(v, 0), float64(in-1)))
	}
	return index
}

// interpolated takes each element of an axis between two neighbours. It is a convolution of one element with the axis as
// its channels: the matrix has two numbers in each row.
func (c *call) interpolated(x *autograd.Value, axis int, at []float64) *autograd.Value {
	shape := x.Shape()
	in := shape[axis]
	if len(at)*in > maxHost {
		c.fail("from %d elements to %d", in, len(at))
		return nil
	}
	matrix := &array{shape: []int{len(at), in, 1, 1}, floats: make([]float32, len(at)*in)}
	for i, v := range at {
		v = min(max(v, 0), float64(in-1))
		low := int(v)
		high := min(low+1, in-1)
		matrix.floats[i*in+low] += float32(1 - (v - float64(low)))
		matrix.floats[i*in+high] += float32(v - float64(low))
	}
	columns := c.reshape(x, []int{product(shape[:axis]), in, 1, product(shape[axis+1:])})
	y := autograd.Conv2D(columns, c.run.constant(c.tape, matrix), nil, device.ConvSpec{})
	to := shape.Clone()
	to[axis] = len(at)
	return c.reshape(y, to)
}

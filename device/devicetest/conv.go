package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func convRows() []Row {
	spec := func(change func(s *device.ConvSpec)) device.ConvSpec {
		s := device.ConvSpec{}.Normal()
		change(&s)
		return s
	}
	stride := func(v, h int) device.ConvSpec { return spec(func(s *device.ConvSpec) { s.Stride = [2]int{v, h} }) }
	padded := func(n int) device.ConvSpec { return spec(func(s *device.ConvSpec) { s.Padding = device.Pad(n) }) }
	groups := func(n int) device.ConvSpec {
		return spec(func(s *device.ConvSpec) { s.Groups, s.Padding = n, device.Pad(1) })
	}
	dilated := func(v, h, padding int) device.ConvSpec {
		return spec(func(s *device.ConvSpec) { s.Dilation, s.Padding = [2]int{v, h}, device.Pad(padding) })
	}
	unit := padded(0)
	out := func(x, w, b shape, s device.ConvSpec) error { return refuse(s.Output(x, w, b)) }
	back := func(x, w, b shape, s device.ConvSpec, vertical, horizontal int) error {
		return refuse(s.TransposedOutput(x, w, b, [2]int{vertical, horizontal}))
	}
	x, w := shape{2, 4, 5, 5}, shape{6, 4, 3, 3}
	return []Row{{
		Op: "conv2d",
		Cases: []Case{
			convCase("batch 1, one channel", shape{1, 1, 5, 5}, shape{1, 1, 3, 3}, true, unit),
			convCase("no bias", shape{2, 3, 5, 5}, shape{4, 3, 3, 3}, false, unit),
			convCase("same padding", shape{2, 3, 6, 7}, shape{5, 3, 3, 3}, true, padded(1)),
			convCase("1x1", shape{2, 13, 7, 5}, shape{17, 13, 1, 1}, true, unit),
			convCase("1x1 on one pixel", shape{3, 5, 1, 1}, shape{4, 5, 1, 1}, true, unit),
			convCase("1x1 with padding", shape{1, 3, 4, 4}, shape{2, 3, 1, 1}, true, padded(1)),
			convCase("1x1 with stride", shape{2, 15, 5, 6}, shape{7, 15, 1, 1}, false, stride(2, 2)),
			convCase("window as large as the image", shape{3, 2, 4, 5}, shape{6, 2, 4, 5}, true, unit),
			convCase("stride 2, last row unused", shape{2, 3, 6, 8}, shape{4, 3, 3, 3}, true, stride(2, 2)),
			convCase("stride larger than the window", shape{2, 3, 8, 9}, shape{3, 3, 2, 2}, true, stride(3, 4)),
			convCase("stride differs by axis", shape{1, 2, 7, 7}, shape{3, 2, 3, 2}, true, stride(1, 3)),
			convCase("padding larger than useful", shape{1, 2, 3, 3}, shape{3, 2, 3, 3}, true, padded(4)),
			convCase("padding larger than useful with stride", shape{1, 2, 3, 4}, shape{3, 2, 2, 2}, true,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(5), [2]int{3, 2} })),
			convCase("padding differs by side", shape{2, 3, 5, 6}, shape{4, 3, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Top: 0, Bottom: 2, Left: 1, Right: 3} })),
			convCase("padding on the other sides", shape{2, 3, 5, 6}, shape{4, 3, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Top: 2, Bottom: 0, Left: 3, Right: 1} })),
			convCase("1x7", shape{1, 3, 5, 9}, shape{4, 3, 1, 7}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Left: 3, Right: 3} })),
			convCase("7x1", shape{1, 3, 9, 5}, shape{4, 3, 7, 1}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Top: 3, Bottom: 3} })),
			convCase("dilation 2", shape{2, 3, 9, 8}, shape{4, 3, 3, 3}, true, dilated(2, 2, 2)),
			convCase("dilation differs by axis", shape{1, 2, 9, 9}, shape{3, 2, 2, 3}, true, dilated(3, 1, 0)),
			convCase("dilation with stride", shape{1, 2, 11, 11}, shape{3, 2, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Dilation, s.Stride = [2]int{2, 3}, [2]int{2, 2} })),
			convCase("groups 2", shape{2, 6, 5, 5}, shape{4, 3, 3, 3}, true, groups(2)),
			convCase("groups 3 of 1x1", shape{2, 9, 4, 4}, shape{6, 3, 1, 1}, true,
				spec(func(s *device.ConvSpec) { s.Groups = 3 })),
			convCase("depthwise", shape{2, 13, 6, 6}, shape{13, 1, 3, 3}, true, groups(13)),
			convCase("depthwise, two maps for each channel", shape{1, 5, 6, 6}, shape{10, 1, 3, 3}, false, groups(5)),
			convCase("11x11 with stride 4, as AlexNet's first", shape{1, 3, 35, 35}, shape{8, 3, 11, 11}, true, stride(4, 4)),
			convCase("31 to 33 channels, 5x5", shape{1, 31, 7, 7}, shape{33, 31, 5, 5}, true, padded(1)),
			convCase("33x17 pixels", shape{1, 2, 33, 17}, shape{15, 2, 3, 3}, true, padded(1)),
			convCase("many weights", shape{2, 64, 5, 5}, shape{64, 64, 3, 3}, false, unit),
			convCase("many images", shape{19, 2, 5, 5}, shape{3, 2, 3, 3}, true, padded(1)),
			convCase("no images", shape{0, 3, 5, 5}, shape{4, 3, 3, 3}, true, unit),
			convCase("no channels", shape{2, 0, 5, 5}, shape{4, 0, 3, 3}, true, unit),
			convNaN(unit),
		},
		Draw: func(src *philox.Source) Case {
			s := device.ConvSpec{Stride: [2]int{between(src, 1, 3), between(src, 1, 3)},
				Dilation: [2]int{between(src, 1, 2), between(src, 1, 2)},
				Padding:  device.Padding{Top: src.Intn(4), Bottom: src.Intn(4), Left: src.Intn(4), Right: src.Intn(4)},
				Groups:   pick(src, 1, 1, 2, 3)}
			w := shape{s.Groups * between(src, 1, 17), between(src, 1, 9), between(src, 1, 5), between(src, 1, 5)}
			x := shape{between(src, 1, 3), s.Groups * w[1], s.Dilation[0]*(w[2]-1) + between(src, 1, 9), s.Dilation[1]*(w[3]-1) + between(src, 1, 9)}
			return convCase(fmt.Sprintf("random %+v", s), x, w, src.Intn(2) == 0, s)
		},
		Errors: []Refusal{
			{"input of rank 3", out(shape{4, 5, 5}, w, nil, unit)},
			{"weights of rank 2", out(x, shape{6, 4}, nil, unit)},
			{"wrong channels", out(shape{2, 3, 5, 5}, w, nil, unit)},
			{"channels that forget the groups", out(x, w, nil, groups(2))},
			{"maps that groups do not divide", out(shape{2, 8, 5, 5}, shape{5, 4, 3, 3}, nil, groups(2))},
			{"bias of wrong length", out(x, w, shape{5}, unit)},
			{"bias of rank 2", out(x, w, shape{1, 6}, unit)},
			{"window higher than the image", out(shape{2, 4, 2, 5}, w, nil, unit)},
			{"window wider than the padded image", out(shape{2, 4, 5, 1}, shape{6, 4, 3, 4}, nil, padded(1))},
			{"window too large when dilated", out(x, w, nil, dilated(3, 1, 0))},
			{"window of nothing", out(x, shape{6, 4, 0, 3}, nil, unit)},
			{"stride below 1", out(x, w, nil, stride(1, -1))},
			{"dilation below 1", out(x, w, nil, dilated(-1, 1, 0))},
			{"padding below 0", out(x, w, nil, padded(-1))},
			{"groups below 1", out(x, w, nil, groups(-1))},
		},
	}, {
		Op: "conv_transpose2d",
		Cases: []Case{
			transposedCase("batch 1, one channel", shape{1, 1, 3, 3}, shape{1, 1, 3, 3}, unit, 0, 0),
			transposedCase("doubling", shape{2, 5, 4, 3}, shape{5, 3, 2, 2}, stride(2, 2), 0, 0),
			transposedCase("output padding", shape{2, 5, 4, 3}, shape{5, 3, 3, 3}, stride(2, 3), 1, 2),
			transposedCase("padding", shape{1, 4, 5, 5}, shape{4, 3, 4, 4}, spec(func(s *device.ConvSpec) { s.Stride, s.Padding = [2]int{2, 2}, device.Pad(1) }), 0, 0),
			transposedCase("groups", shape{2, 6, 4, 4}, shape{6, 2, 3, 3}, groups(3), 0, 0),
			transposedCase("dilated, output padding beyond the stride", shape{1, 3, 4, 4}, shape{3, 2, 3, 3}, dilated(2, 2, 0), 1, 0),
			transposedCase("no images", shape{0, 3, 4, 4}, shape{3, 2, 3, 3}, stride(2, 2), 0, 0),
			transposedCase("31 to 17 maps", shape{1, 31, 7, 5}, shape{31, 17, 3, 3}, stride(2, 2), 0, 0),
		},
		Errors: []Refusal{
			{"input of rank 3", back(shape{6, 5, 5}, w, nil, unit, 0, 0)},
			{"weights of rank 3", back(shape{2, 6, 5, 5}, shape{6, 3, 3}, nil, unit, 0, 0)},
			{"wrong channels", back(x, w, nil, unit, 0, 0)},
			{"channels that groups do not divide", back(shape{2, 6, 5, 5}, w, nil, groups(4), 0, 0)},
			{"bias as for the input", back(shape{2, 6, 5, 5}, w, shape{6}, unit, 0, 0)},
			{"output padding below 0", back(shape{2, 6, 5, 5}, w, nil, stride(2, 2), -1, 0)},
			{"output padding as large as the stride", back(shape{2, 6, 5, 5}, w, nil, stride(2, 2), 0, 2)},
			{"no output", back(shape{2, 6, 1, 1}, shape{6, 4, 2, 2}, nil, padded(1), 0, 0)},
		},
	}, {
		Op: "rotate180",
		Cases: []Case{
			rotateCase(shape{1, 1, 1, 1}), rotateCase(shape{2, 3, 3, 3}), rotateCase(shape{3, 2, 2, 5}),
			rotateCase(shape{4, 1}), rotateCase(shape{0, 3, 3, 3}), rotateCase(shape{33, 31, 5, 5}),
		},
		Errors: []Refusal{{"rank 1", device.CheckRotate(shape{3})}},
	}}
}

// convCase is a convolution and both its gradients.
func convCase(name string, x, w shape, bias bool, s device.ConvSpec) Case {
	y := must(s.Output(x, w, nil))
	c := Case{Name: name, Operands: []Operand{in("x", x, usual), in("w", w, usual), out("y", y), in("dy", y, usual),
		out("dx", x), out("dw", w)}}
	if bias {
		c.Operands = append(c.Operands, in("b", shape{w[0]}, usual))
	}
	c.Calls = []Call{
		{Method: "Conv", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
			return d.Conv(t["y"], t["x"], t["w"], t["b"], s)
		}},
		{Method: "ConvBackwardData", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
			return d.ConvBackwardData(t["dx"], t["dy"], t["w"], s)
		}},
		{Method: "ConvBackwardWeights", Writes: []string{"dw"}, Do: func(d device.Device, t Tensors) error {
			return d.ConvBackwardWeights(t["dw"], t["x"], t["dy"], s)
		}},
	}
	return c
}

// transposedCase is a transposed convolution and its gradients: the same three calls with x and y exchanged.
func transposedCase(name string, x, w shape, s device.ConvSpec, vertical, horizontal int) Case {
	y := must(s.TransposedOutput(x, w, nil, [2]int{vertical, horizontal}))
	return Case{Name: name, Operands: []Operand{in("x", x, usual), in("w", w, usual), out("y", y), in("dy", y, usual), out("dx", x), out("dw", w)},
		Calls: []Call{
			{Method: "ConvBackwardData", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
				return d.ConvBackwardData(t["y"], t["x"], t["w"], s)
			}},
			{Method: "Conv", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
				return d.Conv(t["dx"], t["dy"], t["w"], nil, s)
			}},
			{Method: "ConvBackwardWeights", Writes: []string{"dw"}, Do: func(d device.Device, t Tensors) error {
				return d.ConvBackwardWeights(t["dw"], t["dy"], t["x"], s)
			}},
		}}
}

// convNaN has NaN and infinities in some pixels.
func convNaN(s device.ConvSpec) Case {
	c := convCase("NaN and infinities in the image", shape{2, 2, 9, 9}, shape{3, 2, 3, 3}, true, s)
	c.Operands[0].Draw = strewn(usual, nan, inf, -inf)
	for i := range c.Calls {
		c.Calls[i].Tolerance = Tolerance{Spread: true, Why: "a transform (Winograd, FFT) mixes the pixels of a tile"}
	}
	c.Kink = "infinite values have no differences"
	return c
}

func rotateCase(w shape) Case {
	return Case{Name: fmt.Sprint(w), Operands: []Operand{in("w", w, specials), out("y", w)}, Calls: []Call{
		{Method: "Rotate180", Writes: []string{"y"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
			return d.Rotate180(t["y"], t["w"])
		}},
	}}
}

// moved is the tolerance of operations that only move or choose elements.
var moved = Tolerance{Exact: true, Why: "elements are moved, not computed"}

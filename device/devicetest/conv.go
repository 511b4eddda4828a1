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
			convNaN("NaN and infinities in the image", shape{2, 2, 9, 9}, shape{3, 2, 3, 3}, unit),
			convNaN("NaN and infinities in wide maps", shape{2, 16, 9, 9}, shape{32, 16, 3, 3}, padded(1)),
			convNaN("NaN and infinities in wide maps, 1x1", shape{1, 17, 5, 7}, shape{15, 17, 1, 1}, unit),
			convNaN("NaN and infinities in wide maps, stride 2", shape{1, 32, 9, 8}, shape{16, 32, 3, 3}, stride(2, 2)),
			denormalConv("denormal numbers", shape{1, 16, 5, 5}, shape{16, 16, 3, 3}, padded(1)),
			convCase("16 to 16 maps, 14 wide", shape{1, 16, 14, 14}, shape{16, 16, 3, 3}, true, padded(1)),
			convCase("16 to 16 maps, 3 images", shape{3, 16, 7, 7}, shape{16, 16, 3, 3}, false, padded(1)),
			convCase("8 to 8 maps, 28 wide", shape{1, 8, 13, 28}, shape{8, 8, 3, 3}, true, padded(1)),
			convCase("64 to 64 maps, 4x4", shape{2, 64, 4, 4}, shape{64, 64, 3, 3}, false, padded(1)),
			convCase("15 to 33 maps, 27 wide", shape{1, 15, 3, 27}, shape{33, 15, 3, 3}, true, padded(1)),
			convCase("17 to 15 maps, stride 2", shape{1, 17, 13, 15}, shape{15, 17, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(1), [2]int{2, 2} })),
			convCase("32 to 48 maps, 1x1", shape{2, 32, 7, 13}, shape{48, 32, 1, 1}, true, unit),
			convCase("128 to 16 maps, 1x1", shape{1, 128, 3, 5}, shape{16, 128, 1, 1}, false, unit),
			convCase("16 to 128 maps, 1x1", shape{1, 16, 3, 5}, shape{128, 16, 1, 1}, true, unit),
			convCase("48 to 17 maps, 1x1, stride 2", shape{1, 48, 15, 9}, shape{17, 48, 1, 1}, true, stride(2, 2)),
			convCase("16 to 32 maps, 1x1, padding", shape{1, 16, 3, 4}, shape{32, 16, 1, 1}, true, padded(1)),
			convCase("16 to 33 maps, 2x2, stride 2", shape{1, 16, 6, 28}, shape{33, 16, 2, 2}, true, stride(2, 2)),
			convCase("15 to 16 maps, 5x5", shape{1, 15, 9, 13}, shape{16, 15, 5, 5}, true, padded(2)),
			convCase("16 to 8 maps, 7x7, stride 2", shape{1, 16, 13, 14}, shape{8, 16, 7, 7}, false,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(3), [2]int{2, 2} })),
			convCase("32 to 16 maps, 1x7", shape{1, 32, 3, 15}, shape{16, 32, 1, 7}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Left: 3, Right: 3} })),
			convCase("picture to 16 maps, 11x11, stride 4", shape{1, 3, 27, 31}, shape{16, 3, 11, 11}, true,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(2), [2]int{4, 4} })),
			convCase("picture to 17 maps, 7x7, stride 2", shape{1, 3, 15, 28}, shape{17, 3, 7, 7}, false,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(3), [2]int{2, 2} })),
			convCase("picture to 32 maps, 3x3", shape{2, 3, 6, 15}, shape{32, 3, 3, 3}, true, padded(1)),
			convCase("one map to 32, 5x5", shape{2, 1, 6, 28}, shape{32, 1, 5, 5}, true, unit),
			convCase("one map to 16, 5x3, padding larger than useful", shape{2, 1, 3, 4}, shape{16, 1, 5, 3}, true, padded(6)),
			convCase("two maps to 16, 5x3, padding", shape{2, 2, 7, 4}, shape{16, 2, 5, 3}, true, padded(2)),
			convCase("32 maps to one", shape{2, 32, 5, 6}, shape{1, 32, 3, 3}, true, padded(1)),
			convCase("16 maps, stride larger than the window", shape{1, 16, 9, 13}, shape{16, 16, 2, 2}, true, stride(4, 3)),
			convCase("16 maps, stride differs by axis", shape{1, 16, 7, 15}, shape{16, 16, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(1), [2]int{2, 1} })),
			convCase("16 maps of odd width, stride 2 across", shape{1, 16, 4, 5}, shape{16, 16, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding, s.Stride = device.Pad(1), [2]int{1, 2} })),
			convCase("16 maps, padding larger than useful", shape{1, 16, 3, 3}, shape{16, 16, 3, 3}, true, padded(4)),
			convCase("16 to 17 maps, padding differs by side", shape{2, 16, 5, 6}, shape{17, 16, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Padding = device.Padding{Top: 0, Bottom: 2, Left: 1, Right: 3} })),
			convCase("16 maps of 1x2", shape{2, 16, 1, 2}, shape{16, 16, 3, 3}, true, padded(1)),
			convCase("16 maps of 2x1", shape{2, 16, 2, 1}, shape{32, 16, 3, 3}, true, padded(1)),
			convCase("16 maps to one pixel", shape{3, 16, 3, 5}, shape{32, 16, 3, 5}, true, unit),
			convCase("16 maps from one pixel", shape{3, 32, 1, 1}, shape{16, 32, 3, 3}, true, padded(2)),
			convCase("16 maps, dilation 2", shape{1, 16, 9, 9}, shape{16, 16, 3, 3}, true, dilated(2, 2, 2)),
			convCase("17 maps, dilation differs by axis", shape{1, 17, 9, 7}, shape{16, 17, 2, 3}, true, dilated(3, 1, 1)),
			convCase("groups of 16 to 16 maps", shape{2, 32, 5, 6}, shape{32, 16, 3, 3}, true, groups(2)),
			convCase("groups of 16 to 32 maps, stride 2", shape{1, 48, 7, 7}, shape{96, 16, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Groups, s.Padding, s.Stride = 3, device.Pad(1), [2]int{2, 2} })),
			convCase("groups of 12 to 8 maps", shape{2, 24, 5, 6}, shape{16, 12, 3, 3}, true, groups(2)),
			convCase("depthwise, 32 maps", shape{2, 32, 7, 9}, shape{32, 1, 3, 3}, true, groups(32)),
			convCase("depthwise, 17 maps, stride 2", shape{2, 17, 7, 9}, shape{17, 1, 3, 3}, true,
				spec(func(s *device.ConvSpec) { s.Groups, s.Padding, s.Stride = 17, device.Pad(1), [2]int{2, 2} })),
			convCase("no images of 16 maps", shape{0, 16, 5, 5}, shape{16, 16, 3, 3}, true, unit),
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			x, w, s := geometryOver(src, x)
			return convCase(fmt.Sprintf("wide, random %+v", s), x, w, src.Intn(2) == 0, s)
		}),
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
			transposedCase("32 to 16 maps, doubling", shape{2, 32, 4, 7}, shape{32, 16, 2, 2}, stride(2, 2), 0, 0),
			transposedCase("16 to 17 maps, output padding", shape{1, 16, 5, 5}, shape{16, 17, 3, 3}, spec(func(s *device.ConvSpec) { s.Stride, s.Padding = [2]int{2, 2}, device.Pad(1) }), 1, 1),
			transposedCase("16 to 3 maps", shape{2, 16, 5, 7}, shape{16, 3, 4, 4}, spec(func(s *device.ConvSpec) { s.Stride, s.Padding = [2]int{2, 2}, device.Pad(1) }), 0, 0),
		},
		Over: over(4, transposedOver),
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
		Over:   over(2, func(_ *philox.Source, x shape) Case { return rotateCase(x) }),
		Errors: []Refusal{{"rank 1", device.CheckRotate(shape{3})}},
	}}
}

// convCase is a convolution and both its gradients.
func convCase(name string, x, w shape, bias bool, s device.ConvSpec) Case {
	y := must(s.Output(x, w, nil))
	c := Case{Name: name, Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", y), in("dy", y, usual),
		out("dx", x), kept(out("dw", w))}}
	if bias {
		c.Operands = append(c.Operands, kept(in("b", shape{w[0]}, usual)))
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
	return Case{Name: name, Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", y), in("dy", y, usual), out("dx", x), kept(out("dw", w))},
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

// geometryOver draws a convolution of maps x, or of the first of them, that is not too much for the reference.
func geometryOver(src *philox.Source, x shape) (maps, w shape, s device.ConvSpec) {
	window := pick(src, [2]int{1, 1}, [2]int{1, 1}, [2]int{2, 2}, [2]int{3, 3}, [2]int{3, 3}, [2]int{3, 3}, [2]int{5, 5}, [2]int{1, 3}, [2]int{7, 1})
	s = device.ConvSpec{Stride: pick(src, [2]int{1, 1}, [2]int{1, 1}, [2]int{2, 2}, [2]int{between(src, 1, 4), between(src, 1, 4)}),
		Dilation: pick(src, [2]int{1, 1}, [2]int{1, 1}, [2]int{between(src, 1, 3), between(src, 1, 3)}), Groups: pick(src, 1, 1, 1, divisor(src, x[1], 2))}
	side := func(window int) int { return src.Intn(window/2 + 2) }
	s.Padding = device.Padding{Top: side(window[0]), Bottom: side(window[0]), Left: side(window[1]), Right: side(window[1])}
	for axis, padding := range [2]int{s.Padding.Top + s.Padding.Bottom, s.Padding.Left + s.Padding.Right} {
		if s.Dilation[axis]*(window[axis]-1) >= x[2+axis]+padding {
			s.Dilation[axis], window[axis] = 1, min(window[axis], x[2+axis]+padding)
		}
	}
	w = shape{s.Groups * manyChannels(src), x[1] / s.Groups, window[0], window[1]}
	most := max(1<<19, 64*device.Size(x))
	if src.Intn(40) == 0 {
		most = 1 << 25 // so many that algorithms are worth measuring
	}
	maps = x.Clone()
	products := func() int { return device.Size(must(s.Output(maps, w, nil))) * device.Size(w[1:]) }
	for w[0]%(2*s.Groups) == 0 && products() > most {
		w[0] /= 2
	}
	for maps[0] > 1 && products() > most {
		maps[0]--
	}
	return maps, w, s
}

// transposedOver draws a transposed convolution of maps x.
func transposedOver(src *philox.Source, x shape) Case {
	s := device.ConvSpec{Stride: pick(src, [2]int{1, 1}, [2]int{2, 2}, [2]int{between(src, 1, 3), between(src, 1, 3)}), Groups: pick(src, 1, 1, divisor(src, x[1], 2))}.Normal()
	window := pick(src, [2]int{1, 1}, [2]int{2, 2}, [2]int{3, 3}, [2]int{3, 3}, [2]int{4, 3})
	if min(x[2], x[3]) > 1 {
		s.Padding = device.Padding{Top: src.Intn(window[0]), Bottom: src.Intn(window[0]), Left: src.Intn(window[1]), Right: src.Intn(window[1])}
	}
	w := shape{x[1], pick(src, 3, manyChannels(src)), window[0], window[1]}
	vertical, horizontal := src.Intn(s.Stride[0]), src.Intn(s.Stride[1])
	if _, err := s.TransposedOutput(x, w, nil, [2]int{vertical, horizontal}); err != nil || device.Size(x)*device.Size(w[1:]) > max(1<<20, 32*device.Size(x)) {
		return Case{}
	}
	return transposedCase(fmt.Sprintf("wide, random %+v, output padding %d %d", s, vertical, horizontal), x, w, s, vertical, horizontal)
}

// denormalConv has products that are denormal numbers, which must not be taken for 0.
func denormalConv(name string, x, w shape, s device.ConvSpec) Case {
	c := convCase(name, x, w, false, s)
	for _, i := range []int{0, 3} { // x and dy
		c.Operands[i].Draw = uniform(tiny, 20*tiny)
	}
	for i := range c.Calls {
		c.Calls[i].Tolerance = Tolerance{Relative: 1e-3, Why: "denormal numbers have few digits"}
	}
	c.Kink = "numbers far below the step of finite differences"
	return c
}

// convNaN has NaN and infinities in some pixels.
func convNaN(name string, x, w shape, s device.ConvSpec) Case {
	c := convCase(name, x, w, true, s)
	c.Operands[0].Draw = strewn(usual, nan, inf, -inf)
	for i := range c.Calls {
		c.Calls[i].Tolerance = Tolerance{Spread: true, Why: "a transform (Winograd, FFT) mixes the pixels of a tile"}
	}
	c.Kink = "infinite values have no differences"
	return c
}

func rotateCase(w shape) Case {
	return Case{Name: fmt.Sprint(w), Operands: []Operand{kept(in("w", w, specials)), kept(out("y", w))}, Calls: []Call{
		{Method: "Rotate180", Writes: []string{"y"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
			return d.Rotate180(t["y"], t["w"])
		}},
	}}
}

// moved is the tolerance of operations that only move or choose elements.
var moved = Tolerance{Exact: true, Why: "elements are moved, not computed"}

package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func activationRows() []Row {
	var rows []Row
	for _, s := range []device.ActivationSpec{{Kind: device.Identity}, {Kind: device.Step}, {Kind: device.Sigmoid}, {Kind: device.Tanh},
		{Kind: device.ReLU}, {Kind: device.LeakyReLU, Alpha: 0.1}, {Kind: device.ELU, Alpha: 0.7}} {
		rows = append(rows, activateRow(s))
	}
	maxout := func(x shape, pieces int) error { return refuse(device.MaxoutOutput(x, pieces)) }
	given := func(name string, draw Draw, x shape, pieces int) Case {
		c := maxoutCase(name, draw, x, pieces)
		c.Kink = "equal or infinite elements"
		return c
	}
	return append(rows, Row{
		Op: "maxout",
		Cases: []Case{
			maxoutCase("one piece", distinct, shape{2, 3, 4, 4}, 1),
			maxoutCase("rank 2", distinct, shape{5, 6}, 2),
			maxoutCase("all channels", distinct, shape{2, 5, 3, 3}, 5),
			maxoutCase("33 to 11 maps of 15x17", distinct, shape{3, 33, 15, 17}, 3),
			maxoutCase("no images", distinct, shape{0, 4, 3, 3}, 2),
			given("ties", ties, shape{2, 6, 5, 5}, 3),
			given("NaN and infinities", specials, shape{2, 6, 5, 5}, 3),
			given("every other element NaN", patchy, shape{3, 10, 5, 5}, 5),
			given("nothing but NaN", constant(nan), shape{2, 4}, 2),
			given("nothing but -Inf", constant(-inf), shape{2, 4}, 2),
			maxoutCase("32 to 16 maps", distinct, shape{2, 32, 5, 3}, 2),
			maxoutCase("34 to 17 maps", distinct, shape{1, 34, 3, 3}, 2),
			given("NaN and infinities in wide maps", specials, shape{2, 48, 3, 5}, 3),
		},
		Over: over(2, func(src *philox.Source, x shape) Case {
			pieces := divisor(src, x[1], 2, 3)
			return maxoutCase(fmt.Sprintf("wide, random, %d pieces", pieces), distinct, x, pieces)
		}),
		Draw: func(src *philox.Source) Case {
			pieces := between(src, 1, 5)
			return maxoutCase(fmt.Sprintf("random, %d pieces", pieces), distinct, shape{between(src, 1, 4), pieces * between(src, 1, 9), between(src, 1, 7), between(src, 1, 7)}, pieces)
		},
		Errors: []Refusal{
			{"rank 1", maxout(shape{4}, 2)}, {"no pieces", maxout(shape{2, 4}, 0)}, {"channels that the pieces do not divide", maxout(shape{2, 5}, 2)},
		},
	}, softmaxRow("softmax", false), softmaxRow("log_softmax", true), Row{
		Op: "dropout",
		Cases: []Case{
			dropoutCase(shape{}, 0.5, philox.Stream{}),
			dropoutCase(shape{1, 5}, 0.5, philox.Stream{Seed: 1, ID: 2}),
			dropoutCase(shape{2, 3, 7, 9}, 0.2, philox.Stream{Seed: 3, ID: 5}),
			dropoutCase(shape{2, 3, 7, 9}, 0, philox.Stream{Seed: 3, ID: 5}),
			dropoutCase(shape{30, 40}, 0.99, philox.Stream{Seed: 7}),
			dropoutCase(shape{13, 31}, 0.5, philox.Stream{Seed: 1<<63 | 1<<33 | 5, ID: 1<<62 | 1<<32 | 7}),
			dropoutCase(shape{0, 3}, 0.5, philox.Stream{}),
			dropoutCase(shape{20001}, 0.3, philox.Stream{Seed: 11, ID: 13}),
			dropoutCase(shape{2, 17, 5, 7}, 0.5, philox.Stream{Seed: 3, ID: 5}),
			dropoutCase(shape{3, 16, 1, 2}, 0.3, philox.Stream{Seed: 1<<63 | 5, ID: 1<<62 | 7}),
			dropoutCase(shape{1, 32, 12, 12}, 0.2, philox.Stream{Seed: 3, ID: 5}),
		},
		Over: func(src *philox.Source, x shape) Case {
			return dropoutCase(x, src.Float64(), philox.Stream{Seed: uint64(src.Uint32()) << 20, ID: uint64(src.Uint32()) << 20})
		},
		Draw: func(src *philox.Source) Case {
			return dropoutCase(shape{between(src, 1, 99)}, src.Float64(), philox.Stream{Seed: uint64(src.Uint32()) << 20, ID: uint64(src.Uint32()) << 20})
		},
	})
}

func activateRow(s device.ActivationSpec) Row {
	given := func(name string, x shape, draw Draw) Case {
		return activateCase(fmt.Sprint(x), x, s).with("x", name, draw, "zeros, infinite elements")
	}
	small, many := shape{2, 3, 5, 5}, shape{2, 17, 3, 5}
	row := Row{
		Op: s.Kind.String(),
		Cases: []Case{
			activateCase("one element", shape{1, 1}, s),
			activateCase("scalar", shape{}, s),
			activateCase("odd size", shape{3, 5, 7, 3}, s),
			activateCase("no elements", shape{0, 4}, s),
			activateCase("many elements", shape{3, 33, 15, 17}, s),
			given("NaN, infinities, denormal numbers, zeros", small, specials),
			given("large numbers", small, uniform(-200, 200)),
			given("nothing but NaN", small, constant(nan)),
			given("zeros", small, constant(0)),
			given("NaN, infinities, denormal numbers, zeros", many, specials),
			given("large numbers", many, uniform(-200, 200)),
		},
		Over: func(_ *philox.Source, x shape) Case { return activateCase("wide, random", x, s) },
		Draw: func(src *philox.Source) Case {
			return activateCase("random", shape{between(src, 1, 9), between(src, 1, 33), between(src, 1, 9)}, s)
		},
	}
	if s.Kind != device.ELU { // whose slope below is 0 or not as y is rounded
		row.Cases = append(row.Cases, given("specials", many, specials).with("dy", "specials", strewn(usual, inf, nan, -inf, 0, nan, tiny, -tiny), "infinite elements"))
	}
	return row
}

func activateCase(name string, x shape, s device.ActivationSpec) Case {
	var forward, backward Tolerance
	switch s.Kind {
	case device.Identity, device.Step, device.ReLU:
		forward, backward = moved, moved
	case device.LeakyReLU:
		forward.Mask, backward.Mask = true, true
		forward.Why, backward.Why = "a slope loses no element", "a slope loses no element"
	}
	return Case{Name: name, Operands: []Operand{in("x", x, apart), out("y", x), in("dy", x, usual), out("dx", x)}, Calls: []Call{
		{Method: "Activate", Writes: []string{"y"}, InPlace: [][2]string{{"y", "x"}}, Tolerance: forward, Do: func(d device.Device, t Tensors) error {
			return d.Activate(t["y"], t["x"], s)
		}},
		{Method: "ActivateBackward", Writes: []string{"dx"}, InPlace: [][2]string{{"dx", "dy"}}, Tolerance: backward, Do: func(d device.Device, t Tensors) error {
			return d.ActivateBackward(t["dx"], t["dy"], t["x"], t["y"], s)
		}},
	}}
}

func maxoutCase(name string, draw Draw, x shape, pieces int) Case {
	y := must(device.MaxoutOutput(x, pieces))
	return Case{Name: name, Operands: []Operand{in("x", x, draw), out("y", y), in("dy", y, usual), out("dx", x)}, Calls: []Call{
		{Method: "Maxout", Writes: []string{"y"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
			return d.Maxout(t["y"], t["x"], pieces)
		}},
		{Method: "MaxoutBackward", Writes: []string{"dx"}, Tolerance: moved, Do: func(d device.Device, t Tensors) error {
			return d.MaxoutBackward(t["dx"], t["dy"], t["x"], t["y"], pieces)
		}},
	}}
}

func softmaxRow(op string, logarithm bool) Row {
	given := func(name string, draw Draw, x shape) Case {
		c := softmaxCase(name, x, logarithm)
		c.Operands[0].Draw = draw
		c.Kink = "values too far apart for finite differences"
		return c
	}
	return Row{
		Op: op,
		Cases: []Case{
			softmaxCase("batch 1, two classes", shape{1, 2}, logarithm),
			softmaxCase("one class", shape{3, 1}, logarithm),
			softmaxCase("13 of 10 classes", shape{13, 10}, logarithm),
			softmaxCase("1000 classes", shape{3, 1000}, logarithm),
			softmaxCase("every pixel", shape{2, 5, 3, 4}, logarithm),
			softmaxCase("33 maps of 15x17", shape{1, 33, 15, 17}, logarithm),
			softmaxCase("no images", shape{0, 10}, logarithm),
			given("large logits", uniform(-1e4, 1e4), shape{7, 9}),
			given("equal logits", constant(1e4), shape{3, 7}),
			given("NaN in one sample", strewn(usual, nan), shape{3, 5}),
			given("a class without chance", strewn(usual, -inf), shape{3, 5}),
			given("+Inf in one sample", strewn(usual, inf), shape{3, 5}),
			given("NaN in one pixel of wide maps", strewn(usual, nan), shape{2, 17, 3, 3}),
		},
		Over: over(2, func(_ *philox.Source, x shape) Case { return softmaxCase("wide, random", x, logarithm) }),
		Draw: func(src *philox.Source) Case {
			return softmaxCase("random", shape{between(src, 1, 9), between(src, 1, 33), between(src, 1, 5), between(src, 1, 5)}[:between(src, 2, 4)], logarithm)
		},
		Errors: []Refusal{{"rank 1", device.CheckSoftmax(shape{3})}, {"no classes", device.CheckSoftmax(shape{2, 0})}},
	}
}

func softmaxCase(name string, x shape, logarithm bool) Case {
	return Case{Name: name, Operands: []Operand{in("x", x, usual), out("y", x), in("dy", x, usual), out("dx", x)}, Calls: []Call{
		{Method: "Softmax", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
			return d.Softmax(t["y"], t["x"], logarithm)
		}},
		{Method: "SoftmaxBackward", Writes: []string{"dx"}, Tolerance: Tolerance{Absolute: 1e-5, Why: "with one class, or one that is certain, dx is nothing but rounding errors"}, Do: func(d device.Device, t Tensors) error {
			return d.SoftmaxBackward(t["dx"], t["dy"], t["y"], logarithm)
		}},
	}}
}

func dropoutCase(x shape, rate float64, stream philox.Stream) Case {
	mask := Tolerance{Mask: true, Why: "the random numbers are the same on every device"}
	return Case{Name: fmt.Sprintf("%v, rate %.4g, stream %+v", x, rate, stream),
		Operands: []Operand{in("x", x, apart), out("y", x), in("dy", x, apart), out("dx", x)}, Calls: []Call{
			{Method: "Dropout", Writes: []string{"y"}, Tolerance: mask, Do: func(d device.Device, t Tensors) error {
				return d.Dropout(t["y"], t["x"], rate, stream)
			}},
			{Method: "Dropout", Writes: []string{"dx"}, Tolerance: mask, Do: func(d device.Device, t Tensors) error {
				return d.Dropout(t["dx"], t["dy"], rate, stream)
			}},
		}}
}

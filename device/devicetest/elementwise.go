package devicetest

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
)

func elementwiseRows() []Row {
	var fills []Case
	for _, v := range []float64{0, 1.5, 0.1, -1e-40, 1e300, inf, nan} {
		fills = append(fills, fillCase(shape{3, 5, 7}, v))
	}
	rows := []Row{{
		Op:    "fill",
		Cases: append(fills, fillCase(shape{}, 2), fillCase(shape{0, 3}, 2), fillCase(shape{20001}, 3), fillCase(shape{2, 17, 3, 5}, nan), fillCase(shape{1, 16, 2, 1}, 0.1)),
		Over:  func(src *philox.Source, x shape) Case { return fillCase(x, src.Normal(0, 1)) },
	}}
	for _, op := range []device.BinaryKind{device.Add, device.Sub, device.Mul, device.Div} {
		rows = append(rows, binaryRow(op))
	}
	scaleNaN := scaleCase(shape{3, 5}, 2, 1)
	scaleNaN.Name, scaleNaN.Operands[0].Draw = "NaN, infinities, zeros", specials
	wrongAxes := func(axes ...int) error { return refuse(withOnes(device.ReduceShape("sum", shape{2, 3}, axes, false))) }
	return append(rows, Row{
		Op: "scale",
		Cases: []Case{
			scaleCase(shape{3, 5}, 2, 0), scaleCase(shape{3, 5}, 1, 0), scaleCase(shape{3, 5}, -0.5, 3), scaleCase(shape{3, 5}, 1, 0.25),
			scaleCase(shape{3, 5}, 0, 7), scaleCase(shape{}, 2, 1), scaleCase(shape{0, 2}, 2, 1), scaleCase(shape{3, 33, 15, 17}, 0.1, -0.2), scaleNaN,
			scaleCase(shape{2, 17, 3, 5}, 2, 1).with("x", "specials", specials, "infinite elements"),
		},
		Draw: func(src *philox.Source) Case {
			return scaleCase(shape{between(src, 1, 33), between(src, 1, 33)}, src.Normal(0, 1), src.Normal(0, 1))
		},
		Over: func(src *philox.Source, x shape) Case { return scaleCase(x, src.Normal(0, 1), src.Normal(0, 1)) },
	}, Row{
		Op: "reduce_sum",
		Cases: []Case{
			reduceCase(shape{2, 3, 4, 5}, 1, 0), reduceCase(shape{2, 3, 4, 5}, 1, 1), reduceCase(shape{2, 3, 4, 5}, 1, 3),
			reduceCase(shape{2, 3, 4, 5}, 0.5, 0, 2), reduceCase(shape{2, 3, 4, 5}, 2, 1, 3), reduceCase(shape{2, 3, 4, 5}, -1, 0, 2, 3),
			reduceCase(shape{2, 3, 4, 5}, 1.0/120, 0, 1, 2, 3), reduceCase(shape{2, 3}, 3), reduceCase(shape{}, 2),
			reduceCase(shape{2, 1, 3}, 1, 1), reduceCase(shape{1, 1, 1}, 1, 0, 1, 2), reduceCase(shape{0, 3}, 1, 0), reduceCase(shape{3, 0}, 1, 0),
			reduceCase(shape{3, 0}, 1, 1), reduceCase(shape{20001}, 1, 0), reduceCase(shape{3, 7000}, 1, 1), reduceCase(shape{7000, 3}, 1, 0),
			reduceCase(shape{17, 13, 15, 1, 2}, 1, 1, 4), reduceCase(shape{1, 5, 1, 7}, 1, 3),
			reduceCase(shape{2, 17, 5, 7}, 1, 2, 3), reduceCase(shape{2, 16, 5, 7}, 0.5, 0, 2, 3), reduceCase(shape{2, 32, 3, 5}, 1, 1),
			reduceCase(shape{2, 17, 3, 5}, 1, 0, 1, 2, 3), reduceCase(shape{3, 16, 1, 2}, 1, 0),
		},
		Over: over(4, func(src *philox.Source, x shape) Case {
			return reduceCase(x, src.Uniform(0.5, 2), pick(src, []int{0}, []int{1}, []int{2}, []int{1, 3}, []int{2, 3}, []int{0, 1}, []int{0, 2, 3})...)
		}),
		Draw: func(src *philox.Source) Case {
			x := shape{between(src, 1, 5), between(src, 1, 17), between(src, 1, 9), between(src, 1, 9)}[:between(src, 1, 4)]
			var axes []int
			for a := range x {
				if src.Intn(2) == 0 {
					axes = append(axes, a)
				}
			}
			return reduceCase(x, src.Uniform(0.5, 2), axes...)
		},
		Errors: []Refusal{
			{"axis below 0", wrongAxes(-1)}, {"axis beyond the rank", wrongAxes(2)}, {"axis twice", wrongAxes(1, 1)},
		},
	})
}

// withOnes is a rule's shape that keeps the axes.
func withOnes(s, _ tensor.Shape, err error) (tensor.Shape, error) { return s, err }

func fillCase(s shape, v float64) Case {
	return Case{Name: fmt.Sprintf("%v with %v", s, v), Operands: []Operand{out("y", s)}, Calls: []Call{
		{Method: "Fill", Writes: []string{"y"}, Tolerance: Tolerance{Exact: true, Why: "one rounding"}, Do: func(d device.Device, t Tensors) error {
			return d.Fill(t["y"], v)
		}},
	}}
}

func binaryRow(op device.BinaryKind) Row {
	given := func(name string, drawA, drawB Draw) Case {
		c := binaryCase(op, shape{3, 7}, shape{3, 7})
		c.Name, c.Operands[0].Draw, c.Operands[1].Draw = name, drawA, drawB
		return c
	}
	return Row{
		Op: op.String(),
		Cases: []Case{
			binaryCase(op, shape{2, 3, 4, 5}, shape{2, 3, 4, 5}),
			binaryCase(op, shape{}, shape{}),
			binaryCase(op, shape{7}, shape{1}),
			binaryCase(op, shape{1}, shape{7}),
			binaryCase(op, shape{2, 3, 4, 5}, shape{1, 3, 1, 1}),
			binaryCase(op, shape{1, 3, 1, 1}, shape{2, 3, 4, 5}),
			binaryCase(op, shape{2, 3, 4, 5}, shape{2, 1, 4, 1}),
			binaryCase(op, shape{2, 1, 4, 1}, shape{1, 3, 1, 5}),
			binaryCase(op, shape{1, 1, 1, 1}, shape{2, 3, 1, 5}),
			binaryCase(op, shape{3, 1}, shape{3, 5}),
			binaryCase(op, shape{2, 1, 3, 1, 2}, shape{1, 4, 3, 5, 1}),
			binaryCase(op, shape{0, 3}, shape{1, 3}),
			binaryCase(op, shape{3, 0}, shape{3, 1}),
			binaryCase(op, shape{3, 33, 15, 17}, shape{3, 33, 15, 17}),
			binaryCase(op, shape{3, 33, 15, 17}, shape{1, 33, 1, 1}),
			given("NaN, infinities, denormal numbers, zeros", specials, apart),
			given("zeros and infinities on the right", strewn(apart, 0, inf, nan), strewn(apart, 0, inf, 0)),
			given("too large for float32", constant(huge), strewn(constant(huge), 0.5, -huge)),
			twiceCase(op),
			binaryCase(op, shape{2, 17, 3, 5}, shape{2, 17, 3, 5}),
			binaryCase(op, shape{2, 32, 3, 5}, shape{1, 32, 1, 1}),
			binaryCase(op, shape{2, 16, 3, 5}, shape{2, 16, 1, 1}),
			binaryCase(op, shape{2, 1, 3, 5}, shape{2, 17, 3, 5}),
			binaryCase(op, shape{2, 17, 3, 5}, shape{1, 1, 1, 1}),
			binaryCase(op, shape{2, 17, 3, 5}, shape{2, 17, 3, 5}).with("a", "specials", specials, "infinite elements").with("b", "specials", strewn(apart, 0, inf, nan, 0, minus0), "infinite elements"),
		},
		Over: func(src *philox.Source, x shape) Case {
			a, b := x, x.Clone()
			if len(b) == 4 {
				b[0], b[1] = pick(src, b[0], b[0], 1), pick(src, b[1], b[1], b[1], 1)
				if src.Intn(3) == 0 {
					b[2], b[3] = 1, 1
				}
			}
			if src.Intn(2) == 0 {
				a, b = b, a
			}
			return binaryCase(op, a, b)
		},
		Draw: func(src *philox.Source) Case {
			a, b := shape{}, shape{}
			for range between(src, 1, 5) {
				n := between(src, 1, 9)
				a, b = append(a, pick(src, n, n, 1)), append(b, pick(src, n, n, 1))
			}
			return binaryCase(op, a, b)
		},
		Errors: []Refusal{
			{"ranks that differ", refuse(device.BroadcastShape(op.String(), shape{2, 3}, shape{3}))},
			{"sizes that differ", refuse(device.BroadcastShape(op.String(), shape{2, 3}, shape{2, 4}))},
			{"nothing against two", refuse(device.BroadcastShape(op.String(), shape{0, 3}, shape{2, 3}))},
			{"element by element, shapes that broadcast", device.SameShape(op.String(), shape{2, 3}, shape{1, 3})},
			{"element by element, ranks that differ", device.SameShape(op.String(), shape{2}, shape{2, 1})},
		},
	}
}

func binaryCase(op device.BinaryKind, a, b shape) Case {
	y := must(device.BroadcastShape(op.String(), a, b))
	call := Call{Method: "Binary", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
		return d.Binary(t["y"], t["a"], t["b"], op)
	}}
	if device.EqualShape(y, a) {
		call.InPlace = append(call.InPlace, [2]string{"y", "a"})
	}
	if device.EqualShape(y, b) {
		call.InPlace = append(call.InPlace, [2]string{"y", "b"})
	}
	return Case{Name: fmt.Sprintf("%v and %v", a, b), Operands: []Operand{in("a", a, apart), in("b", b, apart), out("y", y)}, Calls: []Call{call}}
}

// twiceCase gives the same tensor as both operands.
func twiceCase(op device.BinaryKind) Case {
	x := shape{3, 5}
	return Case{Name: "an operand with itself", Operands: []Operand{in("x", x, apart), out("y", x)}, Calls: []Call{
		{Method: "Binary", Writes: []string{"y"}, InPlace: [][2]string{{"y", "x"}}, Do: func(d device.Device, t Tensors) error {
			return d.Binary(t["y"], t["x"], t["x"], op)
		}},
	}}
}

func scaleCase(x shape, factor, offset float64) Case {
	return Case{Name: fmt.Sprintf("%v by %.3g plus %.3g", x, factor, offset), Operands: []Operand{in("x", x, usual), out("y", x)}, Calls: []Call{
		{Method: "Scale", Writes: []string{"y"}, InPlace: [][2]string{{"y", "x"}}, Do: func(d device.Device, t Tensors) error {
			return d.Scale(t["y"], t["x"], factor, offset)
		}},
	}}
}

// reduceCase sums over axes; its gradient stretches again.
func reduceCase(x shape, factor float64, axes ...int) Case {
	y := must(withOnes(device.ReduceShape("sum", x, axes, true)))
	return Case{Name: fmt.Sprintf("%v over %v by %.3g", x, axes, factor),
		Operands: []Operand{in("x", x, lopsided), out("y", y), in("dy", y, usual), out("dx", x)}, Calls: []Call{
			{Method: "ReduceSum", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
				return d.ReduceSum(t["y"], t["x"], factor)
			}},
			{Method: "Broadcast", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
				return d.Broadcast(t["dx"], t["dy"], factor)
			}},
		}}
}

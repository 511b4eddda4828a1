package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func lossRows() []Row {
	given := func(name string, draw Draw, x shape) Case {
		c := crossEntropyCase(name, x)
		c.Operands[0].Draw = draw
		c.Kink = "values too far apart for finite differences"
		return c
	}
	labels := func(x, y shape) error { return device.CheckLabels("cross_entropy", x, y) }
	counted := func(name string, draw Draw, x shape) Case {
		c := countCase(name, x)
		c.Operands[1].Draw = draw
		return c
	}
	rows := []Row{{
		Op: "cross_entropy",
		Cases: []Case{
			crossEntropyCase("batch 1, two classes", shape{1, 2}),
			crossEntropyCase("13 of 10 classes", shape{13, 10}),
			crossEntropyCase("1000 classes", shape{5, 1000}),
			crossEntropyCase("every pixel", shape{2, 5, 3, 4}),
			crossEntropyCase("33 maps of 15x17", shape{1, 33, 15, 17}),
			given("large logits", uniform(-1e4, 1e4), shape{7, 9}),
			given("equal logits", constant(-1e4), shape{3, 7}),
			given("NaN in one sample", strewn(usual, nan), shape{3, 5}),
			given("a class without chance", strewn(usual, -inf), shape{3, 5}),
		},
		Over: over(2, func(_ *philox.Source, x shape) Case { return crossEntropyCase("wide, random", x) }),
		Draw: func(src *philox.Source) Case {
			return crossEntropyCase("random", shape{between(src, 1, 17), between(src, 2, 33), between(src, 1, 5), between(src, 1, 5)}[:between(src, 2, 4)])
		},
		Errors: []Refusal{
			{"logits of rank 1", labels(shape{3}, shape{3})}, {"labels of rank 2", labels(shape{3, 5}, shape{3, 1})},
			{"another number of labels", labels(shape{3, 5}, shape{4})}, {"labels without places", labels(shape{3, 5, 2, 2}, shape{3})},
			{"no classes", labels(shape{3, 0}, shape{3})}, {"no samples", labels(shape{0, 5}, shape{0})},
		},
	}, {
		Op: "count_correct",
		Cases: []Case{
			countCase("batch 1, two classes", shape{1, 2}), countCase("one class", shape{3, 1}), countCase("13 of 10 classes", shape{13, 10}),
			countCase("every pixel", shape{2, 5, 3, 4}), countCase("33 maps of 17x15", shape{2, 33, 17, 15}),
			counted("ties", ties, shape{40, 3}), counted("all equal", constant(2), shape{9, 3}), counted("NaN and infinities", specials, shape{30, 3}),
			counted("every other element NaN", patchy, shape{40, 5}), counted("nothing but NaN", constant(nan), shape{9, 2}), counted("nothing but -Inf", constant(-inf), shape{9, 2}),
			counted("every other element of wide maps NaN", patchy, shape{2, 17, 3, 3}),
		},
		Over: over(2, func(_ *philox.Source, x shape) Case { return countCase("wide, random", x) }),
		Draw: func(src *philox.Source) Case {
			return countCase("random", shape{between(src, 1, 33), between(src, 1, 5)})
		},
		Errors: []Refusal{{"another number of labels", device.CheckLabels("count_correct", shape{3, 5}, shape{2})}},
	}}
	for _, kind := range []device.ElementLossKind{device.SquaredError, device.Logistic, device.Hinge} {
		rows = append(rows, elementLossRow(kind))
	}
	return rows
}

func places(x shape) shape { return append(shape{x[0]}, x[2:]...) }

func crossEntropyCase(name string, x shape) Case {
	return Case{Name: name, Operands: []Operand{in("x", x, usual), {Name: "labels", Shape: places(x), Draw: labelled(x[1]), Labels: true},
		out("loss", shape{}), in("dloss", shape{}, constant(0.7)), out("dx", x)}, Calls: []Call{
		{Method: "CrossEntropy", Writes: []string{"loss"}, Do: func(d device.Device, t Tensors) error {
			return d.CrossEntropy(t["loss"], t["x"], t["labels"])
		}},
		{Method: "CrossEntropyBackward", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
			return d.CrossEntropyBackward(t["dx"], t["dloss"], t["x"], t["labels"])
		}},
	}}
}

// countCase counts on from 5, twice.
func countCase(name string, x shape) Case {
	count := Call{Method: "CountCorrect", Writes: []string{"count"}, Tolerance: Tolerance{Exact: true, Why: "small integers"}, Do: func(d device.Device, t Tensors) error {
		return d.CountCorrect(t["count"], t["x"], t["labels"])
	}}
	return Case{Name: name, Operands: []Operand{of("count", in("count", shape{}, constant(5))), in("x", x, usual),
		{Name: "labels", Shape: places(x), Draw: labelled(x[1]), Labels: true}}, Calls: []Call{count, count}}
}

func elementLossRow(kind device.ElementLossKind) Row {
	large := elementLossCase("large", shape{4, 9}, kind)
	large.Operands[0].Draw = uniform(-200, 200)
	large.Kink = "values too far apart for finite differences"
	withNaN := elementLossCase("NaN", shape{4, 9}, kind)
	withNaN.Operands[0].Draw = strewn(usual, nan)
	withNaN.Kink = "NaN has no differences"
	return Row{
		Op: kind.String(),
		Cases: []Case{
			elementLossCase("one element", shape{1, 1}, kind), elementLossCase("scalar", shape{}, kind), elementLossCase("odd size", shape{13, 7}, kind),
			elementLossCase("rank 4", shape{2, 3, 4, 5}, kind), elementLossCase("many elements", shape{33, 17, 31}, kind), large, withNaN,
		},
		Draw: func(src *philox.Source) Case {
			return elementLossCase("random", shape{between(src, 1, 33), between(src, 1, 9)}, kind)
		},
		Over:   func(_ *philox.Source, x shape) Case { return elementLossCase("wide, random", x, kind) },
		Errors: []Refusal{{"shapes that differ", device.SameShape(kind.String(), shape{3, 1}, shape{3})}},
	}
}

func elementLossCase(name string, x shape, kind device.ElementLossKind) Case {
	target := map[device.ElementLossKind]Draw{device.SquaredError: usual, device.Logistic: uniform(0, 1), device.Hinge: signs}[kind]
	return Case{Name: fmt.Sprintf("%s %v", name, x), Operands: []Operand{in("x", x, gauss(0, 2)), of("target of "+kind.String(), in("target", x, target)),
		out("loss", shape{}), in("dloss", shape{}, constant(-1.3)), out("dx", x)}, Calls: []Call{
		{Method: "ElementLoss", Writes: []string{"loss"}, Do: func(d device.Device, t Tensors) error {
			return d.ElementLoss(t["loss"], t["x"], t["target"], kind)
		}},
		{Method: "ElementLossBackward", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
			return d.ElementLossBackward(t["dx"], t["dloss"], t["x"], t["target"], kind)
		}},
	}}
}

package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func linearRows() []Row {
	linear := func(x, w, b shape) error { return refuse(device.LinearOutput(x, w, b)) }
	matmul := func(a, b shape, ta, tb bool) error { return refuse(device.MatMulOutput(a, b, ta, tb)) }
	products := []Case{matmulCase(1, 1, 1, false, false), matmulCase(5, 0, 3, false, false), matmulCase(0, 3, 2, false, true)}
	for _, size := range [][3]int{{13, 15, 17}, {33, 31, 1}, {1, 33, 31}, {17, 300, 33}, {5, 7, 70}, {16, 16, 16}} {
		for _, transposed := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
			products = append(products, matmulCase(size[0], size[1], size[2], transposed[0], transposed[1]))
		}
	}
	return []Row{{
		Op: "linear",
		Cases: []Case{
			linearCase(1, 1, 1, true), linearCase(1, 33, 10, true), linearCase(13, 31, 17, true), linearCase(32, 15, 33, false),
			linearCase(7, 600, 15, true), linearCase(2, 3, 1, true), linearCase(70, 2, 3, true), linearCase(3, 17, 100, false),
			linearCase(0, 4, 3, true), linearCase(4, 0, 3, true), linearCase(4, 0, 3, false),
		},
		Draw: func(src *philox.Source) Case {
			return linearCase(between(src, 1, 40), between(src, 1, 70), between(src, 1, 70), src.Intn(2) == 0)
		},
		Over: overRows(func(src *philox.Source, x shape) Case {
			return linearCase(x[0], x[1], manyChannels(src), src.Intn(2) == 0)
		}),
		Errors: []Refusal{
			{"input of rank 4", linear(shape{2, 3, 1, 1}, shape{4, 3}, nil)},
			{"weights of rank 1", linear(shape{2, 3}, shape{3}, nil)},
			{"wrong number of features", linear(shape{2, 3}, shape{3, 4}, nil)},
			{"bias of wrong length", linear(shape{2, 3}, shape{4, 3}, shape{3})},
			{"bias of rank 2", linear(shape{2, 3}, shape{4, 3}, shape{4, 1})},
		},
	}, {
		Op:    "matmul",
		Cases: products,
		Draw: func(src *philox.Source) Case {
			return matmulCase(between(src, 1, 70), between(src, 1, 70), between(src, 1, 70), src.Intn(2) == 0, src.Intn(2) == 0)
		},
		Over: overRows(func(src *philox.Source, x shape) Case {
			m, k := x[0], x[1]
			transposed := src.Intn(2) == 0
			if transposed {
				m, k = k, m
			}
			return matmulCase(m, k, manyChannels(src), transposed, src.Intn(2) == 0)
		}),
		Errors: []Refusal{
			{"rank 1", matmul(shape{3}, shape{3, 2}, false, false)},
			{"rank 3", matmul(shape{2, 3}, shape{1, 3, 2}, false, false)},
			{"inner sizes that differ", matmul(shape{2, 3}, shape{2, 3}, false, false)},
			{"inner sizes that differ, left transposed", matmul(shape{2, 3}, shape{3, 2}, true, false)},
			{"inner sizes that differ, right transposed", matmul(shape{2, 3}, shape{3, 2}, false, true)},
			{"inner sizes that differ, both transposed", matmul(shape{2, 3}, shape{2, 3}, true, true)},
		},
	}, {
		Op: "add_bias",
		Cases: []Case{
			biasCase(shape{1, 1}), biasCase(shape{5, 3}), biasCase(shape{2, 3, 4, 5}), biasCase(shape{2, 13, 7}),
			biasCase(shape{0, 3, 4, 4}), biasCase(shape{2, 3, 0, 4}), biasCase(shape{3, 33, 15, 17}),
		},
		Over: over(2, func(_ *philox.Source, x shape) Case { return biasCase(x) }),
		Draw: func(src *philox.Source) Case {
			return biasCase(shape{between(src, 1, 5), between(src, 1, 33), between(src, 1, 9), between(src, 1, 9)}[:between(src, 2, 4)])
		},
	}}
}

// linearCase is a fully connected layer and its gradients, which are the matrix products dy w and dy' x and a sum.
func linearCase(batch, features, outputs int, bias bool) Case {
	x, w, b := shape{batch, features}, shape{outputs, features}, shape{outputs}
	y := must(device.LinearOutput(x, w, b))
	c := Case{Name: fmt.Sprintf("%d of %d to %d, bias %t", batch, features, outputs, bias),
		Operands: []Operand{in("x", x, usual), kept(in("w", w, usual)), out("y", y), in("dy", y, lopsided), out("dx", x), kept(out("dw", w))},
		Calls: []Call{
			{Method: "Linear", Writes: []string{"y"}, Do: func(d device.Device, t Tensors) error {
				return d.Linear(t["y"], t["x"], t["w"], t["b"])
			}},
			{Method: "MatMul", Writes: []string{"dx"}, Do: func(d device.Device, t Tensors) error {
				return d.MatMul(t["dx"], t["dy"], t["w"], false, false)
			}},
			{Method: "MatMul", Writes: []string{"dw"}, Do: func(d device.Device, t Tensors) error {
				return d.MatMul(t["dw"], t["dy"], t["x"], true, false)
			}},
		}}
	if bias {
		c.Operands = append(c.Operands, kept(in("b", b, usual)), kept(out("db", b)))
		c.Calls = append(c.Calls, Call{Method: "SumChannels", Writes: []string{"db"}, Do: func(d device.Device, t Tensors) error {
			return d.SumChannels(t["db"], t["dy"])
		}})
	}
	return c
}

// matmulCase multiplies [m, k] and [k, n].
func matmulCase(m, k, n int, transposeA, transposeB bool) Case {
	a, b := shape{m, k}, shape{k, n}
	if transposeA {
		a = shape{k, m}
	}
	if transposeB {
		b = shape{n, k}
	}
	c := must(device.MatMulOutput(a, b, transposeA, transposeB))
	return Case{Name: fmt.Sprintf("%d x %d x %d, transposed %t %t", m, k, n, transposeA, transposeB),
		Operands: []Operand{in("a", a, usual), in("b", b, usual), out("c", c)},
		Calls: []Call{{Method: "MatMul", Writes: []string{"c"}, Do: func(d device.Device, t Tensors) error {
			return d.MatMul(t["c"], t["a"], t["b"], transposeA, transposeB)
		}}},
	}
}

func biasCase(x shape) Case {
	b := shape{x[1]}
	return Case{Name: fmt.Sprint(x), Operands: []Operand{in("x", x, usual), kept(in("b", b, usual)), out("y", x), in("dy", x, lopsided), kept(out("db", b))},
		Calls: []Call{
			{Method: "AddBias", Writes: []string{"y"}, InPlace: [][2]string{{"y", "x"}}, Do: func(d device.Device, t Tensors) error {
				return d.AddBias(t["y"], t["x"], t["b"])
			}},
			{Method: "SumChannels", Writes: []string{"db"}, Do: func(d device.Device, t Tensors) error {
				return d.SumChannels(t["db"], t["dy"])
			}},
		}}
}

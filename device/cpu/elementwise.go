package cpu

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	out := floats(y)
	d.elements(len(out), func(from, to int) { fill(out[from:to], float32(value)) })
	return nil
}

// Binary implements device.Elementwise: row by row along the last axis, in which a or b may stand still.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	if blocked(y, a, b) && !alike(y, a, b) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Binary(t[0], t[1], t[2], op) }, y, a, b)
	}
	left, right, out := floats(a), floats(b), floats(y)
	if device.EqualShape(a.Shape, b.Shape) {
		d.elements(len(out), func(from, to int) { binary(out[from:to], left[from:to], right[from:to], op) })
		return nil
	}
	width := y.Shape[len(y.Shape)-1]
	rowsA, rowsB := newStretch(y.Shape, a.Shape), newStretch(y.Shape, b.Shape)
	d.divide(len(out)/max(width, 1), width, func(_, from, to int) {
		for row := from; row < to; row++ {
			binary(out[row*width:][:width], rowsA.row(left, row), rowsB.row(right, row), op)
		}
	})
	return nil
}

// binary computes one row; an operand of one element stands for a row of equal ones.
func binary(y, a, b []float32, op device.BinaryKind) {
	switch {
	case len(a) == len(y) && len(b) == len(y):
		switch op {
		case device.Add:
			for i := range y {
				y[i] = a[i] + b[i]
			}
		case device.Sub:
			for i := range y {
				y[i] = a[i] - b[i]
			}
		case device.Mul:
			for i := range y {
				y[i] = a[i] * b[i]
			}
		case device.Div:
			for i := range y {
				y[i] = a[i] / b[i]
			}
		}
	case len(y) > 0:
		for i := range y {
			u, v := a[i%len(a)], b[i%len(b)]
			switch op {
			case device.Add:
				y[i] = u + v
			case device.Sub:
				y[i] = u - v
			case device.Mul:
				y[i] = u * v
			case device.Div:
				y[i] = u / v
			}
		}
	}
}

// stretch finds the rows (of the last axis) of a small array that the rows of a large one correspond to.
type stretch struct {
	large tensor.Shape
	steps []int // elements of the small array per step of the large one's axes; 0 where it stands still
	width int
}

func newStretch(large, small tensor.Shape) stretch {
	s := stretch{large: large, steps: make([]int, len(large)), width: 1}
	step := 1
	for axis := len(large) - 1; axis >= 0; axis-- {
		if small[axis] != 1 {
			s.steps[axis] = step
		}
		step *= small[axis]
	}
	if last := len(small) - 1; last >= 0 {
		s.width = small[last]
	}
	return s
}

// offset is where row number row of the large array starts in the small one.
func (s stretch) offset(row int) int {
	at := 0
	for axis := len(s.large) - 2; axis >= 0; axis-- {
		at += row % s.large[axis] * s.steps[axis]
		row /= s.large[axis]
	}
	return at
}

func (s stretch) row(small []float32, row int) []float32 { return small[s.offset(row):][:s.width] }

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	if !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Scale(t[0], t[1], factor, offset) }, y, x)
	}
	in, out := floats(x), floats(y)
	f, o := float32(factor), float32(offset)
	d.elements(len(in), func(from, to int) {
		if f == 1 && o == 0 {
			copy(out[from:to], in[from:to])
			return
		}
		part := out[from:to]
		for i, v := range in[from:to] {
			part[i] = f*v + o
		}
	})
	return nil
}

// sumPart is how many elements of one sum are added before the next partial sum begins.
const sumPart = 1 << 13

// ReduceSum implements device.Elementwise. Each sum is cut into parts of fixed size, added in float64, and those in order.
func (d *Device) ReduceSum(y, x *device.Tensor, factor float64) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ReduceSum(t[0], t[1], factor) }, y, x)
	}
	in, out := floats(x), floats(y)
	// Seen from y, x is an array of the kept axes, and at each of its places one of the reduced axes.
	var kept, reduced axes
	step := 1
	for axis := len(x.Shape) - 1; axis >= 0; axis-- {
		if y.Shape[axis] == x.Shape[axis] {
			kept.prepend(x.Shape[axis], step)
		} else {
			reduced.prepend(x.Shape[axis], step)
		}
		step *= x.Shape[axis]
	}
	terms := reduced.size()
	parts := max(1, (terms+sumPart-1)/sumPart)
	sums := d.partial(len(out) * parts)
	d.divide(len(sums), min(terms, sumPart), func(_, from, to int) {
		for i := from; i < to; i++ {
			first := i % parts * sumPart
			sums[i] = reduced.sum(in, kept.offset(i/parts), first, min(first+sumPart, terms))
		}
	})
	for i := range out {
		sum := 0.0
		for _, part := range sums[i*parts : (i+1)*parts] {
			sum += part
		}
		out[i] = float32(factor * sum)
	}
	return nil
}

// axes are some axes of an array: how many elements each has, and how far apart they lie.
type axes struct{ counts, steps []int }

// prepend adds an axis on the left, merged with its neighbour where the two run through memory as one.
func (a *axes) prepend(count, step int) {
	if len(a.counts) > 0 && a.counts[0]*a.steps[0] == step {
		a.counts[0] *= count
		return
	}
	a.counts, a.steps = append([]int{count}, a.counts...), append([]int{step}, a.steps...)
}

func (a *axes) size() int { return device.Size(a.counts) }

// offset is where element i, counted row by row, lies.
func (a *axes) offset(i int) int {
	at := 0
	for axis := len(a.counts) - 1; axis >= 0; axis-- {
		at += i % a.counts[axis] * a.steps[axis]
		i /= a.counts[axis]
	}
	return at
}

// sum adds elements [from, to), found from base on.
func (a *axes) sum(x []float32, base, from, to int) float64 {
	last := len(a.counts) - 1
	if last < 0 {
		return float64(x[base])
	}
	sum := 0.0
	for from < to {
		n := min(a.counts[last]-from%a.counts[last], to-from)
		at, step := base+a.offset(from), a.steps[last]
		if step == 1 {
			sum += total(x[at:][:n])
		} else {
			for range n {
				sum += float64(x[at])
				at += step
			}
		}
		from += n
	}
	return sum
}

// Broadcast implements device.Elementwise.
func (d *Device) Broadcast(y, x *device.Tensor, factor float64) error {
	if blocked(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Broadcast(t[0], t[1], factor) }, y, x)
	}
	in, out := floats(x), floats(y)
	f, width := float32(factor), 1
	if rank := len(y.Shape); rank > 0 {
		width = y.Shape[rank-1]
	}
	rows := newStretch(y.Shape, x.Shape)
	d.divide(len(out)/max(width, 1), width, func(_, from, to int) {
		for row := from; row < to; row++ {
			part, line := out[row*width:][:width], rows.row(in, row)
			if len(line) == 1 {
				fill(part, f*line[0])
				continue
			}
			for i, v := range line {
				part[i] = f * v
			}
		}
	})
	return nil
}

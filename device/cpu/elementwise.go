package cpu

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/kernels/vector"
)

// Fill implements device.Elementwise.
func (d *Device) Fill(y *device.Tensor, value float64) error {
	to := out(y)
	d.elements(len(to), func(first, last int) { d.vector.Fill(to[first:last], float32(value)) })
	return nil
}

// Binary implements device.Elementwise: row by row, along which a or b may stand still.
func (d *Device) Binary(y, a, b *device.Tensor, op device.BinaryKind) error {
	if blocked(y, a, b) && !alike(y, a, b) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Binary(t[0], t[1], t[2], op) }, y, a, b)
	}
	left, right, to := floats(a), floats(b), out(y)
	do := [...]func(y, a, b []float32){device.Add: d.vector.Add, device.Sub: d.vector.Sub, device.Mul: d.vector.Mul, device.Div: d.vector.Div}[op]
	if device.EqualShape(a.Shape, b.Shape) {
		d.elements(len(to), func(first, last int) { do(to[first:last], left[first:last], right[first:last]) })
		return nil
	}
	if len(to) == 0 {
		return nil
	}
	rows := newRows(y.Shape, a.Shape, b.Shape)
	d.divide(rows.count(), rows.width, func(worker, first, last int) {
		for row := first; row < last; row++ {
			u, v := left[rows.offset(row, 0):], right[rows.offset(row, 1):]
			d.binaryRow(worker, to[row*rows.width:][:rows.width], u, v, rows.still(0), rows.still(1), do)
		}
	})
	return nil
}

// rowPart is how often an operand that stands still is repeated, for kernels that know none such.
const rowPart = 1 << 10

func (d *Device) binaryRow(worker int, y, a, b []float32, stillA, stillB bool, do func(y, a, b []float32)) {
	if !stillA && !stillB {
		do(y, a, b)
		return
	}
	same := d.lane(worker, rowPart)[:min(rowPart, len(y))]
	if stillA {
		d.vector.Fill(same, a[0])
	} else {
		d.vector.Fill(same, b[0])
	}
	for at := 0; at < len(y); at += rowPart {
		part := y[at:min(at+rowPart, len(y))]
		if stillA {
			do(part, same, b[at:])
		} else {
			do(part, a[at:], same)
		}
	}
}

// rows is how arrays are stretched to a larger one: the large array's axes, each with the steps that it makes in the
// others (0 where they stand still), cut into rows along the last. Axes that all of them run through as one are one.
type rows struct {
	axes  []axis
	width int // of a row
}

type axis struct {
	count int
	steps [2]int
}

func newRows(large tensor.Shape, small ...tensor.Shape) rows {
	var all []axis // from the last to the first
	size := [2]int{1, 1}
	for i := len(large) - 1; i >= 0; i-- {
		next := axis{count: large[i]}
		for j, s := range small {
			if s[i] != 1 {
				next.steps[j] = size[j]
			}
			size[j] *= s[i]
		}
		switch last := len(all) - 1; {
		case large[i] == 1:
		case last >= 0 && next.steps == [2]int{all[last].steps[0] * all[last].count, all[last].steps[1] * all[last].count}:
			all[last].count *= large[i]
		default:
			all = append(all, next)
		}
	}
	if len(all) == 0 {
		all = []axis{{count: 1}}
	}
	return rows{axes: all, width: all[0].count}
}

func (r rows) count() int {
	n := 1
	for _, a := range r.axes[1:] {
		n *= a.count
	}
	return n
}

// still says that a small array has one element for a whole row.
func (r rows) still(array int) bool { return r.axes[0].steps[array] == 0 }

// offset is where a row of the large array starts in a small one.
func (r rows) offset(row, array int) int {
	at := 0
	for _, a := range r.axes[1:] {
		at += row % a.count * a.steps[array]
		row /= a.count
	}
	return at
}

// Scale implements device.Elementwise.
func (d *Device) Scale(y, x *device.Tensor, factor, offset float64) error {
	if blocked(y, x) && !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Scale(t[0], t[1], factor, offset) }, y, x)
	}
	from, to := floats(x), out(y)
	f, o := float32(factor), float32(offset)
	d.elements(len(from), func(first, last int) {
		if f == 1 && o == 0 {
			move(to[first:last], from[first:last])
			return
		}
		d.vector.Scale(to[first:last], from[first:last], f, o)
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
	in, to := floats(x), out(y)
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
	sums := d.partial(len(to) * parts)
	d.divide(len(sums), min(terms, sumPart), func(_, from, to int) {
		for i := from; i < to; i++ {
			first := i % parts * sumPart
			sums[i] = reduced.sum(d.vector, in, kept.offset(i/parts), first, min(first+sumPart, terms))
		}
	})
	for i := range to {
		sum := 0.0
		for _, part := range sums[i*parts : (i+1)*parts] {
			sum += part
		}
		to[i] = float32(factor * sum)
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
func (a *axes) sum(k *vector.Kernels, x []float32, base, from, to int) float64 {
	last := len(a.counts) - 1
	if last < 0 {
		return float64(x[base])
	}
	sum := 0.0
	for from < to {
		n := min(a.counts[last]-from%a.counts[last], to-from)
		at, step := base+a.offset(from), a.steps[last]
		if step == 1 {
			sum += k.Sum(x[at:][:n])
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
	from, to := floats(x), out(y)
	if len(to) == 0 {
		return nil
	}
	f, rows := float32(factor), newRows(y.Shape, x.Shape)
	d.divide(rows.count(), rows.width, func(_, first, last int) {
		for row := first; row < last; row++ {
			part, line := to[row*rows.width:][:rows.width], from[rows.offset(row, 0):]
			if rows.still(0) {
				d.vector.Fill(part, f*line[0])
			} else {
				d.vector.Scale(part, line, f, 0)
			}
		}
	})
	return nil
}

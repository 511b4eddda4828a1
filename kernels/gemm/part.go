package gemm

// Part is what one worker makes of C: rows [I0, I1) of columns [J0, J1), but in the first panel of columns none before row Head, and
// in the last none from row Tail on. A panel has NR columns, the last of C what is left; Head and Tail are I0 and I1, or whole panels of A from I0.
type Part struct{ I0, I1, J0, J1, Head, Tail int }

// Block is a part that is a rectangle.
func Block(i0, i1, j0, j1 int) Part { return Part{i0, i1, j0, j1, i0, i1} }

// Steps is how finely Stretch divides a product.
func (k *Kernel) Steps(rows, cols int) int { return (rows + k.MR - 1) / k.MR * cols }

// Stretch is the part from one of the Steps to another: C's tiles lie in a row, a panel of columns after the other, and a step is a
// column of one. So workers have equally much to do even where there are few panels; who begins or ends within one packs it too.
func (k *Kernel) Stretch(rows, cols, from, to int) Part {
	high := (rows + k.MR - 1) / k.MR
	// place is the panel of a step, and the tile in it whose beginning is nearest.
	place := func(step int) (col, row int) {
		col = step / (high * k.NR) * k.NR
		wide := min(k.NR, cols-col)
		if wide <= 0 {
			return cols, 0
		}
		if row = (step - col*high + wide/2) / wide; row == high {
			return min(col+k.NR, cols), 0
		}
		return col, row * k.MR
	}
	first, head := place(from)
	last, tail := place(to)
	p := Part{0, rows, first, last, head, rows}
	if tail > 0 {
		p.J1, p.Tail = min(last+k.NR, cols), tail
	}
	if p.J1-p.J0 <= k.NR { // one panel: a rectangle
		return Block(p.Head, p.Tail, p.J0, p.J1)
	}
	return p
}

// columns are those of the block [j, j+width) that row i has.
func (p *Part) columns(k *Kernel, i, j, width int) (from, to int) {
	from, to = j, j+width
	if j == p.J0 && i < p.Head {
		from += k.NR
	}
	if to == p.J1 && i >= p.Tail {
		to -= 1 + (p.J1-p.J0-1)%k.NR
	}
	return from, to
}

package gemm

// Operand is a matrix that copies parts of itself: A by rows, B by columns.
type Operand interface {
	// Pack writes element (row+i, depth+k), for i < n and k < nk, to dst[k*width+i], and zeros for n <= i < width.
	// For B, rows are columns of the product. n is at most width.
	Pack(dst []float32, row, n, depth, nk, width int)
}

// Strided is an operand in a slice: element (row, k) is Data[row*Row+k*Depth].
type Strided struct {
	Data       []float32
	Row, Depth int
}

// Pack implements Operand.
func (s Strided) Pack(dst []float32, row, n, depth, nk, width int) {
	switch {
	case s.Row == 1:
		for k := range nk {
			line := dst[k*width:][:width]
			copy(line[:n], s.Data[row+(depth+k)*s.Depth:])
			clear(line[n:])
		}
		return
	case s.Depth == 1:
		for i := range n {
			for k, v := range s.Data[(row+i)*s.Row+depth:][:nk] {
				dst[k*width+i] = v
			}
		}
	default:
		for i := range n {
			for k := range nk {
				dst[k*width+i] = s.Data[(row+i)*s.Row+(depth+k)*s.Depth]
			}
		}
	}
	if n < width {
		for k := range nk {
			clear(dst[k*width+n:][:width-n])
		}
	}
}

// Kernel computes one tile of C from packed panels.
type Kernel struct {
	Name   string // of the instruction set: "amx", "avx512", "avx2", "generic"
	MR, NR int    // rows and columns of a tile
	lie    int    // rows of A at most for which B is used where it lies, if it can be
	meet   int    // panels of B at most for which rows of A are
	// transpose and lines are what pack a Strided faster than Go can: dst[k*width+i] = src[i*stride+k] and src[k*stride+i] for
	// all i < width and steps k; transpose does the first of the steps and says how many. Both are nil in plain Go.
	transpose func(dst []float32, width int, src []float32, stride, steps int) int
	lines     func(dst []float32, width int, src []float32, stride, steps int)
	// tiles compute whole tiles, or the first rows and columns of them, in rising order of columns, then rows; the last is whole.
	tiles   []tiles
	copying tile    // the largest, copying B; nil where there is none
	split   *split  // nil where there is none
	rounded *Kernel // likewise
	skinny
}

// tiles computes count tiles of c that lie side by side, of a panel of A and one of B each:
//
//	c[i*ldc+t*cols+j] = (what it is, to accumulate) + sum over k < depth of a[k*MR+i] * b(t)[k*ldb+j],  t < count, i < rows, j < cols
//
// Panel b(t) starts at b[t*next]. Meanwhile the tiles may ask the memory for what is packed soon.
type tiles struct {
	rows, cols int
	do         tile
}

type tile = func(ws *Workspace, depth, count int, a rows, b panels, c []float32, ldc int, accumulate bool, then soon)

// rows of A: a panel of them, or those of a matrix, so many elements from each to the next.
type rows struct {
	data []float32
	row  int // 0: a panel
}

// panels of B: steps are ldb elements apart, one panel's first step and the next's next. Tiles that copy them write them to copy, packed, one
// behind the other.
type panels struct {
	data      []float32
	ldb, next int
	copy      []float32
}

// soon is what the next panel of A is copied from, where that can be said: tile t of so many asks for the lines of the cache with
// data[t*next+i*row], for each of its rows i, so that they are in the second-level cache by then.
type soon struct {
	data             []float32
	row, next, tiles int
}

// least are the smallest tiles that have so many rows and columns.
func (k *Kernel) least(rows, cols int) tiles {
	i := 0
	for k.tiles[i].cols < cols || k.tiles[i].rows < rows {
		i++
	}
	return k.tiles[i]
}

// Block sizes. A panel of A (MR x blockDepth, 14 KB with AVX-512) and one of B (32 KB) lie in the first-level cache together,
// while A's meets every panel of a block of B (blockDepth x blockCols, 1 MB), which stays in the second.
const (
	blockDepth = 256
	blockCols  = 1024
)

// Workspace is one goroutine's memory for panels and sums.
type Workspace struct {
	a, b, c      []float32
	sums, totals []float32 // of Dots
	x            []float32 // its copy of rows
	zeros        []float32 // for no bias
	call                   // what assembly is called with

	partsA, partsB, square []float32 // of MultiplySplit
}

// NewWorkspace makes the memory for one goroutine at a time; room provides it, of any contents.
func (k *Kernel) NewWorkspace(room func(n int) []float32) *Workspace {
	ws := &Workspace{
		a: room(k.MR * blockDepth),
		b: room(roundUp(blockCols, k.NR) * blockDepth),
		c: room(k.MR * k.NR),

		sums:   room(dotRows * k.outputs[0] * k.lanes),
		totals: room(dotRows * k.outputs[0]),
	}
	if k.split != nil {
		panel := splitDepth / Side * k.split.stepFloats()
		ws.partsA, ws.partsB, ws.square = room(panel), room(splitCols/Side*panel), room(Side*Side)
	}
	return ws
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// Cost is about how long Multiply takes for a product of rows and cols, for comparing ways to divide one: the products of its
// tiles, and for each element of a panel that is copied as much as for copyCost products.
func (k *Kernel) Cost(rows, cols int) int {
	tall, wide := rows/k.MR*k.MR, cols/k.NR*k.NR
	last := k.least(rows-tall, cols-wide)
	if rows > tall {
		tall += last.rows
	}
	if cols > wide {
		wide += last.cols
	}
	blocks := (cols + blockCols - 1) / blockCols
	return tall*wide + copyCost*(cols+rows*blocks)
}

// copyCost was measured with AVX-512: 32 products or one copied element a cycle.
const copyCost = 32

// Multiply computes a part of C = A B, or of C = C + A B: element (i, j) of C is c[i*ldc+j], a has the rows of C, b its columns, and
// both have depth products to add.
func (k *Kernel) Multiply(ws *Workspace, c []float32, ldc int, p Part, depth int, a, b Operand, accumulate bool) {
	for i := p.I0; i < p.I1 && depth == 0 && !accumulate; i++ {
		from, to := p.columns(k, i, p.J0, p.J1-p.J0)
		clear(c[i*ldc+from : i*ldc+max(from, to)])
	}
	cols, part := blockCols/k.NR*k.NR, evenly(depth, blockDepth, 16)
	for j := p.J0; j < p.J1; j += cols {
		width := min(cols, p.J1-j)
		for at := 0; at < depth; at += part {
			nk := min(part, depth-at)
			right := k.block(ws, b, &p, j, width, at, nk)
			for i := p.I0; i < p.I1; i += k.MR {
				from, to := p.columns(k, i, j, width)
				if from >= to {
					continue
				}
				high := min(k.MR, p.I1-i)
				left := k.rowsOf(a, ws.a, i, high, at, nk, to-from, right.copy != nil)
				next := afterRows(a, i+k.MR, p.I1, at, nk, k.MR)
				if i+k.MR >= p.I1 && at+part < depth {
					next = afterRows(a, p.I0, p.I1, at+part, min(part, depth-at-part), k.MR)
				}
				k.row(ws, left, right, c[i*ldc+j:], ldc, high, from-j, to-j, nk, accumulate || at > 0, next)
				if right.copy != nil {
					right = lying{} // its panels are copied now
				}
			}
		}
	}
}

// rowsOf are rows of A for tiles of some width together: packed, or where they lie, if that is not much, each row's elements lie side by
// side and the rows are a tile's. A copy is made by each worker that has these rows, so it costs the more the more of them there are.
// Rows of 2^n elements start in one set of the first-level cache, and push each other out. Tiles that copy B want a panel.
func (k *Kernel) rowsOf(a Operand, panel []float32, i, high, depth, nk, width int, copies bool) rows {
	if s, strided := a.(Strided); strided && !copies && width <= k.meet*k.NR && k.LiesLeft(s) && k.least(high, k.NR).rows == high {
		return rows{s.Data[i*s.Row+depth:], s.Row}
	}
	k.pack(a, panel[:k.MR*nk], i, high, depth, nk, k.MR)
	return rows{panel, 0}
}

// LiesLeft says whether A can be used where it lies, if there are few columns of B.
func (k *Kernel) LiesLeft(a Strided) bool { return k.meet > 0 && a.Depth == 1 && a.Row%1024 != 0 }

// block makes width columns of B ready: some are used where they lie, see lying, and the others are packed to ws.b.
func (k *Kernel) block(ws *Workspace, b Operand, p *Part, col, width, depth, nk int) lying {
	s, strided := b.(Strided)
	if !strided || !k.Lies(s) || p.I1-p.I0 > k.lie && k.copying == nil {
		k.packBlock(b, ws.b, col, width, depth, nk)
		return lying{}
	}
	right := lying{panels{s.Data[col+depth*s.Depth:], s.Depth, k.NR, nil}, width / k.NR * k.NR}
	if p.I1-p.I0 > k.lie {
		right.copy = ws.b
		if from, _ := p.columns(k, p.I0, col, width); from > col { // the first rows have no tile in the first panel
			k.packBlock(b, ws.b, col, k.NR, depth, nk)
		}
	}
	k.packBlock(b, ws.b[right.cols*nk:], col+right.cols, width-right.cols, depth, nk)
	return right
}

// Lies says whether B can be used where it lies, if there are few rows of A: its steps may not be a page apart, or a few of them would fill
// their set of the first-level cache.
func (k *Kernel) Lies(b Strided) bool { return b.Row == 1 && b.Depth%1024 != 0 }

// lying are so many columns of B that are used where they lie: by all rows of A if these are few, for a copy would bring little, else by the
// first ones, whose tiles copy them.
type lying struct {
	panels
	cols int
}

// afterRows is the panel of so many rows of A from row i and a depth on, if they are all there.
func afterRows(a Operand, i, i1, at, depth, rows int) soon {
	s, strided := a.(Strided)
	switch {
	case !strided || i+rows > i1:
	case s.Depth == 1: // a row's elements lie side by side, 16 in a line
		return soon{s.Data[i*s.Row+at:], s.Row, 16, (depth + 15) / 16}
	case s.Row == 1: // the rows' elements do; the first of them are in lines that the panel before them needed
		return soon{s.Data[i+rows-1+at*s.Depth:], s.Depth, rows * s.Depth, (depth + rows - 1) / rows}
	}
	return soon{}
}

// evenly is how many products are added at a time, at most so many: in parts about as deep as each other, for the last may not be so
// shallow that C is updated for nearly nothing.
func evenly(depth, most, step int) int {
	parts := (depth + most - 1) / most
	if parts <= 1 {
		return most
	}
	return roundUp((depth+parts-1)/parts, step)
}

// packBlock packs width columns of B, a panel of them behind the other. Where the elements of a row lie side by side it goes
// through some rows at a time, from left to right: the processor sees where that leads, and fetches it ahead.
func (k *Kernel) packBlock(b Operand, dst []float32, col, width, depth, nk int) {
	steps := nk
	if s, strided := b.(Strided); strided && s.Row == 1 {
		steps = 32
	}
	for at := 0; at < nk; at += steps {
		n := min(steps, nk-at)
		for p := 0; p < width; p += k.NR {
			k.pack(b, dst[p*nk+at*k.NR:][:n*k.NR], col+p, min(k.NR, width-p), depth+at, n, k.NR)
		}
	}
}

// pack is o.Pack.
func (k *Kernel) pack(o Operand, dst []float32, row, n, depth, nk, width int) {
	s, strided := o.(Strided)
	if strided && n == width && k.lines != nil {
		switch {
		case s.Row == 1:
			k.lines(dst, width, s.Data[row+depth*s.Depth:], s.Depth, nk)
			return
		case s.Depth == 1:
			done := k.transpose(dst, width, s.Data[row*s.Row+depth:], s.Row, nk)
			dst, depth, nk = dst[done*width:], depth+done, nk-done
		}
	}
	if nk > 0 {
		o.Pack(dst, row, n, depth, nk, width)
	}
}

// row multiplies a panel of A, of which high rows count, with columns [first, last) of a block of B, of which the first are those that lie.
func (k *Kernel) row(ws *Workspace, left rows, right lying, c []float32, ldc, high, first, last, nk int, accumulate bool, then soon) {
	for q, n := first, 0; q < last; q += n {
		b, to := panels{ws.b, k.NR, k.NR * nk, nil}, last
		if q < right.cols {
			b, to = right.panels, min(right.cols, last)
		}
		b.data = b.data[q/k.NR*b.next:]
		n = min(k.NR, to-q)
		t, out := k.least(high, n), c[q:]
		if b.copy != nil {
			b.copy, t.do = b.copy[q*nk:], k.copying
		}
		if t.rows == high && t.cols == n {
			count := max(1, (to-q)/k.NR)
			t.do(ws, nk, count, left, b, out, ldc, accumulate, then)
			n *= count
			continue
		}
		// A tile that hangs over the edge is computed whole, aside, so that its sums are those of a whole tile.
		t.do(ws, nk, 1, left, b, ws.c, t.cols, false, soon{})
		for i := range high {
			line := out[i*ldc:][:n]
			if !accumulate {
				copy(line, ws.c[i*t.cols:])
				continue
			}
			for j, v := range ws.c[i*t.cols:][:n] {
				line[j] += v
			}
		}
	}
}

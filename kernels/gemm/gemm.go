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
	Name   string // of the instruction set: "avx512", "avx2", "generic"
	MR, NR int    // rows and columns of a tile
	// transpose and lines are what pack a Strided faster than Go can: dst[k*width+i] = src[i*stride+k] and src[k*stride+i] for
	// all i < width and steps k; transpose does the first of the steps and says how many. Both are nil in plain Go.
	transpose func(dst []float32, width int, src []float32, stride, steps int) int
	lines     func(dst []float32, width int, src []float32, stride, steps int)
	// tiles compute whole tiles, or the first rows and columns of them, in rising order of columns, then rows; the last is whole.
	tiles []tiles
	skinny
}

// tiles adds to tiles of c that lie side by side, or sets them: c[i*ldc+t*cols+j] += sum over k < depth of
// a[k*MR+i] * b[(t*depth+k)*NR+j], t < count, i < rows, j < cols.
type tiles struct {
	rows, cols int
	do         func(depth, count int, a, b, c []float32, ldc int, accumulate bool)
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
// while A's meets every panel of a block of B (blockDepth x blockCols, 1 MB), which stays in the second. A block of A is
// blockRows rows.
const (
	blockDepth = 256
	blockRows  = 168 // a multiple of every MR but the last block of rows
	blockCols  = 1024
)

// Workspace is one goroutine's memory for panels and sums.
type Workspace struct {
	a, b, c      []float32
	sums, totals []float32 // of Dots
	x            []float32 // its copy of rows
	zeros        []float32 // for no bias
	call                   // what assembly is called with
}

// NewWorkspace makes the memory for one goroutine at a time; room provides it, of any contents.
func (k *Kernel) NewWorkspace(room func(n int) []float32) *Workspace {
	return &Workspace{
		a: room(roundUp(blockRows, k.MR) * blockDepth),
		b: room(roundUp(blockCols, k.NR) * blockDepth),
		c: room(k.MR * k.NR),

		sums:   room(dotRows * k.outputs[0] * k.lanes),
		totals: room(dotRows * k.outputs[0]),
	}
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

// Multiply computes rows [i0, i1) and columns [j0, j1) of C = A B, or of C = C + A B: element (i, j) of C is c[i*ldc+j],
// a has the rows of C, b its columns, and both have depth products to add.
func (k *Kernel) Multiply(ws *Workspace, c []float32, ldc, i0, i1, j0, j1, depth int, a, b Operand, accumulate bool) {
	if depth == 0 && !accumulate {
		for i := i0; i < i1; i++ {
			clear(c[i*ldc+j0 : i*ldc+j1])
		}
	}
	rows, cols := blockRows/k.MR*k.MR, blockCols/k.NR*k.NR
	part := depthPart(depth)
	for j := j0; j < j1; j += cols {
		width := min(cols, j1-j)
		for at := 0; at < depth; at += part {
			nk := min(part, depth-at)
			for p := 0; p < width; p += k.NR {
				k.pack(b, ws.b[p*nk:][:k.NR*nk], j+p, min(k.NR, width-p), at, nk, k.NR)
			}
			for i := i0; i < i1; i += rows {
				height := min(rows, i1-i)
				for p := 0; p < height; p += k.MR {
					k.pack(a, ws.a[p*nk:][:k.MR*nk], i+p, min(k.MR, height-p), at, nk, k.MR)
				}
				k.block(ws, c[i*ldc+j:], ldc, height, width, nk, accumulate || at > 0)
			}
		}
	}
}

// depthPart is how many products are added at a time: in parts about as deep as each other, for the last may not be so
// shallow that C is updated for nearly nothing.
func depthPart(depth int) int {
	parts := (depth + blockDepth - 1) / blockDepth
	if parts <= 1 {
		return blockDepth
	}
	return roundUp((depth+parts-1)/parts, 16)
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

// block multiplies the packed panels.
func (k *Kernel) block(ws *Workspace, c []float32, ldc, height, width, nk int, accumulate bool) {
	for p := 0; p < height; p += k.MR {
		a, m := ws.a[p*nk:][:k.MR*nk], min(k.MR, height-p)
		for q, n := 0, 0; q < width; q += n {
			n = min(k.NR, width-q)
			t, b, out := k.least(m, n), ws.b[q*nk:], c[p*ldc+q:]
			if t.rows == m && t.cols == n {
				count := max(1, (width-q)/k.NR)
				t.do(nk, count, a, b, out, ldc, accumulate)
				n *= count
				continue
			}
			// A tile that hangs over the edge is computed whole, aside, so that its sums are those of a whole tile.
			t.do(nk, 1, a, b, ws.c, t.cols, false)
			for i := range m {
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
}

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
	// tile adds to c (or sets it): c[i*ldc+j] += sum over k < depth of a[k*MR+i] * b[k*NR+j].
	tile func(depth int, a, b, c []float32, ldc int, accumulate bool)
}

// Block sizes. A block of A (blockRows x blockDepth) stays in the second-level cache while it meets every panel of a block
// of B; a panel of B (NR x blockDepth) stays in the first.
const (
	blockDepth = 256
	blockRows  = 168 // a multiple of every MR but the last block of rows
	blockCols  = 1024
)

// Workspace is one goroutine's memory for panels.
type Workspace struct{ a, b, c []float32 }

// NewWorkspace makes the memory for one goroutine at a time.
func (k *Kernel) NewWorkspace() *Workspace {
	return &Workspace{
		a: make([]float32, roundUp(blockRows, k.MR)*blockDepth),
		b: make([]float32, roundUp(blockCols, k.NR)*blockDepth),
		c: make([]float32, k.MR*k.NR),
	}
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// Multiply computes rows [i0, i1) and columns [j0, j1) of C = A B, or of C = C + A B: element (i, j) of C is c[i*ldc+j],
// a has the rows of C, b its columns, and both have depth products to add.
func (k *Kernel) Multiply(ws *Workspace, c []float32, ldc, i0, i1, j0, j1, depth int, a, b Operand, accumulate bool) {
	if depth == 0 && !accumulate {
		for i := i0; i < i1; i++ {
			clear(c[i*ldc+j0 : i*ldc+j1])
		}
	}
	rows, cols := blockRows/k.MR*k.MR, blockCols/k.NR*k.NR
	for j := j0; j < j1; j += cols {
		width := min(cols, j1-j)
		for at := 0; at < depth; at += blockDepth {
			nk := min(blockDepth, depth-at)
			for p := 0; p < width; p += k.NR {
				b.Pack(ws.b[p*nk:][:k.NR*nk], j+p, min(k.NR, width-p), at, nk, k.NR)
			}
			for i := i0; i < i1; i += rows {
				height := min(rows, i1-i)
				for p := 0; p < height; p += k.MR {
					a.Pack(ws.a[p*nk:][:k.MR*nk], i+p, min(k.MR, height-p), at, nk, k.MR)
				}
				k.block(ws, c[i*ldc+j:], ldc, height, width, nk, accumulate || at > 0)
			}
		}
	}
}

// block multiplies the packed panels.
func (k *Kernel) block(ws *Workspace, c []float32, ldc, height, width, nk int, accumulate bool) {
	for q := 0; q < width; q += k.NR {
		b := ws.b[q*nk:][:k.NR*nk]
		for p := 0; p < height; p += k.MR {
			a := ws.a[p*nk:][:k.MR*nk]
			if p+k.MR <= height && q+k.NR <= width {
				k.tile(nk, a, b, c[p*ldc+q:], ldc, accumulate)
				continue
			}
			// A tile that hangs over the edge is computed whole, aside, so that its sums are those of a whole tile.
			m, n := min(k.MR, height-p), min(k.NR, width-q)
			k.tile(nk, a, b, ws.c, k.NR, false)
			for i := range m {
				line := c[(p+i)*ldc+q:][:n]
				if !accumulate {
					copy(line, ws.c[i*k.NR:])
					continue
				}
				for j, v := range ws.c[i*k.NR:][:n] {
					line[j] += v
				}
			}
		}
	}
}

package gemm

// Products of which an operand is used too rarely to pay for packing: the weights of a fully connected layer meet a batch of a
// few samples. Such a product is bound by memory, so it reads the large operand once, in order, where it lies; what it meets
// again and again (samples, sums) stays in the caches. The micro-kernels are explained where they are written
// (kernels/amd64/gen/linear.go).

// skinny is a kernel's part for them.
type skinny struct {
	lanes int // of the vectors in which dots leaves its sums
	// Tiles are as large as they can, from lists in falling order that end with 1.
	samples, outputs []int // rows of x and of w in a tile of dots
	widest           int   // rows of x at most for tiles of outputs[0]
	rows             []int // of c in a tile of outer
	far, near        few   // for an operand of many elements, and of fewer

	// dots: sums[(r*q+j)*lanes+l] = (or += if accumulate) the sum over s of x[i*ldx+s*lanes+l] * w[j*ldw+s*lanes+l], i < r,
	// j < q, the rows being depth elements long. Meanwhile it asks for depth/tiles elements of each row of w, from ahead elements
	// behind its first on.
	dots func(ws *Workspace, r, q int, x []float32, ldx int, w []float32, ldw, depth int, sums []float32, accumulate bool, ahead, tiles int)
	// total: totals[i] = the sum of the lanes of vector i.
	total func(totals, vectors []float32)
	// outer: c[i*ldc+j] = (or +=) the sum over s < depth of a[s*r+i] * b[s*ldb+j], i < r, j < cols; past: c is not wanted in
	// the caches. Meanwhile it asks for what lies ahead elements behind what it reads of b.
	outer func(ws *Workspace, r int, a, b []float32, ldb int, c []float32, ldc, depth, cols int, accumulate, past bool, ahead int)
	// finish: y[i*ldy+j] += bias[j], then max(0, y) if relu; i < rows.
	finish func(ws *Workspace, y []float32, ldy, rows int, bias []float32, relu bool)
}

// few are the sizes up to which reading an operand where it lies was faster than packing it for Multiply, measured on products of
// 9216 x 4096 (far) and of 784 x 784 (near: packing costs less there, and the rest as much).
type few struct {
	samples int // of Dots
	rows    int // of Outer's c
	depth   int // products added by Outer
}

// lots of elements, 16 MB, are more than caches keep from one layer to the next.
const lots = 1 << 22

func (k *Kernel) few(elements int) few {
	if elements >= lots {
		return k.far
	}
	return k.near
}

// FewSamples says whether Dots is faster than Multiply for rows of x and cols of w, so many of either.
func (k *Kernel) FewSamples(rows, cols, depth int) bool {
	return min(rows, cols) <= k.few(max(rows, cols)*depth).samples
}

// FewProducts says whether Outer is faster than Multiply because so few products are added up for each element of a large c.
func (k *Kernel) FewProducts(rows, cols, depth int) bool { return depth <= k.few(rows*cols).depth }

// FewRows says whether Outer is faster than Multiply because a large b meets so few rows of c.
func (k *Kernel) FewRows(rows, cols, depth int) bool { return rows <= k.few(cols*depth).rows }

const (
	// dotRows rows of x share a reading of some rows of w.
	dotRows = 64
	// dotDepth is how much of rows of w stays in the first-level cache for the next tile of x.
	dotDepth = 1024
	// dotWhole is how much is read at a time when there is only one: 64 K products of a tile are some tens of microseconds.
	dotWhole = 1 << 14
	// rowAhead is how far ahead rows are asked for when one tile reads them, or few rows of c: 2 KB take as long as memory needs to answer.
	rowAhead = 512
	// outerDepth rows of b are read side by side: as many streams as the prefetchers follow.
	outerDepth = 16
	// outerCols is how much of them the rows of c meet one after another.
	outerCols = 256
	// outerWhole is how many columns of c are done at a time when its rows meet all of b.
	outerWhole = 1 << 13
	// pastBytes is how large a result is that leaves the caches anyway before anybody reads it.
	pastBytes = 1 << 25
)

// first is the largest of the sizes that is not beyond n.
func first(sizes []int, n int) int {
	i := 0
	for sizes[i] > n {
		i++
	}
	return sizes[i]
}

// Dots computes columns [j0, j1) of y = x w' + bias, and max(0, y) of it if relu is asked for: y[i*ldy+j] is the product of
// row i < n of x and row j of w, which are depth elements long. bias may be nil.
func (k *Kernel) Dots(ws *Workspace, y []float32, ldy int, x []float32, n int, w []float32, j0, j1, depth int, bias []float32, relu bool) {
	ldx := depth
	if n > k.samples[0] {
		x, ldx = ws.spread(x, n, depth)
	}
	outputs := k.outputs
	if n > k.widest {
		outputs = outputs[1:]
	}
	for j, q := j0, 0; j < j1; j += q {
		q = first(outputs, j1-j)
		for from := 0; from < n; from += dotRows {
			k.dotRows(ws, y[j:], ldy, x, ldx, from, min(from+dotRows, n), w[j*depth:], q, depth)
		}
		for i := range n {
			line := y[i*ldy+j:][:q]
			for c, v := range line {
				if bias != nil {
					v += bias[j+c]
				}
				if relu && v <= 0 { // NaN stays
					v = 0
				}
				line[c] = v
			}
		}
	}
}

// spread copies n rows so that they start in different sets of the first-level cache. Rows of 2^n elements start in one, and
// then push each other, and rows of w, out.
func (ws *Workspace) spread(x []float32, n, depth int) (copied []float32, stride int) {
	const inLine = 16
	stride = (depth+inLine-1)/inLine*inLine | inLine
	if len(ws.x) < n*stride {
		ws.x = make([]float32, n*stride)
	}
	for i := range n {
		copy(ws.x[i*stride:], x[i*depth:][:depth])
	}
	return ws.x, stride
}

// dotRows multiplies rows [from, to) of x by q rows of w.
func (k *Kernel) dotRows(ws *Workspace, y []float32, ldy int, x []float32, ldx, from, to int, w []float32, q, depth int) {
	part, tiles := dotDepth, (to-from+k.samples[0]-1)/k.samples[0]
	if tiles == 1 {
		part = dotWhole
	}
	for at := 0; at == 0 || at < depth; at += part {
		for i, r, tile := from, 0, 0; i < to; i, tile = i+r, tile+1 {
			r = first(k.samples, to-i)
			steps, ahead := min(part, depth-at), rowAhead
			if tiles > 1 { // a share of the next piece of these rows, or of the first one of the next rows
				if ahead = part; at+part >= depth {
					ahead = q*depth - at
				}
				ahead += min(tile, tiles-1) * steps / tiles
			}
			k.dots(ws, r, q, x[i*ldx+at:], ldx, w[at:], depth, steps, ws.sums[(i-from)*q*k.lanes:], at > 0, ahead, tiles)
		}
	}
	totals := ws.totals[:(to-from)*q]
	k.total(totals, ws.sums)
	for i := from; i < to; i++ {
		copy(y[i*ldy:][:q], totals[(i-from)*q:])
	}
}

// Outer computes rows [i0, i1) and columns [j0, j1) of c = a b, whose element (i, j) is c[i*ldc+j]. a may lie anyhow (element
// (i, s) is a.Data[i*a.Row+s*a.Depth]), b in rows of ldb elements; depth rows of it are read.
func (k *Kernel) Outer(ws *Workspace, c []float32, ldc, i0, i1, j0, j1, depth int, a Strided, b []float32, ldb int) {
	if depth == 0 {
		for i := i0; i < i1; i++ {
			clear(c[i*ldc+j0 : i*ldc+j1])
		}
		return
	}
	part, width := outerDepth, outerCols
	if depth <= dotRows {
		part, width = depth, outerWhole // then every row of c is written once, and goes
	}
	if i1-i0 <= k.rows[0] {
		width = outerWhole
	}
	past := part == depth && 4*len(c) >= pastBytes
	for at := 0; at < depth; at += part {
		for j := j0; j < j1; j += width {
			cols := min(width, j1-j)
			steps := min(part, depth-at)
			for i, r := i0, 0; i < i1; i += r {
				r = first(k.rows, i1-i)
				// The elements of a are far apart, often in one set of the first-level cache.
				a.Pack(ws.a, i, r, at, steps, r)
				ahead := rowAhead
				if width == outerCols {
					ahead = cols // the next piece
				}
				k.outer(ws, r, ws.a, b[at*ldb+j:], ldb, c[i*ldc+j:], ldc, steps, cols, at > 0, past, ahead)
			}
		}
	}
}

// Finish adds bias (nil: nothing) to a part of y, then takes max(0, y) if relu is asked for.
func (k *Kernel) Finish(ws *Workspace, y []float32, ldy int, p Part, bias []float32, relu bool) {
	if bias == nil && !relu {
		return
	}
	if bias == nil {
		if len(ws.zeros) < p.J1 {
			ws.zeros = make([]float32, p.J1)
		}
		bias = ws.zeros
	}
	for i := p.I0; i < p.I1; i += k.MR {
		if from, to := p.columns(k, i, p.J0, p.J1-p.J0); from < to {
			k.finish(ws, y[i*ldy+from:], ldy, min(k.MR, p.I1-i), bias[from:to], relu)
		}
	}
}

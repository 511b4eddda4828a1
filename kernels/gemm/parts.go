package gemm

// split are the functions that multiply float32s as sums of three bfloat16s each, for a processor that multiplies those so much
// faster that six products for one are worth it. They are as exact as float32s: package amd64's generator says how.
type split struct {
	parts int // 3; or 1 where float32s are to be no more than bfloat16s
	rows  func(dst []float32, src []float32, stride, rows, steps int) bool
	lines func(dst []float32, src []float32, stride int) bool
	tiles func(ws *Workspace, steps, count int, a, b, c []float32, ldc int, accumulate bool, then soon)
}

// A panel of A has 32 rows, one of B 32 columns (Side); both are split in steps of 32 products, which take two tiles of memory for
// each part. splitDepth products at a time: a panel of A takes 24 KB of the first-level cache, a block of B 768 KB of the
// second. Numbers so small that their last parts are denormal lose these: AMX takes them for 0.
const (
	Side       = 32
	tileFloats = 256
	partFloats = 2 * tileFloats
	splitDepth = 128
	splitCols  = 1024
)

// stepFloats is the memory of a step.
func (s *split) stepFloats() int { return s.parts * partFloats }

// Rounded is this kernel with factors of MultiplySplit rounded to bfloat16, the first of three parts; nil where MultiplySplit is not.
func (k *Kernel) Rounded() *Kernel { return k.rounded }

// Splits says whether MultiplySplit is there, and worth it for a product of this size: in three parts the layers of a perceptron of 784
// neurons at a batch of 200 were no faster, and two threads, which both split one of the factors, gained less; rounded, it trains 1.5 times as fast.
func (k *Kernel) Splits(rows, cols, depth int) bool {
	enough, many := 1<<28, 8*Side
	if k.split != nil && k.split.parts == 1 {
		enough, many = 1<<24, 2*Side
	}
	return k.split != nil && min(rows, cols) >= many && depth >= splitDepth && rows*cols*depth >= enough
}

// MultiplySplit is Multiply of C = A B where Splits says so. If it returns false then an element of what it read of A or B is
// infinite, no number or so large that it has no parts, and what it wrote to C is worthless.
func (k *Kernel) MultiplySplit(ws *Workspace, c []float32, ldc, i0, i1, j0, j1, depth int, a, b Strided) bool {
	fine, part, stepFloats := true, evenly(depth, splitDepth, Side), k.split.stepFloats()
	var turned, packing Operand = Strided{a.Data, a.Depth, a.Row}, b // made once; packed, turned is A row by row
	for j := j0; j < j1; j += splitCols {
		width := min(splitCols, j1-j)
		for at := 0; at < depth; at += part {
			nk := min(part, depth-at)
			steps := (nk + Side - 1) / Side
			for step := range steps { // from left to right: the processor sees where that leads, and fetches it ahead
				for q := 0; q < width; q += Side {
					fine = k.splitB(ws, ws.partsB[(q/Side*steps+step)*stepFloats:], b, packing, j+q, min(Side, width-q), at+step*Side, min(Side, nk-step*Side)) && fine
				}
			}
			for i := i0; i < i1; i += Side {
				high := min(Side, i1-i)
				fine = k.splitA(ws, ws.partsA, a, turned, i, high, at, nk) && fine
				k.rowOfParts(ws, c[i*ldc+j:], ldc, high, width, steps, at > 0, afterRows(a, i+Side, i1, at, nk, Side))
			}
		}
	}
	return fine
}

// splitA splits rows of A; turned packs them.
func (k *Kernel) splitA(ws *Workspace, dst []float32, a Strided, turned Operand, row, n, depth, nk int) bool {
	steps, fine, stepFloats := (nk+Side-1)/Side, true, k.split.stepFloats()
	if n < Side {
		clear(dst[:steps*stepFloats])
	}
	whole := 0
	if a.Depth == 1 {
		whole = nk / Side
	}
	for i := 0; whole > 0 && i < n; i += 16 {
		fine = k.split.rows(dst[i/16*tileFloats:], a.Data[(row+i)*a.Row+depth:], a.Row, min(16, n-i), whole) && fine
	}
	for step := whole; step < steps; step++ {
		k.pack(turned, ws.square, depth+step*Side, min(Side, nk-step*Side), row, n, Side)
		for i := 0; i < n; i += 16 {
			fine = k.split.rows(dst[step*stepFloats+i/16*tileFloats:], ws.square[i*Side:], Side, min(16, n-i), 1) && fine
		}
	}
	return fine
}

// splitB splits a step of columns of B; packing packs them.
func (k *Kernel) splitB(ws *Workspace, dst []float32, b Strided, packing Operand, col, n, depth, nk int) bool {
	if b.Row == 1 && n == Side && nk == Side {
		return k.split.lines(dst, b.Data[col+depth*b.Depth:], b.Depth)
	}
	k.pack(packing, ws.square, col, n, depth, nk, Side)
	clear(ws.square[nk*Side:])
	return k.split.lines(dst, ws.square, Side)
}

// rowOfParts multiplies a panel of A with those of B.
func (k *Kernel) rowOfParts(ws *Workspace, c []float32, ldc, high, width, steps int, accumulate bool, then soon) {
	q := 0
	if high == Side {
		if q = width / Side * Side; q > 0 {
			k.split.tiles(ws, steps, q/Side, ws.partsA, ws.partsB, c, ldc, accumulate, then)
		}
	}
	for ; q < width; q += Side { // aside, for it hangs over the edge
		n := min(Side, width-q)
		if accumulate {
			for i := range high {
				copy(ws.square[i*Side:][:n], c[i*ldc+q:])
			}
		}
		k.split.tiles(ws, steps, 1, ws.partsA, ws.partsB[q/Side*steps*k.split.stepFloats():], ws.square, Side, accumulate, soon{})
		for i := range high {
			copy(c[i*ldc+q:][:n], ws.square[i*Side:])
		}
	}
}

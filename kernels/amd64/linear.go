package amd64

// Dots is what the Dots kernels are called with: lane l of Sums[r][q] becomes (or has added) the sum over steps s of
// x[r][s*lanes+l] * w[q][s*lanes+l]. Rows are so many bytes apart. The assembly knows the fields by their offsets, here and
// below.
type Dots struct {
	X          *float32
	XRow       int
	W          *float32
	WRow       int
	Sums       *float32 // vectors, q fastest
	Steps      int
	Tail       uintptr // AVX512: the lanes of one more step, as bits; AVX2: see Lanes; 0: there is none
	Accumulate int     // 0: the sums start at 0
	Ahead      uintptr // of q rows WRow apart, lines of 64 bytes are asked for from here on, AheadStep bytes further at each
	AheadStep  int     // line of w (fewer than 64: some are asked for again, and others left to another call)
}

// Outer is what the Outer kernels are called with: c[r][j] becomes (or has added) the sum over k < Depth of a[k][r] * b[k][j],
// for Tiles tiles of 32 columns (AVX2: 16) and one more with the lanes of Tail0 and Tail1. Distances are in bytes.
type Outer struct {
	A            *float32 // elements r side by side
	AStep        int      // from k to k+1
	B            *float32
	BStep        int
	C            *float32
	CRow         int
	Depth        int // at least 1
	Tiles        int
	Tail0, Tail1 uintptr // as in Dots; Tail0 of 0: there is none
	Accumulate   int
	Past         int // 1: the full tiles are written past the cache; they must be aligned to vectors
	Ahead        int // how far behind what a row of b is read is asked for
}

// Finish is what the Finish kernels are called with: y[r][j] = max(Floor, y[r][j] + bias[j]); NaN stays.
type Finish struct {
	Y     *float32
	YRow  int // in bytes
	Bias  *float32
	Rows  int // at least 1
	Steps int // vectors in a row
	Tail  uintptr
	Floor uint32 // the bits of 0 for ReLU, of -Inf for none
	_     uint32
}

// Lanes are the tails of AVX2 kernels: the first n of 8 lanes are those at Lanes[8-n].
var Lanes = [16]int32{-1, -1, -1, -1, -1, -1, -1, -1}

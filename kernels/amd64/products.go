package amd64

// Product is what the Product kernels are called with: tiles of output pixels and of one or two blocks of 16 output
// channels, in maps whose channels lie in blocks of 16. Steps are in bytes. The assembly knows the fields by their offsets, and moves
// the places on from tile to tile.
//
//	y[i][j] = bias[j] + add[i][j] + sum over taps t, channels c of x[i][offset(t)+c] * w[t][c][j], then max(0, y) if asked for
//
// The pixels are two runs of equal length: pixel i of run 0 is read at X0 + i*XStep and written at Y0 + i*YStep. Runs may
// overlap. Every sum starts with the bias and goes through the taps in order, one fused multiply-add after another.
type Product struct {
	X0, X1                 *float32
	W                      *float32 // a row of output channels for each tap and channel, one behind the other
	Y0, Y1                 *float32
	Add0, Add1             *float32 // what is added, in steps of y; nil for nothing
	Bias                   *float32 // nil for 0
	Offsets                *int     // of the taps from a pixel, and one more that is only looked at
	Taps, Channels         int      // first so many taps of so many channels each (at least one),
	TailTaps, TailChannels int      // then so many of others
	XStep, YStep           int
	YBlock                 int // from an output block to the next
	ReLU                   int // 1 for max(0, y); NaN stays
	Tiles                  int // at least 1
	XNext, YNext           int // from a tile to the next
	Ahead                  int // 1 to ask for weights ahead of their use in the first tile; with AVX-512 every tile does
}

// Gradient is what the Gradient kernels are called with: the sum over pixels of the products of some channels of x with one
// or two blocks of dy. Steps are in bytes.
//
//	dw[c][j] = (dw[c][j] if Accumulate) + sum over images, rows, columns of x[..][c] * dy[..][j]
type Gradient struct {
	X, DY, DW           *float32
	Images, Rows, Cols  int // at least 1 each
	XImage, XRow, XStep int
	YImage, YRow, YStep int
	YBlock              int // from a block of dy to the next
	WStep               int // from a channel's row of dw to the next
	Accumulate          int
}

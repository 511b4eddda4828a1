package amd64

// Parts is what PartsAMX and RoundedAMX are called with: tiles of 32 rows and columns of C that lie side by side get the products of a panel of A, 32 rows high, with
// one of B each, both split to three parts or rounded to one, or have them added. Meanwhile it asks for other memory, for the second-level cache: a line of it for each row of a tile. Distances are in bytes. The assembly knows the fields by their offsets.
type Parts struct {
	Config       [64]byte // TilesOf16
	Depth, Tiles int      // steps of 32 products, at least 1; tiles, at least 1
	A, B         *byte    // steps of 6144 bytes, as SplitRows and SplitLines write them, or 2048 of RoundRows and RoundLines; the panels of B follow each other
	C            *float32
	CRow         int
	Accumulate   int // 0: the sums start at 0
	Soon         *float32
	SoonRow      int // from row to row
	SoonNext     int // from behind a tile's last row to the next tile's first
}

// ProductParts is what ProductPartsAMX and ProductRoundedAMX are called with: tiles of 32 output pixels and one or two blocks of 16 output channels, in
// maps whose channels lie in blocks of 16. Distances are in bytes. The assembly knows the fields by their offsets, and counts Tiles down.
//
//	y[i][j] = bias[j] + add[i][j] + the products of A and B, then max(0, y) if asked for
type ProductParts struct {
	Config       [64]byte // TilesOf16
	Depth, Tiles int      // steps of 32 products, at least 1; tiles, at least 1
	A            *byte    // for each tile its steps, as above
	B            *byte    // likewise
	Sums         *float32 // room for 32 x 32
	Y, Add       *float32 // Add: nil for nothing
	YBlock       int      // from an output block to the next
	Places       *int     // of the pixels, 32 for each tile, from Y and from Add
	LastPixels   int      // of the last tile: 1 to 32
	Bias         *float32 // 32
	ReLU         int      // 1 for max(0, y); NaN stays
	Blocks       int      // 1 or 2
}

// TilesOf16 configures AMX for eight tiles of 16 rows of 64 bytes.
var TilesOf16 = func() (c [64]byte) {
	c[0] = 1 // the palette of such tiles
	for tile := range 8 {
		c[16+2*tile], c[48+tile] = 64, 16
	}
	return c
}()

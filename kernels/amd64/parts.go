package amd64

// Parts is what PartsAMX is called with: tiles of 32 rows and columns of C that lie side by side get the products of a panel of A, 32 rows high, with
// one of B each, both split to parts, or have them added. Meanwhile it asks for other memory, for the second-level cache: a line of it for each row of a tile. Distances are in bytes. The assembly knows the fields by their offsets.
type Parts struct {
	Config       [64]byte // TilesOf16
	Depth, Tiles int      // steps of 32 products, at least 1; tiles, at least 1
	A, B         *byte    // steps of 6144 bytes, as SplitRow and SplitLines write them; the panels of B follow each other
	C            *float32
	CRow         int
	Accumulate   int // 0: the sums start at 0
	Soon         *float32
	SoonRow      int // from row to row
	SoonNext     int // from behind a tile's last row to the next tile's first
}

// TilesOf16 configures AMX for eight tiles of 16 rows of 64 bytes.
var TilesOf16 = func() (c [64]byte) {
	c[0] = 1 // the palette of such tiles
	for tile := range 8 {
		c[16+2*tile], c[48+tile] = 64, 16
	}
	return c
}()

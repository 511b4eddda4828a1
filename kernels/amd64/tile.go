package amd64

// Tile is what the Tile kernels are called with: tiles of C that lie side by side get the products of a panel of A, of the kernel's
// height, with one of B each, or have them added. Distances are in bytes. The assembly knows the fields by their offsets.
//
//	c[i][j] = (c[i][j] if Accumulate) + sum over k < Depth of a[k][i] * b[k][j]
//
// Meanwhile it asks for other memory, for the second-level cache: a line of it for each row of a tile.
type Tile struct {
	Depth, Tiles int      // Tiles is at least 1
	A            *float32 // a panel: elements i side by side, those of k+1 behind those of k
	B            *float32
	C            *float32
	BStep        int // from k to k+1
	BNext        int // from where step Depth would be to the next tile's panel
	CRow         int
	Accumulate   int // 0: the sums start at 0
	Soon         *float32
	SoonRow      int      // from row to row
	SoonNext     int      // from behind a tile's last row to the next tile's first
	ARow         int      // of the kernels whose A lies in rows, each row's elements k side by side
	Copy         *float32 // of the kernels that copy B to a panel for each tile, one behind the other
}

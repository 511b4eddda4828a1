package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// tiles is struct Tiles of tile.cuh.
type tiles struct {
	rows, cols, channels      int32
	tileRows, tileCols, lanes int32
	down, across, chunks      int32
}

// byTiles lays blocks over the map that is written, [N, C, H, W].
func byTiles(shape tensor.Shape, t Type) (g tiles, grid [2]int, block uint32, pack string) {
	const side = 32
	n, channels, rows, cols := shape[0], shape[1], shape[2], shape[3]
	width := 1
	if channels%t.pack() == 0 {
		width, pack = t.pack(), "pack_"
	}
	down, beside := max(ceil(rows, side), 1), max(ceil(cols, side), 1)
	tileRows, tileCols := ceil(rows, down), ceil(cols, beside)
	most := 4 // lanes: 64 bytes of each place; more places and fewer channels, since what tiles share is read twice
	if rows*cols <= 16 {
		most = 64 // few places: more of the channels, to have enough threads
	}
	lanes := min(powerOfTwo(channels/width), most)
	slots := min(threads/lanes, powerOfTwo(tileRows*tileCols))
	g = tiles{int32(rows), int32(cols), int32(channels), int32(tileRows), int32(tileCols), int32(lanes),
		int32(down), int32(beside), int32(ceil(channels, width*lanes))}
	return g, [2]int{n * int(g.down) * int(g.across) * int(g.chunks), 1}, uint32(lanes * slots), pack
}

// pooling is struct Pool of pool.cu.
type pooling struct {
	height, width, rows, cols     int32
	window, stride, before, after [2]int32
	kind, countPadding            int32
}

func poolingOf(x, y tensor.Shape, s device.PoolSpec) pooling {
	p := pooling{
		height: int32(x[2]), width: int32(x[3]), rows: int32(y[2]), cols: int32(y[3]),
		before: [2]int32{int32(s.Padding.Top), int32(s.Padding.Left)},
		after:  [2]int32{int32(s.Padding.Bottom), int32(s.Padding.Right)},
		kind:   int32(s.Kind),
	}
	for i := range 2 {
		p.window[i], p.stride[i] = int32(s.Window[i]), int32(s.Stride[i])
	}
	if s.CountPadding {
		p.countPadding = 1
	}
	return p
}

// Pool writes y; s must be Normal.
func Pool(y, x uint64, yShape, xShape tensor.Shape, s device.PoolSpec, t Type) Launch {
	g, grid, block, pack := byTiles(yShape, t)
	l := launch(name("pool", pack, t), grid, pointer(y), pointer(x), arg(g), arg(poolingOf(xShape, yShape, s)))
	l.Block[0] = block
	return l
}

// PoolBackward writes all of dx; x and y are not read for an average. s must be Normal.
func PoolBackward(dx, dy, x, y uint64, yShape, xShape tensor.Shape, s device.PoolSpec, t Type) Launch {
	g, grid, block, pack := byTiles(xShape, t)
	l := launch(name("pool_backward", pack, t), grid, pointer(dx), pointer(dy), pointer(x), pointer(y), arg(g), arg(poolingOf(xShape, yShape, s)))
	l.Block[0] = block
	return l
}

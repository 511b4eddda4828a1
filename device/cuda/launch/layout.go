package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// matrices is struct Matrices of layout.cu.
type matrices struct{ rows, cols, down, across int32 }

// ToChannelsLast brings row-major x [N, C, H, W] into the order of memory, and to another type.
func ToChannelsLast(y, x uint64, shape tensor.Shape, yt, xt Type) Launch {
	return transpose(y, x, shape[0], shape[1], shape[2]*shape[3], yt, xt)
}

// FromChannelsLast is the way back.
func FromChannelsLast(y, x uint64, shape tensor.Shape, yt, xt Type) Launch {
	return transpose(y, x, shape[0], shape[2]*shape[3], shape[1], yt, xt)
}

// Few rows or columns make a matrix narrower than a tile: transpose_few of layout.cu has room for eight.
const few = 8

func transpose(y, x uint64, n, rows, cols int, yt, xt Type) Launch {
	suffix := xt.String()
	if yt != xt {
		suffix += "_" + yt.String()
	}
	if min(rows, cols) <= few {
		g := matrices{int32(rows), int32(cols), 1, int32(ceil(max(rows, cols), threads))}
		return launch("transpose_few_"+suffix, [2]int{n * int(g.across), 1}, pointer(y), pointer(x), arg(g))
	}
	g := matrices{int32(rows), int32(cols), int32(ceil(rows, 32)), int32(ceil(cols, 32))}
	return launch("transpose_"+suffix, [2]int{n * int(g.down) * int(g.across), 1}, pointer(y), pointer(x), arg(g))
}

// Cast changes the type of n elements; the two types differ.
func Cast(y, x uint64, n int, yt, xt Type) Launch {
	return launch("cast_"+xt.String()+"_"+yt.String(), [2]int{ceil(n, 8*threads), 1}, pointer(y), pointer(x), long(n))
}

// RowMajorAnyway says whether a shape lies the same in both orders, so that nothing needs to move: all but feature maps and
// weights, which lie channels last.
func RowMajorAnyway(shape tensor.Shape) bool {
	return len(shape) != 4 || shape[1] == 1 || shape[2]*shape[3] == 1 || device.Size(shape) == 0
}

package vector

import "fovea/kernels/amd64"

// packing and unpacking cut a block into pieces, and its channels into those that a kernel takes.

func packing(lanes int, f func(pixels int, block, maps *float32, stride, count int)) func(block, maps []float32, count int) {
	return func(block, maps []float32, count int) {
		plane := len(block) / Lanes
		maps = maps[:count*plane]
		for from := 0; from < plane; from += most / Lanes {
			pixels := amd64.Piece(plane-from, most/Lanes)
			for c := 0; c < Lanes; c += lanes {
				some := max(0, min(lanes, count-c))
				var first *float32
				if some > 0 {
					first = &maps[c*plane+from]
				}
				f(pixels, &block[from*Lanes+c], first, plane, some)
			}
		}
	}
}

func unpacking(lanes int, f func(pixels int, maps, block *float32, stride, count int)) func(maps, block []float32, count int) {
	return func(maps, block []float32, count int) {
		plane := len(block) / Lanes
		maps = maps[:count*plane]
		for from := 0; from < plane; from += most / Lanes {
			pixels := amd64.Piece(plane-from, most/Lanes)
			for c := 0; c < count; c += lanes {
				f(pixels, &maps[c*plane+from], &block[from*Lanes+c], plane, min(lanes, count-c))
			}
		}
	}
}

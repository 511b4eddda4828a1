package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// across is struct Across of lrn.cu.
type across struct {
	places                         int64
	channels, size                 int32
	alpha, beta, k                 float32
	chunk, chunks, width, perBlock int32
}

// normalise makes a launch whose blocks hold so many arrays of float32 in shared memory. 48 KiB is what every GPU gives without
// being asked; it is enough for whole places of 3000 channels, or for windows of 600 among any number.
func normalise(kernel string, arrays int, shape tensor.Shape, s device.LRNSpec, t Type, pointers ...argument) Launch {
	outer, channels, _ := lies(shape)
	const room = (48 << 10) / 4
	chunk, width := channels, channels
	if width*arrays > room {
		chunk = 512
		width = min(channels, chunk+4*(s.Size/2))
	}
	perBlock := max(1, min(1024/max(chunk, 1), room/(arrays*max(width, 1)), outer))
	g := across{int64(outer), int32(channels), int32(s.Size), float32(s.Alpha / float64(s.Size)), float32(s.Beta), float32(s.K),
		int32(chunk), int32(ceil(channels, max(chunk, 1))), int32(width), int32(perBlock)}
	l := launch(name(kernel, "", t), [2]int{ceil(outer, perBlock) * int(g.chunks), 1}, append(pointers, arg(g))...)
	l.Shared = uint32(4 * arrays * perBlock * width)
	return l
}

// LRN is local response normalisation of x [N, C, H, W].
func LRN(y, x uint64, shape tensor.Shape, s device.LRNSpec, t Type) Launch {
	return normalise("lrn", 1, shape, s, t, pointer(y), pointer(x))
}

// LRNBackward is its gradient.
func LRNBackward(dx, dy, x uint64, shape tensor.Shape, s device.LRNSpec, t Type) Launch {
	return normalise("lrn_backward", 3, shape, s, t, pointer(dx), pointer(dy), pointer(x))
}

// ContrastNorm is contrast normalisation of x [N, C, H, W].
func ContrastNorm(y, x uint64, shape tensor.Shape, s device.LRNSpec, t Type) Launch {
	return normalise("contrast", 1, shape, s, t, pointer(y), pointer(x))
}

// ContrastNormBackward is its gradient.
func ContrastNormBackward(dx, dy, x uint64, shape tensor.Shape, s device.LRNSpec, t Type) Launch {
	return normalise("contrast_backward", 4, shape, s, t, pointer(dx), pointer(dy), pointer(x))
}

package launch

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
)

// CopyRegion copies a box of elements of so many bytes (2 or 4): dst[to+i] = src[from+i].
func CopyRegion(dst uint64, dstShape tensor.Shape, to []int, src uint64, srcShape tensor.Shape, from, extent []int, bytes int) (Launch, error) {
	ds, ss := strides(dstShape), strides(srcShape)
	var axes []axis
	dstAt, srcAt := 0, 0
	for _, i := range inMemory(len(extent)) {
		axes = append(axes, axis{extent[i], ds[i], ss[i]})
		dstAt += to[i] * ds[i]
		srcAt += from[i] * ss[i]
	}
	axes = collapse(axes)
	unit := bytes
	if wide := 16 / bytes; len(axes) > 0 && wideEnough(axes, dstAt, srcAt, wide) {
		unit = 16
		for i := range axes[:len(axes)-1] {
			axes[i].a /= wide
			axes[i].b /= wide
		}
		axes[len(axes)-1].extent /= wide
	}
	at, err := boxOf("copy_region", axes)
	n := 1
	for _, x := range axes {
		n *= x.extent
	}
	return launch(fmt.Sprintf("copy_region_%d", unit), [2]int{ceil(n, threads), 1},
		pointer(dst+uint64(dstAt*bytes)), pointer(src+uint64(srcAt*bytes)), long(n), arg(at)), err
}

// wideEnough says whether runs of the innermost axis start and end at multiples of wide elements.
func wideEnough(axes []axis, dstAt, srcAt, wide int) bool {
	last := axes[len(axes)-1]
	if last.a != 1 || last.b != 1 || last.extent%wide != 0 || dstAt%wide != 0 || srcAt%wide != 0 {
		return false
	}
	for _, x := range axes[:len(axes)-1] {
		if x.a%wide != 0 || x.b%wide != 0 {
			return false
		}
	}
	return true
}

// Rotate180 turns the last two axes around.
func Rotate180(y, w uint64, shape tensor.Shape, t Type) Launch {
	rank := len(shape)
	mask, inner, unit := shape[rank-2]*shape[rank-1], 1, t.Bytes()
	if rank == 4 {
		inner = shape[1]
	}
	n := device.Size(shape)
	if inner%t.pack() == 0 {
		unit, inner, n = 16, inner/t.pack(), n/t.pack()
	}
	return launch(fmt.Sprintf("rotate180_%d", unit), [2]int{ceil(n, threads), 1}, pointer(y), pointer(w), long(n), long(mask), long(inner))
}

// sampleAxis is struct Axis of rearrange.cu.
type sampleAxis struct{ step, offset, divisor, in, out, interpolate int32 }

// sampling writes device.UpsampleSpec.Source as a ratio of integers.
func sampling(s device.UpsampleSpec, in, out int) (sampleAxis, error) {
	step, offset, divisor, interpolate := in, 0, out, 0
	if s.Bilinear {
		interpolate = 1
		switch {
		case s.AlignCorners && out > 1:
			step, divisor = in-1, out-1
		case s.AlignCorners:
			step, divisor = 0, 1
		default:
			step, offset, divisor = 2*in, in-out, 2*out
		}
	}
	if 2*(in+2)*(out+2) > math.MaxInt32 {
		return sampleAxis{}, fmt.Errorf("upsample: %w: from %d to %d, the product must be below 2^30", device.ErrShape, in, out)
	}
	return sampleAxis{int32(step), int32(offset), int32(divisor), int32(in), int32(out), int32(interpolate)}, nil
}

// Upsample writes y of shape yShape.
func Upsample(y, x uint64, yShape, xShape tensor.Shape, s device.UpsampleSpec, t Type) (Launch, error) {
	return upsample("upsample", y, x, yShape, yShape, xShape, s, t)
}

// UpsampleBackward writes dx of shape xShape.
func UpsampleBackward(dx, dy uint64, yShape, xShape tensor.Shape, s device.UpsampleSpec, t Type) (Launch, error) {
	return upsample("upsample_backward", dx, dy, xShape, yShape, xShape, s, t)
}

func upsample(kernel string, to, from uint64, written, y, x tensor.Shape, s device.UpsampleSpec, t Type) (Launch, error) {
	var axes [2]sampleAxis
	for i := range axes {
		var err error
		if axes[i], err = sampling(s, x[2+i], y[2+i]); err != nil {
			return Launch{}, err
		}
	}
	g, grid, block, pack := byTiles(written, t)
	l := launch(name(kernel, pack, t), grid, pointer(to), pointer(from), arg(g), arg(axes))
	l.Block[0] = block
	return l, nil
}

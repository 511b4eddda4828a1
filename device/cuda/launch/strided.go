package launch

import (
	"fmt"

	"fovea/device"
)

// mostAxes is RANK of strided.cuh.
const mostAxes = 6

// axis is an extent and the strides of up to two arrays along it.
type axis struct{ extent, a, b int }

// box is struct Box of strided.cuh: unused leading axes have extent 1.
type box struct{ extent, a, b [mostAxes]int64 }

// collapse drops axes of extent 1 and joins neighbours along which both arrays go on evenly.
func collapse(axes []axis) []axis {
	var out []axis
	for _, x := range axes {
		if x.extent == 1 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].a == x.a*x.extent && out[n-1].b == x.b*x.extent {
			out[n-1] = axis{out[n-1].extent * x.extent, x.a, x.b}
			continue
		}
		out = append(out, x)
	}
	return out
}

func boxOf(op string, axes []axis) (box, error) {
	var b box
	for i := range mostAxes {
		b.extent[i] = 1
	}
	if len(axes) > mostAxes {
		return b, fmt.Errorf("%s: %w: %d axes that cannot be joined, expected at most %d", op, device.ErrShape, len(axes), mostAxes)
	}
	for i, x := range axes {
		at := mostAxes - len(axes) + i
		b.extent[at], b.a[at], b.b[at] = int64(x.extent), int64(x.a), int64(x.b)
	}
	return b, nil
}

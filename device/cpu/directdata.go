package cpu

import (
	"fovea/device"
)

// phase is the positions h = first + i*stride of an axis of the input that the same taps of the window reach. With
// h + padding = stride*p + tap*dilation the output position under tap r is p = i + base - off[r].
type phase struct {
	first, count int
	base         int
	taps, off    []int
}

// phases takes an axis apart. Either stride or dilation is 1.
func phases(size, window, stride, dilation, padding int) []phase {
	var all []phase
	for rest := range stride {
		p := phase{first: (rest - padding%stride + stride) % stride}
		p.count = (size - p.first + stride - 1) / stride
		p.base = (p.first + padding - rest) / stride
		for r := rest; r < window; r += stride {
			p.taps, p.off = append(p.taps, r), append(p.off, r/stride*dilation)
		}
		if p.count > 0 {
			all = append(all, p)
		}
	}
	return all
}

// reach is how far before the first and after the last of n output positions the phases look.
func reach(all []phase, n int) (before, after int) {
	for _, p := range all {
		for _, o := range p.off {
			before, after = max(before, o-p.base), max(after, p.count-1+p.base-o-(n-1))
		}
	}
	return before, after
}

// backwardDataBlocks is ConvBackwardData on maps in blocks: for each phase of the stride the convolution of dy with the taps
// that reach it, turned by 180 degrees, so that nothing is multiplied by the zeros between strides.
func (d *Device) backwardDataBlocks(g *geometry, dx, dy, w *device.Tensor, a algorithm) {
	rows := phases(g.height, g.rows, g.Stride[0], g.Dilation[0], g.Padding.Top)
	cols := phases(g.width, g.cols, g.Stride[1], g.Dilation[1], g.Padding.Left)
	var r rim
	r.top, r.bottom = reach(rows, g.outHeight)
	r.left, r.right = reach(cols, g.outWidth)
	from := d.surrounded(dy, r)
	defer d.giveBack(from)
	plane := g.height * g.width * lanes
	for i, down := range rows {
		for j, across := range cols {
			number := i*len(cols) + j
			read := d.reading(passOf{"data", number, *g}, func() reading {
				var places, numbers []int
				for m, a := range down.taps {
					for n, b := range across.taps {
						places = append(places, (r.top+down.base-down.off[m])*from.row+(r.left+across.base-across.off[n])*lanes)
						numbers = append(numbers, a*g.cols+b)
					}
				}
				return tapsOfBlocks(g.maps, places, from.block, g.rows*g.cols, func(channel, tap int) int { return channel*g.taps + numbers[tap] })
			})
			for group := range g.Groups {
				run := &sweep{x: from.data, xFirst: group * g.maps / lanes * from.block, xImage: from.image, xRow: from.row, xStep: lanes,
					y: out(dx), yFirst: group*g.channels/lanes*plane + (down.first*g.width+across.first)*lanes, yImage: blocksOf(dx.Shape[1]) * plane, yBlock: plane,
					yRow: g.Stride[0] * g.width * lanes, yStep: g.Stride[1] * lanes,
					images: g.images, rows: down.count, cols: across.count, pixels: down.count * across.count, maps: g.channels}
				if g.pointwise() {
					run.asOneLine()
				}
				d.runWith(run, w, nil, group*g.maps, read, a)
			}
		}
	}
}

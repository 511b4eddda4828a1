package cpu

import (
	"fovea/device"
	tiles "fovea/kernels/blocked"
)

// Conv implements device.Convolution.
func (d *Device) Conv(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return d.convolve(y, x, w, epilogue{bias: floats(b)}, s)
}

// ConvReLU implements device.FusedConvolution.
func (d *Device) ConvReLU(y, x, w, b *device.Tensor, s device.ConvSpec) error {
	return d.convolve(y, x, w, epilogue{bias: floats(b), relu: true}, s)
}

// epilogue is what is done to the sums of a convolution before they are written: bias and add are added, and the larger of 0
// and that taken if relu is set. Bias and add may be nil. The weights are those of a convolution, or of one and the
// normalisation after it.
type epilogue struct {
	bias []float32
	add  *device.Tensor
	relu bool
	fold *folding
}

// inBlocksWell says that a convolution between x and y has a form on channel blocks: maps in blocks, of which x may be a
// picture of few channels, and groups that are whole blocks.
func inBlocksWell(x, w, y *device.Tensor, s device.ConvSpec) bool {
	if !blockable(y.Shape) || !blockable(x.Shape) && !thin(x) || x.Size() == 0 || y.Size() == 0 {
		return false
	}
	return s.Groups == 1 || w.Shape[1]%lanes == 0 && w.Shape[0]/s.Groups%lanes == 0
}

// thin says that x is a picture of few channels.
func thin(x *device.Tensor) bool { return x.Shape[1] < lanes/2 && x.Shape[2]*x.Shape[3] > 1 }

// convolve is y = Conv(x, w) and what comes after.
func (d *Device) convolve(y, x, w *device.Tensor, e epilogue, s device.ConvSpec) error {
	if blocked(w) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.convolve(y, x, t[0], e, s) }, w)
	}
	if !inBlocksWell(x, w, y, s) {
		return d.rowMajor(1, func(t []*device.Tensor) error {
			e.add = t[2]
			return d.convolveRowMajor(t[0], t[1], w, e, s)
		}, y, x, e.add)
	}
	return d.inBlocks(1, func(t []*device.Tensor) error {
		y, x := t[0], t[1]
		e.add = t[2]
		g := newGeometry(x, w, y, s)
		if thin(x) {
			d.convolvePicture(g, y, x, w, e)
			return nil
		}
		d.choose("forward", g, w, func(a algorithm) {
			if a == winograd {
				weights, kept := d.plainWeights(w, e.fold)
				d.convolveTiles(y, x, weights.data, e, s)
				d.doneWith(weights, kept)
			} else {
				d.convolveBlocks(g, y, x, w, e, a)
			}
		})
		return nil
	}, y, x, e.add)
}

// rim is the zeros that windows see around the maps: what the padding is, and no more than they reach.
func (g *geometry) rim() rim {
	return rim{g.Padding.Top, max(0, (g.outHeight-1)*g.Stride[0]+(g.rows-1)*g.Dilation[0]+1-g.Padding.Top-g.height),
		g.Padding.Left, max(0, (g.outWidth-1)*g.Stride[1]+(g.cols-1)*g.Dilation[1]+1-g.Padding.Left-g.width)}
}

// convolveBlocks is convolve on maps in blocks. The list of the micro-kernel has for each block of input channels every tap
// of the window.
func (d *Device) convolveBlocks(g *geometry, y, x, w *device.Tensor, e epilogue, a algorithm) {
	from := d.surrounded(x, g.rim())
	defer d.giveBack(from)
	read := d.reading(passOf{"forward", 0, *g}, func() reading {
		var places []int
		for r := range g.rows {
			for c := range g.cols {
				places = append(places, r*g.Dilation[0]*from.row+c*g.Dilation[1]*lanes)
			}
		}
		return tapsOfBlocks(g.channels, places, from.block, g.taps, func(channel, tap int) int { return channel*g.rows*g.cols + tap })
	})
	for group := range g.Groups {
		run := &sweep{x: from.data, xFirst: group * g.channels / lanes * from.block, xImage: from.image, xRow: g.Stride[0] * from.row, xStep: g.Stride[1] * lanes, relu: e.relu}
		if e.bias != nil {
			run.bias = wholeBlocks(e.bias[group*g.maps:][:g.maps], g.maps)
		}
		g.toOutput(run, y, e.add, group)
		if g.pointwise() {
			run.asOneLine()
		}
		d.runWith(run, w, e.fold, group*g.maps, read, a)
	}
}

// reading is what a sweep reads for each pixel, and the order of the weights that go with it.
type reading struct {
	taps  []*tiles.Taps
	order *weightOrder
}

// reading makes one at the first of its convolutions. Whatever it depends on, the number of images aside, must be in the key.
func (d *Device) reading(of passOf, build func() reading) reading {
	of.g.images, of.g.Learning = 0, false
	r, known := d.reads[of]
	if !known {
		r = build()
		r.order = d.known(r.order)
		d.reads[of] = r
	}
	return r
}

// mostTaps is how many taps of 16 channels are summed before the sum is added to the pixel: rounding grows with the length of
// a chain of additions. Gradients of AlexNet and VGG are twice as near to float64 as with one chain, and as near as PyTorch's.
const mostTaps = 18

// tapsOfBlocks lists the places of a window for every block of input channels. Output channel o's weight for a channel and
// tap is element o*out + index.
func tapsOfBlocks(channels int, places []int, block, out int, index func(channel, tap int) int) reading {
	var full, tail []int
	order := &weightOrder{out: out}
	for first := 0; first < channels; first += lanes {
		count := min(lanes, channels-first)
		for tap, place := range places {
			if count == lanes {
				full = append(full, first/lanes*block+place)
			} else {
				tail = append(tail, first/lanes*block+place)
			}
			for c := first; c < first+count; c++ {
				order.rows = append(order.rows, index(c, tap))
			}
		}
	}
	var parts []*tiles.Taps
	for len(full) > mostTaps {
		n := pieces(len(full), pieces(len(full), mostTaps))
		parts = append(parts, tiles.NewTaps(full[:n], nil, lanes, 0))
		full = full[n:]
	}
	return reading{append(parts, tiles.NewTaps(full, tail, lanes, channels%lanes)), order}
}

// toOutput fills in where a sweep writes.
func (g *geometry) toOutput(run *sweep, y, add *device.Tensor, group int) {
	g.linesOf(run)
	run.y, run.add = out(y), floats(add)
	run.yFirst, run.yImage = group*g.maps/lanes*run.yBlock, blocksOf(y.Shape[1])*run.yBlock
}

// linesOf fills in how a sweep writes the maps of an image.
func (g *geometry) linesOf(run *sweep) {
	run.yBlock, run.yRow, run.yStep = g.places*lanes, g.outWidth*lanes, lanes
	run.images, run.rows, run.cols, run.pixels, run.maps = g.images, g.outHeight, g.outWidth, g.places, g.maps
}

// asOneLine cuts maps whose rows follow each other, in x as in y, into lines of whole tiles.
func (s *sweep) asOneLine() {
	s.cols = min(s.pixels, 8*14)
	s.rows = pieces(s.pixels, s.cols)
	s.xRow, s.yRow = s.cols*s.xStep, s.cols*s.yStep
}

// convolvePicture is convolve of a picture of few channels.
func (d *Device) convolvePicture(g *geometry, y, x, w *device.Tensor, e epilogue) {
	run, read := d.sweepOfPicture(g, x, e)
	g.toOutput(run, y, e.add, 0)
	d.runWith(run, w, e.fold, 0, read, direct)
}

// sweepOfPicture is how a sweep reads a picture of few channels. With its channels side by side what a row of the window covers
// is one piece of memory, and so one tap of cols*channels numbers.
func (d *Device) sweepOfPicture(g *geometry, x *device.Tensor, e epilogue) (*sweep, reading) {
	from := d.picture(g, x)
	pass := "picture"
	if from.stacked { // which depends on how many images there are
		pass = "stacked picture"
	}
	read := d.reading(passOf{pass, 0, *g}, func() reading {
		places, size, index := g.tapsOfPicture(from)
		order := &weightOrder{out: g.taps}
		for tap := range places {
			for i := range size {
				order.rows = append(order.rows, index(i, tap))
			}
		}
		return reading{[]*tiles.Taps{tiles.NewTaps(places, nil, size, 0)}, order}
	})
	return &sweep{x: from.data, xImage: from.image, xRow: from.down, xStep: g.Stride[1] * from.step, bias: wholeBlocks(e.bias, g.maps), relu: e.relu}, read
}

// tapsOfPicture lists the taps of a window on a picture with its channels side by side: their places, how many numbers each
// has, and which weight goes with a number.
func (g *geometry) tapsOfPicture(from source) (places []int, size int, index func(i, tap int) int) {
	plane := g.rows * g.cols
	if from.stacked {
		return []int{0}, plane * g.channels, func(i, _ int) int {
			return i%g.channels*plane + i/g.channels%g.rows*g.cols + i/g.channels/g.rows
		}
	}
	if g.Dilation[1] == 1 {
		for r := range g.rows {
			places = append(places, r*g.Dilation[0]*from.row)
		}
		return places, g.cols * g.channels, func(i, tap int) int { return i%g.channels*plane + tap*g.cols + i/g.channels }
	}
	for r := range g.rows {
		for c := range g.cols {
			places = append(places, r*g.Dilation[0]*from.row+c*g.Dilation[1]*from.step)
		}
	}
	return places, g.channels, func(i, tap int) int { return i*plane + tap }
}

// ConvBackwardData implements device.Convolution.
func (d *Device) ConvBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) error {
	if blocked(w) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.ConvBackwardData(dx, dy, t[0], s) }, w)
	}
	if !inBlocksWell(dx, w, dy, s) || thin(dx) || s.Stride != [2]int{1, 1} && s.Dilation != [2]int{1, 1} {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.backwardDataRowMajor(t[0], t[1], w, s) }, dx, dy)
	}
	return d.inBlocks(1, func(t []*device.Tensor) error {
		g := newGeometry(t[0], w, t[1], s)
		d.choose("backward data", g, w, func(a algorithm) {
			if a == winograd {
				d.winogradBackwardData(t[0], t[1], w, s)
			} else {
				d.backwardDataBlocks(g, t[0], t[1], w, a)
			}
		})
		return nil
	}, dx, dy)
}

// ConvBackwardWeights implements device.Convolution.
func (d *Device) ConvBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) error {
	if blocked(dw) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.ConvBackwardWeights(t[0], x, dy, s) }, dw)
	}
	if !inBlocksWell(x, dw, dy, s) {
		return d.rowMajor(0, func(t []*device.Tensor) error { return d.backwardWeightsRowMajor(dw, t[0], t[1], s) }, x, dy)
	}
	s.Learning = false // no weights are read
	return d.inBlocks(0, func(t []*device.Tensor) error {
		g := newGeometry(t[0], dw, t[1], s)
		if thin(x) {
			d.backwardWeightsBlocks(g, dw, t[0], t[1])
			return nil
		}
		d.choose("backward weights", g, nil, func(a algorithm) {
			switch {
			case a == winograd:
				d.winogradBackwardWeights(dw, t[0], t[1], s)
			case a != byParts || !d.backwardWeightsParts(g, dw, t[0], t[1]):
				d.backwardWeightsBlocks(g, dw, t[0], t[1])
			}
		})
		return nil
	}, x, dy)
}

// Rotate180 implements device.Convolution.
func (d *Device) Rotate180(y, w *device.Tensor) error {
	if blocked(y, w) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Rotate180(t[0], t[1]) }, y, w)
	}
	rank := len(w.Shape)
	mask := w.Shape[rank-2] * w.Shape[rank-1]
	from, to := floats(w), out(y)
	for i, v := range from {
		to[i/mask*mask+mask-1-i%mask] = v
	}
	return nil
}

// convolveTiles is convolve by Winograd's method.
func (d *Device) convolveTiles(y, x *device.Tensor, weights []float32, e epilogue, s device.ConvSpec) {
	c := newTiling(x, y, s.Padding.Top, s.Padding.Left)
	c.weights, c.bias, c.add, c.relu = weights, e.bias, floats(e.add), e.relu
	d.winograd(c, c.plan(d.team.size), floats(x), out(y))
}

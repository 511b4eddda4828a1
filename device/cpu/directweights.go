package cpu

import (
	"fovea/device"
	tiles "fovea/kernels/blocked"
)

// correlation is the gradient of a convolution's weights: for each panel of output channels, block of input channels and tap
// of the window a piece of 16 (or what a picture has) x 32 sums over all pixels. A strip of pixels meets all the pieces before the
// next, from the cache; workers share the pieces, so each sum is made by one of them, in the order of strips. Where there are
// few pieces, and so every worker would read all of dy, workers share the images too: a piece then has a sum for each of some
// parts of the batch, as many however many workers there are.
type correlation struct {
	*geometry
	x                  source
	xFirst             int
	y                  []float32
	made               gradientMaps // in the place of y, if it is not nil
	yFirst, yImage     int
	blocks             int // of input channels
	channels           int // of a piece: a multiple of 8
	reach              []tapReach
	sums               []float32
	parts              int // of the batch
	imagesAtOnce, rows int // of a strip
}

// tapReach is one tap: where it reads from the first pixel, and the output rows and columns for which that is in the map.
type tapReach struct {
	place                    int
	top, bottom, left, right int
}

// gradientMaps makes the maps of dy for some images, for a worker.
type gradientMaps func(worker, image, images int) []float32

// A batch is cut into mostParts at most, each with sums of its own, so that a worker has the images that he had in the operations before. Where
// panels or blocks could be divided, only if that costs little: the sums stay in the second-level cache, and meet many pixels.
const (
	mostParts    = 8
	sumsOfPart   = 1 << 16
	pixelsOfPart = 1024
)

// outputsOfPiece is the number of output channels of a panel.
const outputsOfPiece = 2 * lanes

// pixelsAtOnce is how many pixels of dy's two blocks and of one of x stay in the first-level cache.
const pixelsAtOnce = 200

func (d *Device) backwardWeightsBlocks(g *geometry, dw, x, dy *device.Tensor) {
	d.correlate(&correlation{geometry: g, y: floats(dy)}, dw, x)
}

// correlate computes dw, from what c has for dy.
func (d *Device) correlate(c *correlation, dw, x *device.Tensor) {
	g := c.geometry
	c.yImage = blocksOf(g.maps*g.Groups) * g.places * lanes
	var index func(i, tap int) int
	last := 0 // rows of a piece that are weights, in the last block
	if thin(x) {
		c.x = d.picture(g, x)
		places, size, number := g.tapsOfPicture(c.x)
		c.blocks, c.channels, index, last = 1, (size+7)/8*8, number, size
		if c.x.stacked { // one tap; in pieces of 8 there is work for more than one worker
			c.channels, last = 8, 8
			for at := 8; at < size; at += 8 {
				places = append(places, at)
			}
			index = func(i, tap int) int {
				if i += 8 * tap; i < size {
					return number(i, 0)
				}
				return -1
			}
		}
		for _, p := range places {
			c.reach = append(c.reach, tapReach{p, 0, g.outHeight, 0, g.outWidth})
		}
	} else {
		plane := g.height * g.width * lanes
		c.x = source{data: floats(x), image: blocksOf(x.Shape[1]) * plane, block: plane, row: g.width * lanes, step: lanes, down: g.Stride[0] * g.width * lanes}
		for r := range g.rows {
			for s := range g.cols {
				c.reach = append(c.reach, g.tapInside(r, s))
			}
		}
		c.blocks, c.channels, last = blocksOf(g.channels), lanes, (g.channels-1)%lanes+1
		index = func(i, tap int) int { return i*g.rows*g.cols + tap }
	}
	pixels := min(pixelsAtOnce, max(49, 1<<18/(g.channels+g.maps)))
	c.rows, c.imagesAtOnce = min(g.outHeight, max(1, pixels/g.outWidth)), 1
	if c.rows == g.outHeight {
		c.imagesAtOnce = min(g.images, max(1, pixels/g.places))
	}
	panels := pieces(g.maps, outputsOfPiece)
	pieces := panels * c.blocks * len(c.reach)
	size := pieces * c.channels * outputsOfPiece
	c.parts = max(1, min(mostParts, g.images))
	if panels*c.blocks > 1 && (size > sumsOfPart || g.images*g.places < c.parts*pixelsOfPart) {
		c.parts = 1
	}
	room := d.floats.get(max(1, c.parts*size), &d.stats)
	defer d.floats.put(room)
	c.sums = room.data
	for group := range g.Groups {
		c.xFirst, c.yFirst = group*g.channels/lanes*c.x.block, group*g.maps/lanes*g.places*lanes
		units, cost := c.parts*pieces, max(1, g.images/c.parts*g.places*lanes)
		stretches := 0 // a share each
		if c.parts >= 2*d.team.size && c.parts%d.team.size == 0 {
			stretches = c.parts
		}
		d.divideInto(units, cost, stretches, func(worker, from, to int) {
			for from < to {
				part, first := from/pieces, from%pieces
				last := min(pieces, first+to-from)
				c.compute(d.tiles, worker, part, first, last, c.sums[part*size:])
				from += last - first
			}
		})
		if c.parts > 1 {
			d.addParts(c.sums[:size], c.sums, c.parts)
		}
		c.collect(d, g.weights(out(dw), group), last, index)
	}
}

// tapInside is the reach of tap (r, s) of a window on a map without rim.
func (g *geometry) tapInside(r, s int) tapReach {
	down, across := r*g.Dilation[0]-g.Padding.Top, s*g.Dilation[1]-g.Padding.Left
	t := tapReach{place: (down*g.width + across) * lanes}
	t.left, t.right = inside(across, g.Stride[1], g.width, g.outWidth)
	t.top, t.bottom = inside(down, g.Stride[0], g.height, g.outHeight)
	return t
}

// compute makes pieces [from, to) of a part of the batch, which are in the order of panels, blocks, taps.
func (c *correlation) compute(k *tiles.Kernel, worker, part, from, to int, sums []float32) {
	size := c.channels * outputsOfPiece
	clear(sums[from*size : to*size])
	g := &tiles.Gradient{X: c.x.data, XImage: c.x.image, XRow: c.x.down, XStep: c.Stride[1] * c.x.step,
		YImage: c.yImage, YRow: c.outWidth * lanes, YStep: lanes, YBlock: c.geometry.places * lanes, Channels: c.channels}
	taps := len(c.reach)
	first, end := c.images*part/c.parts, c.images*(part+1)/c.parts
	for image := first; image < end; image += c.imagesAtOnce {
		g.Images = min(c.imagesAtOnce, end-image)
		if c.made != nil {
			g.DY = c.made(worker, image, g.Images)
		} else {
			g.DY = c.y[image*c.yImage:]
		}
		for row := 0; row < c.outHeight; row += c.rows {
			for piece := from; piece < to; piece++ {
				number, block, tap := piece/(taps*c.blocks), piece/taps%c.blocks, &c.reach[piece%taps]
				top := max(row, tap.top)
				g.Rows, g.Cols = min(row+c.rows, c.outHeight, tap.bottom)-top, tap.right-tap.left
				if g.Rows <= 0 || g.Cols <= 0 {
					continue
				}
				g.Blocks = min(2, blocksOf(c.maps)-2*number)
				x := c.xFirst + image*c.x.image + block*c.x.block + tap.place + top*g.XRow + tap.left*g.XStep
				y := c.yFirst + 2*number*g.YBlock + top*g.YRow + tap.left*lanes
				k.Sum(g, sums[piece*size:][:size], x, y, true)
			}
		}
	}
}

// collect copies the sums to where the weights belong, 16 neighbours at a time. Of the last block of pieces only some rows
// are weights.
func (c *correlation) collect(d *Device, dw []float32, last int, index func(i, tap int) int) {
	taps, size := len(c.reach), c.channels*outputsOfPiece
	d.divide(pieces(c.maps, outputsOfPiece), outputsOfPiece*c.taps, func(_, from, to int) {
		var offsets [lanes]int32
		var places [outputsOfPiece]int
		order := make([]int32, c.channels*taps) // where among a block's sums the weights of an output channel lie
		for number := from; number < to; number++ {
			width := lanes * min(2, blocksOf(c.maps)-2*number)
			outs := min(outputsOfPiece, c.maps-number*outputsOfPiece)
			for block := range c.blocks {
				count := c.channels
				if block == c.blocks-1 {
					count = last
				}
				sums := c.sums[(number*c.blocks+block)*taps*size:][:taps*size]
				first := index(block*lanes, 0)
				weights := 0
				for tap := range taps {
					for i := range count {
						if to := index(block*lanes+i, tap); to >= 0 {
							order[to-first] = int32(tap*size + i*width)
							weights++
						}
					}
				}
				to := dw[number*outputsOfPiece*c.taps+first:]
				for o := range places {
					places[o] = o
				}
				at := 0
				for ; at+lanes <= weights; at += lanes {
					copy(offsets[:], order[at:])
					d.tiles.Gather(to[at:], c.taps, sums, &offsets, places[:outs])
				}
				for ; at < weights; at++ {
					for o := range outs {
						to[o*c.taps+at] = sums[int(order[at])+o]
					}
				}
			}
		}
	})
}

// addParts adds up the sums of a batch's parts, two or more that lie one after another, in their order. The first may be sum itself.
func (d *Device) addParts(sum, all []float32, parts int) {
	d.divide(len(sum), parts, func(_, from, to int) {
		before := all[from:to]
		for part := 1; part < parts; part++ {
			d.vector.Add(sum[from:to], before, all[part*len(sum):][from:to])
			before = sum[from:to]
		}
	})
}

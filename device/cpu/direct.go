package cpu

import (
	"slices"

	"fovea/device"
	tiles "fovea/kernels/blocked"
)

// sweep is a direct convolution on maps in blocks of channels, one micro-kernel call for each line of output pixels and each
// panel of output channels: as many as the micro-kernel computes at a time. Positions and steps are in float32s.
type sweep struct {
	x                          []float32
	xFirst, xImage             int
	xRow, xStep                int // from an output row, an output pixel to the next
	y, add                     []float32
	yFirst, yImage, yBlock     int
	yRow, yStep                int
	images, rows, cols, pixels int           // pixels in an image: rows*cols, or fewer if the last row is short
	maps                       int           // output channels
	taps                       []*tiles.Taps // in parts, one added to the other
	rowsOfWeights              int
	w, bias                    []float32 // w packed, see packWeights; bias as long as maps in whole blocks, or nil
	relu                       bool
}

// panel is the number of output channels that are computed together.
func (d *Device) panel() int { return d.tiles.Blocks * lanes }

// Sizes in float32s of what should stay in the second-level cache together: the weights of some panels, and the input lines
// that meet them one panel after another.
const (
	weightsInCache = 3 << 16 // 768 KB
	linesInCache   = 1 << 16 // 256 KB
)

// runWith computes a sweep with weights from channel first on, in the order in which it reads.
func (d *Device) runWith(s *sweep, w *device.Tensor, f *folding, first int, read reading, a algorithm) {
	s.reads(read)
	if a == byParts && s.rowsOfWeights > 0 && (s.add == nil || &s.add[0] != &s.y[0]) && d.runParts(s, w, f, first, read) {
		return
	}
	d.withWeights(s, w, f, first, read, func() { d.run(s) })
}

func (s *sweep) reads(r reading) { s.taps, s.rowsOfWeights = r.taps, len(r.order.rows) }

// withWeights calls do while a sweep has its weights.
func (d *Device) withWeights(s *sweep, w *device.Tensor, f *folding, first int, read reading, do func()) {
	weights, kept := d.packed(w, f, first, s.maps, read.order)
	defer d.doneWith(weights, kept)
	s.w = weights.data
	do()
}

// run computes the convolution. Work is cut into chunks of panels, images, strips of lines, panels, in this order: a chunk's
// weights are read again for every strip and a strip's lines for every panel, both from the cache.
func (d *Device) run(s *sweep) {
	if s.images == 0 || s.rows == 0 || s.cols == 0 {
		return
	}
	panel := d.panel()
	panels := pieces(s.maps, panel)
	chunk := min(panels, max(1, weightsInCache/max(1, s.rowsOfWeights*panel)))
	lineSize := max(1, s.rowsOfWeights*s.cols/2) // an upper guess: windows overlap
	strip := min(s.rows, max(1, linesInCache/lineSize))
	if strip > 1 {
		strip = strip / 2 * 2 // short rows go in pairs
	}
	for s.images*pieces(s.rows, strip)*panels < 4*d.team.size && strip > 2 {
		strip = (strip/2 + 1) / 2 * 2
	}
	strips := pieces(s.rows, strip)
	perChunk := s.images * strips
	d.team.share(perChunk*panels, d.team.pieces(), func(_, from, to int) {
		p := &tiles.Product{X: s.x, Y: s.y, XStep: s.xStep, YStep: s.yStep, YBlock: s.yBlock}
		for unit := from; unit < to; unit++ {
			first := unit / (perChunk * chunk) * chunk
			size := min(chunk, panels-first)
			rest := unit - first*perChunk
			group, number := rest/size, first+rest%size
			s.strip(d.tiles, p, number, group/strips, group%strips*strip, min(s.rows, (group%strips+1)*strip))
		}
	})
}

// strip computes one panel of rows [from, to) of an image.
func (s *sweep) strip(k *tiles.Kernel, p *tiles.Product, number, image, from, to int) {
	panel := k.Blocks * lanes
	p.W = s.w[number*s.rowsOfWeights*panel:]
	p.Blocks = min(k.Blocks, blocksOf(s.maps)-k.Blocks*number)
	p.Bias, p.Add = nil, s.add
	if s.bias != nil {
		p.Bias = s.bias[number*panel:][:p.Blocks*lanes]
	}
	x, y := s.xFirst+image*s.xImage, s.yFirst+image*s.yImage+k.Blocks*number*s.yBlock
	for i, part := range s.taps {
		p.Taps, p.ReLU, p.Ahead = part, s.relu && i == len(s.taps)-1, true
		for row := from; row < to; row++ {
			if s.cols <= k.Run && row+1 < to {
				k.Pair(p, x+row*s.xRow, x+(row+1)*s.xRow, y+row*s.yRow, y+(row+1)*s.yRow, s.cols)
				row++
				continue
			}
			k.Line(p, x+row*s.xRow, y+row*s.yRow, min(s.cols, s.pixels-row*s.cols))
		}
		p.W, p.Bias, p.Add = p.W[part.Rows()*p.Blocks*lanes:], nil, s.y
	}
}

// source is a feature map, its rim of zeros physically there, or a picture with its channels side by side.
type source struct {
	data                    []float32
	image, block, row, step int
	down                    int              // of a picture: from what an output row reads to what the next one does
	stacked                 bool             // of a picture: see stack
	room                    *buffer[float32] // to be given back, if the data are a copy
}

// rim is how many rows and columns of zeros are put around a map.
type rim struct{ top, bottom, left, right int }

// surrounded is a map in blocks with zeros around.
func (d *Device) surrounded(x *device.Tensor, r rim) source {
	blocks, height, width := blocksOf(x.Shape[1]), x.Shape[2], x.Shape[3]
	if r == (rim{}) {
		return source{data: floats(x), image: blocks * height * width * lanes, block: height * width * lanes, row: width * lanes, step: lanes}
	}
	tall, wide := r.top+height+r.bottom, r.left+width+r.right
	s := source{image: blocks * tall * wide * lanes, block: tall * wide * lanes, row: wide * lanes, step: lanes}
	s.room = d.floats.get(max(1, x.Shape[0]*s.image), &d.stats)
	s.data = s.room.data
	from := floats(x)
	d.divide(x.Shape[0]*blocks, tall*wide, func(_, first, last int) {
		for m := first; m < last; m++ {
			to, in := s.data[m*s.block:][:s.block], from[m*height*width*lanes:]
			clear(to[:r.top*s.row])
			clear(to[(r.top+height)*s.row:])
			for row := range height {
				line := to[(r.top+row)*s.row:][:s.row]
				clear(line[:r.left*lanes])
				copy(line[r.left*lanes:], in[row*width*lanes:][:width*lanes])
				clear(line[(r.left+width)*lanes:])
			}
		}
	})
	return s
}

// picture is a row-major picture of few channels, its channels side by side (NHWC), with zeros around, and some more at the
// end that a kernel may read but not use. It is kept as a form of x, for the gradient of the weights.
func (d *Device) picture(g *geometry, x *device.Tensor) source {
	s, of := g.pictureLayout(), *g
	of.Learning = false // it holds no weights, and the gradient's pass, which reads none, wants it too
	b, _ := d.formOf(formKey{pass: "picture", picture: of}, []*device.Tensor{x}, true, func() *buffer[float32] {
		const spare = 4 * lanes
		b := d.floats.get(g.images*s.image+spare, &d.stats)
		clear(b.data[g.images*s.image:])
		if s.stacked {
			d.stack(b.data, g, s, floats(x))
		} else {
			d.sideBySide(b.data, g, s, floats(x))
		}
		return b
	})
	s.data = b.data
	return s
}

// pictureLayout is how such a picture lies.
func (g *geometry) pictureLayout() source {
	r := g.rim()
	wide := r.left + g.width + r.right
	if g.stacks() {
		row := wide * g.rows * g.channels
		return source{image: g.outHeight * row, row: row, step: g.rows * g.channels, down: row, stacked: true}
	}
	row := wide * g.channels
	return source{image: (r.top + g.height + r.bottom) * row, row: row, step: g.channels, down: g.Stride[0] * row}
}

// sideBySide fills in a picture.
func (d *Device) sideBySide(data []float32, g *geometry, s source, from []float32) {
	r, channels, height, width := g.rim(), g.channels, g.height, g.width
	d.divide(g.images, s.image, func(_, first, last int) {
		for n := first; n < last; n++ {
			to := data[n*s.image:][:s.image]
			if r != (rim{}) {
				clear(to)
			}
			for row := range height {
				line := to[(r.top+row)*s.row+r.left*channels:][:channels*width]
				if channels == 3 {
					interleave(line, from[(n*3*height+row)*width:], height*width)
					continue
				}
				spread(line, channels, 1, from[(n*channels*height+row)*width:], height*width, width, channels)
			}
		}
	})
}

// stackable is the most float32s of a picture whose rows are stacked.
const stackable = 1 << 22

// stacks says that a picture is small enough to have the rows of the windows stacked, see stack: what is copied R times is
// read more quickly when a row of a window is but a few numbers.
func (g *geometry) stacks() bool {
	return g.cols*g.channels < lanes && g.Dilation == [2]int{1, 1} && g.images*g.outHeight*(g.width+g.cols)*g.rows*g.channels <= stackable
}

// stack fills in a picture in which every pixel has beside it what lies below it in the windows of its output row: for each
// output row p, and each column, the numbers of rows p*stride to p*stride+R-1. A whole window is then one piece of memory. What an output
// row shares with the one before, R-stride rows of it, is that line moved by stride rows' numbers: columns follow each other.
func (d *Device) stack(data []float32, g *geometry, s source, from []float32) {
	r, wide := g.rim(), s.row/s.step
	d.divide(g.images*g.outHeight, s.row, func(_, begin, end int) {
		for unit := begin; unit < end; unit++ {
			n, p := unit/g.outHeight, unit%g.outHeight
			line := data[unit*s.row:][:s.row]
			top := p*g.Stride[0] - r.top // of the window, which the picture may not have
			fresh := 0                   // the first row of the window that is not there yet
			switch {
			case p > 0 && unit > begin && g.Stride[0] < g.rows:
				fresh = g.rows - g.Stride[0]
				copy(line, data[(unit-1)*s.row+g.Stride[0]*g.channels:][:s.row])
				if top+fresh < 0 || top+g.rows > g.height {
					g.clearStacked(line, fresh, 0, wide)
				}
				g.clearStacked(line, fresh, 0, r.left)
				g.clearStacked(line, fresh, r.left+g.width, wide)
			case r != (rim{}):
				clear(line)
			}
			first, last := max(fresh, -top), min(g.rows, g.height-top)
			if first >= last {
				continue
			}
			for c := range g.channels {
				at := r.left*s.step + first*g.channels + c
				spread(line[at:], s.step, g.channels, from[((n*g.channels+c)*g.height+top+first)*g.width:], g.width, g.width, last-first)
			}
		}
	})
}

// clearStacked clears some columns of the rows from one on, of a line of stacked rows.
func (g *geometry) clearStacked(line []float32, row, from, to int) {
	for x := from; x < to; x++ {
		clear(line[(x*g.rows+row)*g.channels : (x+1)*g.rows*g.channels])
	}
}

// spread puts rows of width float32s, which begin every between in from, side by side: element x of row i goes to
// x*step + i*apart. Of rows that are neighbours there, four are written at once: a pixel's cache line once, not row by row.
func spread(to []float32, step, apart int, from []float32, between, width, rows int) {
	row := func(i int) []float32 { return from[i*between:][:width] }
	i := 0
	for ; apart == 1 && i+4 <= rows; i += 4 {
		a, b, c, d := row(i), row(i+1), row(i+2), row(i+3)
		for x, v := range a {
			pixel := to[x*step+i:][:4]
			pixel[0], pixel[1], pixel[2], pixel[3] = v, b[x], c[x], d[x]
		}
	}
	for ; i < rows; i++ {
		at := i * apart
		for _, v := range row(i) {
			to[at] = v
			at += step
		}
	}
}

// interleave puts three rows, plane apart, side by side: spread for colour, whose known step makes it much faster.
func interleave(to, from []float32, plane int) {
	n := len(to) / 3
	red, green, blue := from[:n], from[plane:][:n], from[2*plane:][:n]
	for i, v := range red {
		pixel := to[3*i:][:3]
		pixel[0], pixel[1], pixel[2] = v, green[i], blue[i]
	}
}

func (d *Device) giveBack(s source) {
	if s.room != nil {
		d.floats.put(s.room)
	}
}

// weightOrder is how the weights of a convolution are read for a sweep: output channel o's for row i of the micro-kernel's
// list is element o*out + rows[i].
type weightOrder struct {
	out  int
	rows []int
}

// known is the one of all equal orders that keys name.
func (d *Device) known(order *weightOrder) *weightOrder {
	for _, o := range d.orders {
		if o.out == order.out && slices.Equal(o.rows, order.rows) {
			return o
		}
	}
	d.orders = append(d.orders, order)
	return order
}

// packed is weights [M, C/groups, R, S] from channel first of M on in an order, for maps output channels of the sweep. Of a
// convolution and the normalisation after it, if there is a folding.
func (d *Device) packed(w *device.Tensor, f *folding, first, maps int, order *weightOrder) (b *buffer[float32], kept bool) {
	key := formKey{pass: "packed", order: order, first: first, maps: maps, fold: f.key()}
	return d.formOf(key, f.sources(w), false, func() *buffer[float32] {
		if f == nil {
			return d.packWeights(floats(w)[first*device.Size(w.Shape[1:]):], maps, order)
		}
		scaled := d.scaledWeights(w, f)
		defer d.floats.put(scaled)
		return d.packWeights(scaled.data[first*device.Size(w.Shape[1:]):], maps, order)
	})
}

// packWeights copies weights to panels of output channels: for each panel, for each row of weights, a number for each (16 in a
// last panel of one block). Those of channels that do not exist are some other channel's.
func (d *Device) packWeights(w []float32, maps int, order *weightOrder) *buffer[float32] {
	rows := len(order.rows)
	b := d.floats.get(max(1, blocksOf(maps)*lanes*rows), &d.stats)
	if rows == 0 { // a phase of a stride that no tap reaches
		return b
	}
	const part = 1 << 8 // rows whose sources stay in the first-level cache
	blocks, each := blocksOf(maps), d.tiles.Blocks
	d.divide(blocks, lanes*rows, func(_, first, last int) {
		for block := first; block < last; block++ {
			number, q := block/each, block%each
			width := lanes * min(each, blocks-each*number)
			to := b.data[number*each*lanes*rows+q*lanes:]
			var offsets [lanes]int32
			for i := range min(lanes, maps-block*lanes) {
				offsets[i] = int32(i * order.out)
			}
			from := w[block*lanes*order.out:]
			for at := 0; at < rows; at += part {
				d.tiles.Gather(to[at*width:], width, from, &offsets, order.rows[at:min(at+part, rows)])
			}
		}
	})
	return b
}

// wholeBlocks copies a vector of one number for each channel, with zeros up to a whole block.
func wholeBlocks(v []float32, maps int) []float32 {
	if v == nil {
		return nil
	}
	all := make([]float32, blocksOf(maps)*lanes)
	copy(all, v)
	return all
}

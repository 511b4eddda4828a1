package cpu

import (
	"fovea/device"
	tiles "fovea/kernels/blocked"
	transforms "fovea/kernels/winograd"
)

// Convolution with windows of 3x3 by Winograd's method (package winograd) on maps in blocks of channels.
//
// What bounds it is not the multiplications, of which there are a quarter, but where the coefficients are: of 16 channels,
// a tile has 2.25 times as many bytes of them as it has pixels, and of 512 x 512 windows they take 38 MB. Making a kilobyte of
// them again from pixels or windows takes 24 to 33 ns, reading it from beyond the second-level cache 100 to 140 (AVX-512,
// 2.6 GHz). So nothing of them ever leaves that cache: the work is cut into units of some tiles, some input and some output
// channels whose coefficients of all three fit into it, and a unit makes what it needs, whoever else may need the same.
// Units share nothing, so workers wait for each other only at the end. Of a core's time the products take about three
// quarters with 64 to 128 channels.

// winogradBackwardData is ConvBackwardData: the convolution of dy with the windows turned by 180 degrees, from output
// channels to input channels.
func (d *Device) winogradBackwardData(dx, dy, w *device.Tensor, s device.ConvSpec) {
	c := newTiling(dy, dx, 2-s.Padding.Top, 2-s.Padding.Left)
	c.weights, c.turned = floats(w), true
	d.winograd(c, c.plan(d.team.size), floats(dy), out(dx))
}

// tiling is a convolution from maps x to maps y, and its tiles: 4x4 pixels of y each, row by row and image by image.
type tiling struct {
	weights, bias     []float32
	add               []float32 // laid out as y, or nil
	turned, relu      bool
	channels, outputs int
	images, top, left int
	x, y              plane
	down, across      int // tiles of an image
	tiles             int // of all images
	epilogues         []transforms.Epilogue
}

// plane is the size of a map.
type plane struct{ height, width int }

func (p plane) of(data []float32, block int) *transforms.Map {
	n := p.height * p.width * lanes
	return &transforms.Map{Data: data[block*n:][:n], Height: p.height, Width: p.width}
}

func newTiling(x, y *device.Tensor, top, left int) *tiling {
	c := &tiling{channels: x.Shape[1], outputs: y.Shape[1], images: x.Shape[0], top: top, left: left,
		x: plane{x.Shape[2], x.Shape[3]}, y: plane{y.Shape[2], y.Shape[3]}}
	c.down, c.across = pieces(c.y.height, transforms.Tile), pieces(c.y.width, transforms.Tile)
	c.tiles = c.images * c.down * c.across
	return c
}

// eachRun visits tiles [from, to) as runs of count within a row; at is the run's first, counted from from on.
func (c *tiling) eachRun(from, to int, visit func(at, image, row, column, count int)) {
	for t := from; t < to; {
		column := t % c.across
		count := min(c.across-column, to-t)
		visit(t-from, t/c.across/c.down, t/c.across%c.down*transforms.Tile, column*transforms.Tile, count)
		t += count
	}
}

// chunk is one of the parts that a number of channels is cut into.
type chunk struct{ from, to int }

// cut is number i of the parts of at most size (a multiple of 16), all but the last equal.
func cut(n, size, i int) chunk { return chunk{i * size, min(n, (i+1)*size)} }

func (c chunk) count() int  { return c.to - c.from }
func (c chunk) blocks() int { return blocksOf(c.count()) }

// coefficients are those of some tiles and blocks of channels: coefficient i of tile t of block b at
// data[b*block + i*stride + t*16].
type coefficients struct {
	data          []float32
	stride, block int
}

// All distances are odd numbers of cache lines: even ones would put what is used together into few sets of the first-level cache,
// at worst, where they are multiples of 4096 bytes, into one.
func newCoefficients(data []float32, tiles int) coefficients {
	return coefficients{data, (tiles | 1) * lanes, coefficientBlock(tiles)}
}

func coefficientBlock(tiles int) int { return (transforms.Coefficients*(tiles|1) + 1) * lanes }

// windowStride is the distance between the coefficients of some windows.
func windowStride(channels, outputs int) int { return (channels*blocksOf(outputs) | 1) * lanes }

// blocksMet is how many blocks of tiles a stretch has at least: so often it uses the windows' coefficients that it makes.
const blocksMet = 4

// winograd computes y.
func (d *Device) winograd(c *tiling, p winogradPlan, x, y []float32) {
	blocks, groups, chunks := pieces(c.tiles, p.tiles), pieces(c.outputs, p.outputs), pieces(c.channels, p.channels)
	windows := transforms.Coefficients * windowStride(p.channels, p.outputs)
	pixels, sums := blocksOf(p.channels)*coefficientBlock(p.tiles), blocksOf(p.outputs)*coefficientBlock(p.tiles)
	room := d.floats.get(min(d.team.size, groups*blocks)*(windows+pixels+sums), &d.stats)
	defer d.floats.put(room)
	c.readyEpilogues()
	parts := d.team.size
	if chunks > 1 || blocks >= blocksMet*d.team.unitPieces() { // of several chunks no unit uses what another has made
		parts = d.team.unitPieces()
	}
	d.team.share(groups*blocks, parts, func(worker, from, to int) {
		k := transforms.For(d.set)
		memory := room.data[worker*(windows+pixels+sums):]
		u := memory[:windows]
		v, m := newCoefficients(memory[windows:][:pixels], p.tiles), newCoefficients(memory[windows+pixels:][:sums], p.tiles)
		product := &tiles.Product{X: v.data, Y: m.data, XStep: lanes, YStep: lanes, YBlock: m.block}
		taps, lastTaps := tapsOfProduct(p.channels, v.block), tapsOfProduct(c.channels-(chunks-1)*p.channels, v.block)
		made := -1 // the chunk of windows that is in u
		for unit := from; unit < to; unit++ {
			group, first := unit/blocks, unit%blocks*p.tiles
			last := min(c.tiles, first+p.tiles)
			outputs := cut(c.outputs, p.outputs, group)
			for i := range chunks {
				channels := cut(c.channels, p.channels, i)
				if made != group*chunks+i {
					made = group*chunks + i
					c.windows(k, u, d.tiles.Blocks, channels, outputs)
				}
				c.pixels(k, v, x, channels, first, last)
				if product.Taps, product.Add = taps, m.data; i == 0 {
					product.Add = nil
				}
				if i == chunks-1 {
					product.Taps = lastTaps
				}
				multiply(d.tiles, product, m, v, u, last-first, channels.count(), outputs.blocks())
			}
			c.results(k, y, m, outputs, first, last)
		}
	})
}

// readyEpilogues makes what the results of each block of output channels need.
func (c *tiling) readyEpilogues() {
	c.epilogues = make([]transforms.Epilogue, blocksOf(c.outputs))
	for b := range c.epilogues {
		var bias []float32
		if c.bias != nil {
			bias = c.bias[b*lanes : min((b+1)*lanes, c.outputs)]
		}
		c.epilogues[b] = transforms.NewEpilogue(bias, c.relu)
	}
}

// windows makes the coefficients of windows: for each coefficient and as many blocks of output channels as the micro-kernel computes
// at a time, each, a panel with a row for each input channel, the last panel of what is left.
func (c *tiling) windows(k *transforms.Kernel, u []float32, each int, channels, outputs chunk) {
	stride := windowStride(channels.count(), outputs.count())
	for b := range outputs.blocks() {
		at := outputs.from + b*lanes
		panel := b / each * each
		width := min(each, outputs.blocks()-panel) * lanes
		to := u[panel*lanes*channels.count()+(b-panel)*lanes:]
		if c.turned {
			s := transforms.Windows{Lane: transforms.Taps, Tap: -1, Next: c.outputs * transforms.Taps, Lanes: min(lanes, outputs.to-at)}
			k.Weights(to, stride, width, c.weights, (channels.from*c.outputs+at)*transforms.Taps+transforms.Taps-1, s, channels.count())
		} else {
			s := transforms.Windows{Lane: c.channels * transforms.Taps, Tap: 1, Next: transforms.Taps, Lanes: min(lanes, outputs.to-at)}
			k.Weights(to, stride, width, c.weights, (at*c.channels+channels.from)*transforms.Taps, s, channels.count())
		}
	}
}

// pixels makes the coefficients of tiles of x.
func (c *tiling) pixels(k *transforms.Kernel, v coefficients, x []float32, channels chunk, from, to int) {
	blocks := blocksOf(c.channels)
	c.eachRun(from, to, func(at, image, row, column, count int) {
		for b := range channels.blocks() {
			k.Input(v.data[b*v.block+at*lanes:], v.stride, c.x.of(x, image*blocks+channels.from/lanes+b), row-c.top, column-c.left, count)
		}
	})
}

// tapsOfProduct lists the blocks of input channels of a product of matrices.
func tapsOfProduct(channels, block int) *tiles.Taps {
	places := make([]int, blocksOf(channels))
	for b := range places {
		places[b] = b * block
	}
	full := channels / lanes
	return tiles.NewTaps(places[:full], places[full:], lanes, channels%lanes)
}

// multiply makes the 36 products of matrices.
func multiply(k *tiles.Kernel, p *tiles.Product, m, v coefficients, u []float32, count, channels, blocks int) {
	stride := windowStride(channels, blocks*lanes)
	for i := range transforms.Coefficients {
		for b := 0; b < blocks; b += k.Blocks {
			p.W, p.Blocks = u[i*stride+b*lanes*channels:], min(k.Blocks, blocks-b)
			k.Line(p, i*v.stride, b*m.block+i*m.stride, count)
		}
	}
}

// results makes tiles of y.
func (c *tiling) results(k *transforms.Kernel, y []float32, m coefficients, outputs chunk, from, to int) {
	blocks := blocksOf(c.outputs)
	for b := range outputs.blocks() {
		at := outputs.from + b*lanes
		c.eachRun(from, to, func(first, image, row, column, count int) {
			number := image*blocks + at/lanes
			var add []float32
			if c.add != nil {
				add = c.y.of(c.add, number).Data
			}
			k.Output(c.y.of(y, number), row, column, count, m.data[b*m.block+first*lanes:], m.stride, &c.epilogues[at/lanes], add)
		})
	}
}

package cpu

import (
	"sync/atomic"

	"fovea/device"
	tiles "fovea/kernels/blocked"
)

// The gradient of a convolution's weights by parts: for each Side input channels, tap of the window and Side output channels a tile of
// sums over the pixels, of stepsAtOnce steps at a time. Both factors are split as lines, one for each pixel, and those of the input turned. Workers
// share the tiles, so each sum is made by one of them, in the order of pixels.

const (
	stepsAtOnce  = 8 // of Side pixels: 48 KB
	panelsAtOnce = 8 // of Side channels, whose pixels stay split in the second-level cache
)

// backwardWeightsParts computes dw. If it returns false then an element of x or dy has no parts, and dw is worthless.
func (d *Device) backwardWeightsParts(g *geometry, dw, x, dy *device.Tensor) bool {
	from := d.surrounded(x, g.rim())
	defer d.giveBack(from)
	c := &correlation{geometry: g, x: from, y: floats(dy), yImage: blocksOf(dy.Shape[1]) * g.places * lanes, blocks: g.channels / lanes, channels: lanes}
	for r := range g.rows {
		for s := range g.cols {
			c.reach = append(c.reach, tapReach{place: r*g.Dilation[0]*from.row + s*g.Dilation[1]*lanes})
		}
	}
	// Tiles are cut into rectangles: output channels, input channels.
	outs, ins := pieces(g.maps, tiles.Side), pieces(g.channels, tiles.Side)
	high, wide := d.cutGradient(g, outs, ins)
	step := d.tiles.StepFloats()
	panel := stepsAtOnce * step
	each := tiles.Side*tiles.Side + step + (high+wide)*panel
	sums := outs * c.blocks * len(c.reach) * lanes * outputsOfPiece
	room := d.floats.get(sums+d.team.size*each, &d.stats)
	defer d.floats.put(room)
	c.sums = room.data[:sums]
	for blocks := 1; blocks <= 2; blocks++ {
		d.sumRows[blocks] = c.rowsOfSums(d.sumRows[blocks][:0], blocks)
	}
	none := make([]float32, tiles.Side)
	var odd atomic.Bool
	for group := range g.Groups {
		c.xFirst, c.yFirst = group*g.channels/lanes*c.x.block, group*g.maps/lanes*g.places*lanes
		d.team.split(pieces(outs, high)*pieces(ins, wide), func(worker, first, last int) {
			memory := room.data[sums+worker*each:][:each]
			square, lines, x, y := memory[:tiles.Side*tiles.Side], memory[tiles.Side*tiles.Side:][:step], memory[tiles.Side*tiles.Side+step:], memory[tiles.Side*tiles.Side+step+wide*panel:]
			p := &tiles.PartsProduct{Y: c.sums, YBlock: lanes, Bias: none, Sums: square, X: x}
			for unit := first; unit < last; unit++ {
				top, left := unit/pieces(ins, wide)*high, unit%pieces(ins, wide)*wide
				right := min(left+wide, ins)
				rows := d.sumRows[2][left*tiles.Side : min(right*tiles.Side, g.channels)]
				for pixel := 0; pixel < g.images*g.places; pixel += stepsAtOnce * tiles.Side {
					d.places[worker] = c.pixels(d.places[worker], pixel, min(g.images*g.places, pixel+stepsAtOnce*tiles.Side))
					of := d.places[worker]
					p.Steps, p.Add = len(of.x)/tiles.Side, c.sums
					if pixel == 0 {
						p.Add = nil
					}
					for n := top; n < min(top+high, outs); n++ {
						if !c.splitOutputs(d.tiles, y[(n-top)*panel:], n, of, square) {
							odd.Store(true)
						}
					}
					for tap := range c.reach {
						for n := left; n < right; n++ {
							if !c.splitInputs(d.tiles, x[(n-left)*p.Steps*step:], n, tap, of, lines) {
								odd.Store(true)
							}
						}
						for n := top; n < min(top+high, outs); n++ {
							p.W, p.Places, p.Blocks = y[(n-top)*panel:], rows, 2
							if blocksOf(g.maps) == 2*n+1 {
								p.Places, p.Blocks = d.sumRows[1][left*tiles.Side:][:len(rows)], 1
							}
							d.tiles.Compute(p, (n*c.blocks*len(c.reach)+tap)*lanes*outputsOfPiece)
						}
					}
				}
			}
		})
		if odd.Load() {
			return false
		}
		c.collect(d, g.weights(out(dw), group), lanes, func(i, tap int) int { return i*g.rows*g.cols + tap })
	}
	return true
}

// cutGradient says how many panels of output and of input channels a rectangle has. What is computed does not depend on it.
func (d *Device) cutGradient(g *geometry, outs, ins int) (high, wide int) {
	least, cost := never, d.costs()
	pixels, window := float64(g.images*g.places), float64(g.rows*g.cols)
	for tall := 1; tall <= min(outs, panelsAtOnce); tall++ {
		for broad := 1; broad <= min(ins, panelsAtOnce); broad++ {
			down, across := pieces(outs, tall), pieces(ins, broad)
			ns := cost.split*(float64(g.channels*down)*window+float64(g.maps*across)) + cost.multiply*float64(g.channels*g.maps)*window
			ns *= pixels * float64(pieces(down*across, d.team.size)*d.team.size) / float64(down*across)
			if ns < least {
				least, high, wide = ns, tall, broad
			}
		}
	}
	return high, wide
}

// rowsOfSums lists, in bytes from a tap's first piece, where the rows of sums of input channels are, each of some blocks of output
// channels. For the pieces see correlation.
func (c *correlation) rowsOfSums(list []int, blocks int) []int {
	for channel := range c.geometry.channels {
		list = append(list, 4*(channel/lanes*len(c.reach)*lanes*outputsOfPiece+channel%lanes*lanes*blocks))
	}
	return list
}

// pixelPlaces is where some pixels of the output are, and where the window's first tap finds its input for each, both in bytes. There are whole steps
// of x: those beyond the last pixel are that again.
type pixelPlaces struct{ x, y []int }

// pixels lists them where another list was.
func (c *correlation) pixels(p pixelPlaces, from, to int) pixelPlaces {
	p.x, p.y = p.x[:0], p.y[:0]
	for pixel := from; pixel < to; pixel++ {
		image, place := pixel/c.places, pixel%c.places
		p.y = append(p.y, 4*(image*c.yImage+place*lanes))
		p.x = append(p.x, 4*(image*c.x.image+place/c.outWidth*c.Stride[0]*c.x.row+place%c.outWidth*c.Stride[1]*lanes))
	}
	for len(p.x)%tiles.Side != 0 {
		p.x = append(p.x, p.x[len(p.x)-1])
	}
	return p
}

// splitOutputs splits pixels of panel n of output channels; those beyond the last one are 0.
func (c *correlation) splitOutputs(k *tiles.Kernel, dst []float32, n int, of pixelPlaces, square []float32) bool {
	plane, fine := c.places*lanes, true
	half := plane
	if blocksOf(c.maps) == 2*n+1 {
		half = 0 // its sums will not be read
	}
	y := c.y[c.yFirst+2*n*plane:]
	at := 0
	for ; at+tiles.Side <= len(of.y); at += tiles.Side {
		fine = k.SplitLines(dst[at/tiles.Side*k.StepFloats():], y, of.y[at:at+tiles.Side], half) && fine
	}
	if at == len(of.y) {
		return fine
	}
	clear(square)
	for i, place := range of.y[at:] {
		copy(square[i*tiles.Side:][:lanes], y[place/4:])
		copy(square[i*tiles.Side+lanes:][:lanes], y[place/4+half:])
	}
	return k.SplitWeights(dst[at/tiles.Side*k.StepFloats():], square) && fine
}

// splitInputs splits what a tap finds from pixels in panel n of input channels.
func (c *correlation) splitInputs(k *tiles.Kernel, dst []float32, n, tap int, of pixelPlaces, lines []float32) bool {
	half, fine := c.x.block, true
	if c.blocks == 2*n+1 {
		half = 0
	}
	x := c.x.data[c.xFirst+2*n*c.x.block+c.reach[tap].place:]
	for at := 0; at < len(of.x); at += tiles.Side {
		fine = k.SplitLines(lines, x, of.x[at:at+tiles.Side], half) && fine
		k.Turn(dst[at/tiles.Side*k.StepFloats():], lines)
	}
	return fine
}

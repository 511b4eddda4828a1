package cpu

import (
	"math"

	"gorgonia.org/tensor"

	"fovea/device"
	tiles "fovea/kernels/blocked"
	"fovea/kernels/maps"
)

var _ device.FusedPooling = (*Device)(nil)

// ConvReLUPool implements device.FusedPooling. Of a picture of few channels a worker makes the maps of one image and panel, which stay in
// his second-level cache, pools them, and forgets them: they would be written to the memory, and read again by the pooling and by its gradient.
func (d *Device) ConvReLUPool(pooled, chosen, x, w, b *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	y, err := convolved(x, w, s)
	if err != nil {
		return err
	}
	if thin(x) && !blocked(w) && inBlocksWell(x, w, y, s) && likeBlocks(pooled) && (chosen == nil || likeBlocks(chosen)) {
		g := newGeometry(x, w, y, s)
		if g.images*pieces(g.maps, d.panel()) >= unitsOfWorker*d.team.size {
			d.poolPicture(g, d.pooling(pooled, y, p), pooled, chosen, x, w, floats(b))
			return nil
		}
	}
	if y, err = d.NewActivation(y.Shape); err != nil {
		return err
	}
	defer y.Release()
	if err := d.ConvReLU(y, x, w, b, s); err != nil {
		return err
	}
	if chosen == nil {
		return d.Pool(pooled, y, p)
	}
	return d.choosing(pooled, chosen, y, p)
}

// unitsOfWorker are as many images and panels as a worker must have, so that none waits long for another.
const unitsOfWorker = 4

// convolved describes the result of a convolution that has no memory.
func convolved(x, w *device.Tensor, s device.ConvSpec) (*device.Tensor, error) {
	shape, err := s.Output(x.Shape, w.Shape, nil)
	return device.NewTensor(nil, shape, tensor.Float32, nil), err
}

// poolPicture is ConvReLUPool of a picture, into blocks. Rows of the maps are made as windows need them, so that the memory takes what
// windows gave while the next are computed; where windows do not overlap, all rows are made in the same place, in the first-level cache.
func (d *Device) poolPicture(g *geometry, p *pooling, pooled, chosen, x, w *device.Tensor, bias []float32) {
	s, read := d.sweepOfPicture(g, x, epilogue{bias: bias, relu: true})
	g.linesOf(s)
	s.reads(read)
	c := newChoice(d, p, pooled, chosen)
	panels, size := pieces(s.maps, d.panel()), d.tiles.Blocks*s.yBlock
	each := size + 2*d.panel()
	room := d.floats.get(d.team.size*each, &d.stats)
	defer d.floats.put(room)
	d.withWeights(s, w, nil, 0, read, func() {
		d.team.share(g.images*panels, d.team.pieces(), func(worker, first, last int) {
			memory := room.data[worker*each:][:each]
			y, spare := memory[:size], memory[size:]
			own := *s
			own.y = y
			product := &tiles.Product{X: s.x, Y: y, XStep: s.xStep, YStep: s.yStep, YBlock: s.yBlock}
			for unit := first; unit < last; unit++ {
				image, panel := unit/panels, unit%panels
				made, top := 0, 0 // rows of the map, and the first that is still there
				for n := range c.rows {
					row := &c.rows[n]
					if row.low >= made {
						made, top = row.low, row.low
						own.yFirst = -panel*size - top*s.yRow
					}
					own.strip(d.tiles, product, panel, image, made, row.high)
					made = max(made, row.high)
					for i := range product.Blocks {
						block := image*c.to.blocks + panel*d.tiles.Blocks + i
						c.row(n, block, y[i*s.yBlock:], top*s.yRow, spare[2*i*lanes:])
					}
				}
			}
		})
	})
}

// choice pools maps, and notes what was chosen in places, if that has memory. Both may be row-major memory of one pixel.
type choice struct {
	*pooling
	k          *maps.Kernels
	to, places blockMaps
}

func newChoice(d *Device, p *pooling, pooled, chosen *device.Tensor) *choice {
	c := &choice{pooling: p, k: maps.For(d.set), to: blockMapsOf(pooled, out(pooled))}
	if chosen != nil {
		c.places = blockMapsOf(chosen, out(chosen))
	}
	return c
}

// row makes output row n of a block, counted over all images, from its map, whose first numbers are missing. spare has 2*lanes.
func (c *choice) row(n, block int, in []float32, missing int, spare []float32) {
	result := c.to.of(block, spare[:lanes])
	var noted []float32
	if c.places.data != nil {
		noted = c.places.of(block, spare[lanes:])
	}
	for i := range c.byRow[n] {
		r := &c.byRow[n][i]
		if noted == nil {
			c.k.Largest(result[r.number:], in[r.at-missing:], &r.Windows)
		} else {
			c.k.Choose(result[r.number:], noted[r.number:], in[r.at-missing:], &r.Windows)
		}
	}
	c.to.keep(block, result)
	if noted != nil {
		c.places.keep(block, noted)
	}
}

// choosing is Pool of the largest elements, and what was chosen.
func (d *Device) choosing(pooled, chosen, y *device.Tensor, s device.PoolSpec) error {
	if blocked(y) && likeBlocks(pooled, chosen) {
		from, c := blockMapsOf(y, floats(y)), newChoice(d, d.pooling(pooled, y, s), pooled, chosen)
		d.divide(y.Shape[0]*from.blocks, c.cost()*lanes, func(worker, first, last int) {
			spare := d.lane(worker, 2*lanes)
			for block := first; block < last; block++ {
				in := from.of(block, nil)
				for n := range c.rows {
					c.row(n, block, in, 0, spare)
				}
			}
		})
		return nil
	}
	return d.rowMajor(2, func(t []*device.Tensor) error {
		g := d.pooling(t[0], t[2], s)
		to, places, from := out(t[0]), out(t[1]), floats(t[2])
		d.divide(g.maps, g.cost(), func(_, first, last int) {
			for m := first; m < last; m++ {
				plane, result, noted := g.input(from, m), g.output(to, m), g.output(places, m)
				g.each(func(at int, row, col span) {
					i := g.chosen(plane, row, col)
					result[at] = plane[i]
					noted[at] = math.Float32frombits(uint32((i/g.width-row.low)*(col.high-col.low) + i%g.width - col.low))
				})
			}
		})
		return nil
	}, pooled, chosen, y)
}

// ConvBackwardWeightsPooled implements device.FusedPooling. Where one worker has all pieces of the weights' gradient for some images, it makes
// dy of these images, which then is in its second-level cache, and never all of it.
func (d *Device) ConvBackwardWeightsPooled(dw, x, dz, chosen *device.Tensor, s device.ConvSpec, p device.PoolSpec) error {
	y, err := convolved(x, dw, s)
	if err != nil {
		return err
	}
	if thin(x) && !blocked(dw) && y.Shape[1] <= outputsOfPiece && likeBlocks(dz, chosen) && inBlocksWell(x, dw, y, s) {
		s.Learning = false // no weights are read
		g, from := newGeometry(x, dw, y, s), newGiving(d, dz, chosen, y, p)
		blocks, size := blocksOf(y.Shape[1]), g.places*lanes
		d.correlate(&correlation{geometry: g, made: func(worker, first, images int) []float32 {
			maps := d.lane(worker, images*blocks*size+2*lanes)
			for i := range images * blocks {
				from.block(maps[i*size:][:size], first*blocks+i, maps[images*blocks*size:])
			}
			return maps
		}}, dw, x)
		return nil
	}
	dy, err := d.NewActivation(y.Shape)
	if err != nil {
		return err
	}
	defer dy.Release()
	if err := d.give(dy, dz, chosen, p); err != nil {
		return err
	}
	return d.ConvBackwardWeights(dw, x, dy, s)
}

// give is PoolBackward, from what was chosen.
func (d *Device) give(dy, dz, chosen *device.Tensor, s device.PoolSpec) error {
	if blocked(dy) && likeBlocks(dz, chosen) {
		newGiving(d, dz, chosen, dy, s).whole(d, dy)
		return nil
	}
	return d.rowMajor(1, func(t []*device.Tensor) error {
		g := d.pooling(t[1], t[0], s)
		to, from, places := out(t[0]), floats(t[1]), floats(t[2])
		d.divide(g.maps, g.cost(), func(_, first, last int) {
			for m := first; m < last; m++ {
				plane, grad, noted := g.input(to, m), g.output(from, m), g.output(places, m)
				clear(plane)
				g.each(func(at int, row, col span) {
					place, cols := int(math.Float32bits(noted[at])), col.high-col.low
					plane[(row.low+place/cols)*g.width+col.low+place%cols] += grad[at]
				})
			}
		})
		return nil
	}, dy, dz, chosen)
}

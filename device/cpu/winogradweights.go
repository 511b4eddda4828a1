package cpu

import (
	"fovea/device"
	tiles "fovea/kernels/blocked"
	transforms "fovea/kernels/winograd"
)

// winogradBackwardWeights is ConvBackwardWeights: sums over tiles of the products of both maps' coefficients, and the
// transposed transform of those. Where there are too few channels to give every worker some, the tiles are parted, and the gradients of
// the parts added in their order.
func (d *Device) winogradBackwardWeights(dw, x, dy *device.Tensor, s device.ConvSpec) {
	c := newTiling(x, dy, s.Padding.Top, s.Padding.Left)
	d.winogradWeights(c, c.planWeights(), floats(x), floats(dy), out(dw))
}

// winogradWeights computes dw.
func (d *Device) winogradWeights(c *tiling, p winogradPlan, x, dy, dw []float32) {
	groups, chunks, blocks := pieces(c.outputs, p.outputs), pieces(c.channels, p.channels), pieces(c.tiles, p.tiles)
	parts, size := c.parts(p), len(dw)
	units := parts * groups * chunks
	result := dw
	if parts > 1 {
		copies := d.floats.get(parts*size, &d.stats)
		defer d.floats.put(copies)
		result = copies.data
	}
	windows := transforms.Coefficients * windowStride(p.channels, p.outputs)
	pixels, gradients := blocksOf(p.channels)*coefficientBlock(p.tiles), blocksOf(p.outputs)*coefficientBlock(p.tiles)
	turned := lanes * transforms.Taps * lanes
	each := windows + pixels + gradients + turned
	room := d.floats.get(min(d.team.size, units)*each, &d.stats)
	defer d.floats.put(room)
	d.team.share(units, d.team.unitPieces(), func(worker, from, to int) {
		k := transforms.For(d.set)
		memory := room.data[worker*each:][:each]
		du, memory := memory[:windows], memory[windows:]
		v, memory := newCoefficients(memory[:pixels], p.tiles), memory[pixels:]
		dm, memory := newCoefficients(memory[:gradients], p.tiles), memory[gradients:]
		sum := &tiles.Gradient{X: v.data, DY: dm.data, Images: 1, Rows: 1, XStep: lanes, YStep: lanes, YBlock: dm.block, Channels: lanes}
		for unit := from; unit < to; unit++ {
			part := unit / (groups * chunks)
			outputs, channels := cut(c.outputs, p.outputs, unit/chunks%groups), cut(c.channels, p.channels, unit%chunks)
			begin, end := blocks*part/parts, blocks*(part+1)/parts
			for block := begin; block < end; block++ {
				first := block * p.tiles
				last := min(c.tiles, first+p.tiles)
				c.pixels(k, v, x, channels, first, last)
				c.gradients(k, dm, dy, outputs, first, last)
				sum.Cols = last - first
				correlate(d.tiles, sum, du, v, dm, channels.blocks(), outputs.blocks(), block > begin)
			}
			c.windowGradients(k, d.tiles, result[part*size:][:size], du, memory, channels, outputs)
		}
	})
	if parts > 1 {
		d.addParts(dw, result, parts)
	}
}

// gradients makes the coefficients of tiles of the gradient of the output.
func (c *tiling) gradients(k *transforms.Kernel, dm coefficients, dy []float32, outputs chunk, from, to int) {
	blocks := blocksOf(c.outputs)
	c.eachRun(from, to, func(at, image, row, column, count int) {
		for b := range outputs.blocks() {
			k.Gradient(dm.data[b*dm.block+at*lanes:], dm.stride, c.y.of(dy, image*blocks+outputs.from/lanes+b), row, column, count)
		}
	})
}

// correlate makes the 36 products of matrices that sum over tiles, or adds them to du, which is laid out as windows does it,
// its channels in whole blocks.
func correlate(k *tiles.Kernel, g *tiles.Gradient, du []float32, v, dm coefficients, blocks, outputs int, accumulate bool) {
	stride := windowStride(blocks*lanes, outputs*lanes)
	for i := range transforms.Coefficients {
		for q := 0; q < outputs; q += 2 {
			g.Blocks = min(2, outputs-q)
			for b := range blocks {
				k.Sum(g, du[i*stride+(q*blocks+b*g.Blocks)*lanes*lanes:], b*v.block+i*v.stride, q*dm.block+i*dm.stride, accumulate)
			}
		}
	}
}

// windowGradients makes the gradients of windows, 16 output and 16 input channels at a time, and puts them where they belong.
func (c *tiling) windowGradients(k *transforms.Kernel, gather *tiles.Kernel, dw, du, turned []float32, channels, outputs chunk) {
	blocks := channels.blocks()
	stride := windowStride(blocks*lanes, outputs.blocks()*lanes)
	var offsets [lanes]int32
	for i := range offsets {
		offsets[i] = int32(i * lanes)
	}
	var places [transforms.Taps]int
	for q := range outputs.blocks() {
		width := min(2, outputs.blocks()-q/2*2)
		at := outputs.from + q*lanes
		for b := range blocks {
			first := channels.from + b*lanes
			count := min(lanes, channels.to-first) * transforms.Taps
			k.WeightsGradient(turned, du[(q/2*2*blocks+b*width)*lanes*lanes+q%2*lanes:], stride, width*lanes, count/transforms.Taps)
			for l := range min(lanes, outputs.to-at) {
				to := dw[((at+l)*c.channels+first)*transforms.Taps:][:count]
				for i := range places {
					places[i] = i*lanes*lanes + l
				}
				vectors := count / lanes
				gather.Gather(to, lanes, turned, &offsets, places[:vectors])
				for i := vectors * lanes; i < count; i++ {
					to[i] = turned[i*lanes+l]
				}
			}
		}
	}
}

package cpu

import (
	"fovea/device"
	"fovea/kernels/maps"
)

// Pool implements device.Pooling. In row-major memory it goes one map at a time.
func (d *Device) Pool(y, x *device.Tensor, s device.PoolSpec) error {
	switch {
	case blocked(x) && likeBlocks(y):
		d.poolBlocks(y, x, s)
		return nil
	case blocked(x):
		return d.inBlocks(1, func(t []*device.Tensor) error { return d.Pool(t[0], t[1], s) }, y, x)
	case blocked(y):
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.Pool(t[0], t[1], s) }, y, x)
	}
	g := d.pooling(y, x, s)
	from, to := floats(x), out(y)
	d.divide(g.maps, g.cost(), func(_, first, last int) {
		for m := first; m < last; m++ {
			plane, out := g.input(from, m), g.output(to, m)
			g.each(func(at int, row, col span) {
				if g.Kind == device.AveragePool {
					out[at] = float32(g.sum(plane, row, col) / g.divisor(row, col))
				} else {
					out[at] = plane[g.chosen(plane, row, col)]
				}
			})
		}
	})
	return nil
}

// PoolBackward implements device.Pooling. What a window chose is found again from x, so nothing is kept between.
func (d *Device) PoolBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) error {
	switch again := func(t []*device.Tensor) error { return d.PoolBackward(t[0], t[1], t[2], t[3], s) }; {
	case blocked(dx) && blocked(x) && likeBlocks(dy, y):
		d.poolBlocksBackward(dx, dy, x, y, s)
		return nil
	case blockable(x.Shape) && blocked(dx, dy, x, y):
		return d.inBlocks(1, again, dx, dy, x, y)
	case blocked(dy, y):
		return d.rowMajor(1, again, dx, dy, x, y)
	}
	g := d.pooling(y, x, s)
	from, in, to := floats(dy), floats(x), out(dx)
	d.divide(g.maps, g.cost(), func(_, first, last int) {
		for m := first; m < last; m++ {
			plane, out, grad := g.input(in, m), g.input(to, m), g.output(from, m)
			clear(out)
			g.each(func(at int, row, col span) {
				if g.Kind == device.AveragePool {
					g.add(out, row, col, grad[at]/float32(g.divisor(row, col)))
				} else {
					out[g.chosen(plane, row, col)] += grad[at]
				}
			})
		}
	})
	return nil
}

// pooling is a pooling's sizes and windows in one place, made once for each.
type pooling struct {
	device.PoolSpec
	maps, height, width int
	rows, cols          []span // of the windows, by output row and column
	byRow               [][]rowOfWindows
}

// sizesOfPool are what tells a pooling from others.
type sizesOfPool struct {
	device.PoolSpec
	maps, height, width, rows, cols int
}

// span is the part [low, high) of an axis that a window sees, and how many elements the mean counts if padding does.
type span struct{ low, high, counted int }

func (d *Device) pooling(y, x *device.Tensor, s device.PoolSpec) *pooling {
	sizes := sizesOfPool{s, x.Shape[0] * x.Shape[1], x.Shape[2], x.Shape[3], y.Shape[2], y.Shape[3]}
	if g := d.pools[sizes]; g != nil {
		return g
	}
	g := &pooling{PoolSpec: s, maps: sizes.maps, height: sizes.height, width: sizes.width, rows: make([]span, sizes.rows), cols: make([]span, sizes.cols)}
	d.pools[sizes] = g
	for p := range g.rows {
		g.rows[p].low, g.rows[p].high, g.rows[p].counted = s.WindowAt(0, p, g.height)
	}
	for q := range g.cols {
		g.cols[q].low, g.cols[q].high, g.cols[q].counted = s.WindowAt(1, q, g.width)
	}
	g.findWindows()
	return g
}

// each visits the windows, and says how many there were before.
func (g *pooling) each(visit func(at int, row, col span)) {
	at := 0
	for _, row := range g.rows {
		for _, col := range g.cols {
			visit(at, row, col)
			at++
		}
	}
}

func (g *pooling) cost() int { return len(g.rows) * len(g.cols) * g.Window[0] * g.Window[1] }

func (g *pooling) input(x []float32, m int) []float32 {
	return x[m*g.height*g.width:][:g.height*g.width]
}

func (g *pooling) output(y []float32, m int) []float32 {
	return y[m*len(g.rows)*len(g.cols):][:len(g.rows)*len(g.cols)]
}

// divisor is what the sum of a window is divided by.
func (g *pooling) divisor(row, col span) float64 {
	if g.CountPadding {
		return float64(row.counted * col.counted)
	}
	return float64((row.high - row.low) * (col.high - col.low))
}

// chosen is the position of the window's first largest (smallest) element, or of its first NaN.
func (g *pooling) chosen(plane []float32, row, col span) int {
	best := row.low*g.width + col.low
	value := plane[best]
	largest := g.Kind == device.MaxPool
	for i := row.low; i < row.high && value == value; i++ {
		at := i*g.width + col.low
		for _, v := range plane[at : at+col.high-col.low] {
			if largest && v > value || !largest && v < value || v != v {
				best, value = at, v
				if v != v {
					break
				}
			}
			at++
		}
	}
	return best
}

func (g *pooling) sum(plane []float32, row, col span) float64 {
	sum := 0.0
	for i := row.low; i < row.high; i++ {
		for _, v := range plane[i*g.width+col.low : i*g.width+col.high] {
			sum += float64(v)
		}
	}
	return sum
}

func (g *pooling) add(plane []float32, row, col span, v float32) {
	for i := row.low; i < row.high; i++ {
		line := plane[i*g.width+col.low : i*g.width+col.high]
		for j := range line {
			line[j] += v
		}
	}
}

// likeBlocks says that tensors, of enough channels for blocks, either lie in blocks or have one pixel, see [Device.pixels].
func likeBlocks(tensors ...*device.Tensor) bool {
	for _, t := range tensors {
		if !blocked(t) && t.Shape[2]*t.Shape[3] > 1 {
			return false
		}
	}
	return true
}

// run is a number of windows side by side that see equally many columns.
type run struct {
	span
	number, count int
}

// runs are those of a row: one, and those cut by an edge.
func (g *pooling) runs() []run {
	var all []run
	for q, s := range g.cols {
		if last := len(all) - 1; last >= 0 {
			r := &all[last]
			if s.high-s.low == r.high-r.low && s.low == r.low+r.count*g.Stride[1] { // nothing is cut off either
				r.count++
				continue
			}
		}
		all = append(all, run{s, q, 1})
	}
	return all
}

// rowOfWindows is a run of an output row as kernels see it: where its windows start in a block's map, and where their pixels lie in the pooled one.
type rowOfWindows struct {
	maps.Windows
	at, number int
	share      float32 // of a pixel, if the windows' mean is wanted
}

// findWindows fills in the runs of every output row.
func (g *pooling) findWindows() {
	runs := g.runs()
	g.byRow = make([][]rowOfWindows, len(g.rows))
	for p, row := range g.rows {
		for _, r := range runs {
			g.byRow[p] = append(g.byRow[p], rowOfWindows{maps.Windows{Count: r.count, Rows: row.high - row.low, Cols: r.high - r.low, Line: g.width, Step: g.Stride[1]},
				(row.low*g.width + r.low) * lanes, (p*len(g.cols) + r.number) * lanes, float32(1 / g.divisor(row, r.span))})
		}
	}
}

// blockMaps is the memory of a tensor by blocks of channels: what lies in blocks, or a row-major tensor of one pixel, where
// only the last block of an image may differ, by having fewer lanes.
type blockMaps struct {
	data             []float32
	channels, blocks int
	size             int // of a block's map
	whole            bool
}

func blockMapsOf(t *device.Tensor, data []float32) blockMaps {
	return blockMaps{data, t.Shape[1], blocksOf(t.Shape[1]), t.Shape[2] * t.Shape[3] * lanes, blocked(t)}
}

// of is block number unit, counted over all images; spare takes the place of one that has fewer lanes.
func (m blockMaps) of(unit int, spare []float32) []float32 {
	if m.whole {
		return m.data[unit*m.size:][:m.size]
	}
	own := m.own(unit)
	if len(own) == lanes {
		return own
	}
	copy(spare, own)
	return spare
}

// keep puts a block that was written where it belongs.
func (m blockMaps) keep(unit int, block []float32) {
	if !m.whole {
		copy(m.own(unit), block)
	}
}

func (m blockMaps) own(unit int) []float32 {
	first := unit % m.blocks * lanes
	n := min(lanes, m.channels-first)
	return m.data[unit/m.blocks*m.channels+first:][:n:n]
}

// poolBlocks is Pool in blocks of channels. It is bound by memory.
func (d *Device) poolBlocks(y, x *device.Tensor, s device.PoolSpec) {
	g, k := d.pooling(y, x, s), maps.For(d.set)
	from, to := blockMapsOf(x, floats(x)), blockMapsOf(y, out(y))
	d.divide(x.Shape[0]*from.blocks*len(g.rows), len(g.cols)*lanes, func(worker, first, last int) {
		spare := d.lane(worker, lanes)
		for n := first; n < last; n++ {
			unit, p := n/len(g.rows), n%len(g.rows)
			in, result := from.of(unit, nil), to.of(unit, spare)
			for i := range g.byRow[p] {
				r := &g.byRow[p][i]
				in, result := in[r.at:], result[r.number:]
				switch s.Kind {
				case device.MaxPool:
					k.Largest(result, in, &r.Windows)
				case device.MinPool:
					k.Smallest(result, in, &r.Windows)
				default:
					k.Sum(result, in, &r.Windows, r.share)
				}
			}
			to.keep(unit, result)
		}
	})
}

// poolBlocksBackward is PoolBackward in blocks of channels.
func (d *Device) poolBlocksBackward(dx, dy, x, y *device.Tensor, s device.PoolSpec) {
	g := newPoolGradient(d, dy, x, s)
	g.x, g.y = blockMapsOf(x, floats(x)), blockMapsOf(y, floats(y))
	g.whole(d, dx)
}

// poolGradient makes dx of PoolBackward, a map of a block after the other. What a window chose is found again in x and y, or was noted.
type poolGradient struct {
	*pooling
	k      *maps.Kernels
	dy     blockMaps
	x, y   blockMaps
	chosen blockMaps // what choosing noted, in the place of both
}

// newPoolGradient makes one for maps like x.
func newPoolGradient(d *Device, dy, x *device.Tensor, s device.PoolSpec) *poolGradient {
	return &poolGradient{pooling: d.pooling(dy, x, s), k: maps.For(d.set), dy: blockMapsOf(dy, floats(dy))}
}

// newGiving makes one for maps like x from what was noted of them.
func newGiving(d *Device, dy, chosen, x *device.Tensor, s device.PoolSpec) *poolGradient {
	g := newPoolGradient(d, dy, x, s)
	g.chosen = blockMapsOf(chosen, floats(chosen))
	return g
}

// whole makes all of dx.
func (g *poolGradient) whole(d *Device, dx *device.Tensor) {
	to := blockMapsOf(dx, out(dx))
	d.divide(dx.Shape[0]*to.blocks, len(g.rows)*len(g.cols)*lanes, func(worker, first, last int) {
		spare := d.lane(worker, 2*lanes)
		for unit := first; unit < last; unit++ {
			g.block(to.of(unit, nil), unit, spare)
		}
	})
}

// block writes the map of block number unit, counted over all images. Windows may overlap, so that it is made by one worker, row after
// row of windows; a row of it is cleared when the first window reaches it, and what follows finds it in the cache. spare has 2*lanes.
func (g *poolGradient) block(result []float32, unit int, spare []float32) {
	grad := g.dy.of(unit, spare[:lanes])
	var in, largest, chosen []float32
	if g.chosen.data != nil {
		chosen = g.chosen.of(unit, spare[lanes:])
	} else {
		in, largest = g.x.of(unit, nil), g.y.of(unit, spare[lanes:])
	}
	cleared := 0
	for p := range g.rows {
		if end := g.rows[p].high * g.width * lanes; end > cleared {
			clear(result[cleared:end])
			cleared = end
		}
		for i := range g.byRow[p] {
			r := &g.byRow[p][i]
			switch {
			case chosen != nil:
				g.k.Give(result[r.at:], grad[r.number:], chosen[r.number:], &r.Windows)
			case g.Kind == device.AveragePool:
				g.k.Spread(result[r.at:], grad[r.number:], &r.Windows, r.share)
			default:
				g.k.Winner(result[r.at:], grad[r.number:], in[r.at:], largest[r.number:], &r.Windows)
			}
		}
	}
	clear(result[cleared:])
}

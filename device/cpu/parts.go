package cpu

import (
	"math"
	"sync/atomic"

	"fovea/device"
	tiles "fovea/kernels/blocked"
)

// Direct convolution by parts (package blocked), where the processor multiplies those faster. A unit of work is some tiles of pixels, whatever
// image they are of: their inputs are split for some taps, meet the weights of all output channels, which were split before,
// and then the next taps' are split. Each is split once, the second-level cache holds the tiles' inputs and a panel of weights.

// splitAtOnce is how many float32s the parts of a unit's inputs take at most: 500 KB.
const splitAtOnce = 500 << 10 / 4

// partsCosts is what it costs in nanoseconds to split an input, to read a weight's parts, which other units read as well, from beyond the second-level
// cache, and to multiply one by the other. What matters is which is how many times another.
type partsCosts struct{ split, read, multiply float64 }

// costs were measured with AMX.
func (d *Device) costs() partsCosts {
	if d.precision == device.BF16 {
		return partsCosts{.1, .17, .0015}
	}
	return partsCosts{.2, .5, .006}
}

// unitsPerWorker is how many units of one group of pixels a worker has at most.
const unitsPerWorker = 4

// cutParts says how many tiles of pixels a unit has, and how many units share the output channels. What a unit computes does not depend on it.
func (d *Device) cutParts(pixels, panels, depth, steps int) (each, outs int) {
	least, cost := never, d.costs()
	for tall := 1; tall == 1 || tall*steps*d.tiles.StepFloats() <= splitAtOnce && (tall-1)*tiles.Side < pixels; tall++ {
		for wide := range min(panels, unitsPerWorker*d.team.size) {
			groups, wide := pieces(pixels, tall*tiles.Side), wide+1
			inputs, weights := float64(pixels*depth), float64(panels*tiles.Side*depth)
			ns := inputs*cost.split*float64(wide) + weights*cost.read*float64(groups) + inputs*float64(panels*tiles.Side)*cost.multiply
			ns *= float64(pieces(groups*wide, d.team.size)*d.team.size) / float64(groups*wide) // what the worker with most to do has
			if ns < least {
				least, each, outs = ns, tall, wide
			}
		}
	}
	return each, outs
}

// runParts computes a sweep. If it returns false then an input or a weight has no parts, and what was written is worthless.
func (d *Device) runParts(s *sweep, w *device.Tensor, f *folding, first int, read reading) bool {
	weights, kept := d.splitWeights(w, f, first, s.maps, read)
	defer d.doneWith(weights, kept)
	steps, most := read.steps()
	panels := pieces(s.maps, tiles.Side)
	if weights.data[panels*steps*d.tiles.StepFloats()] != 0 {
		return false
	}
	pixels := s.images * s.pixels
	each, outs := d.cutParts(pixels, panels, s.rowsOfWeights, most)
	groups := pieces(pixels, each*tiles.Side)
	size := tiles.Side*tiles.Side + each*most*d.tiles.StepFloats()
	room := d.floats.get(d.team.size*size, &d.stats)
	defer d.floats.put(room)
	bias := make([]float32, (panels+1)*tiles.Side)
	copy(bias, s.bias)
	none := bias[panels*tiles.Side:]
	var odd atomic.Bool
	d.team.share(groups*outs, d.team.pieces(), func(worker, from, to int) {
		memory := room.data[worker*size:]
		p := &tiles.PartsProduct{Sums: memory[:tiles.Side*tiles.Side], X: memory[tiles.Side*tiles.Side:], Y: s.y, YBlock: s.yBlock}
		for unit := from; unit < to; unit++ {
			low := unit / outs * each * tiles.Side
			high := min(pixels, low+each*tiles.Side)
			d.places[worker].y = s.places(d.places[worker].y[:0], low, high)
			p.Places = d.places[worker].y
			done := 0
			for i, taps := range s.taps {
				if !s.split(d.tiles, p.X, low, high, taps) {
					odd.Store(true)
				}
				p.Steps, p.ReLU, p.Add = taps.Steps(), s.relu && i == len(s.taps)-1, s.y
				if i == 0 {
					p.Add = s.add
				}
				for n := panels * (unit % outs) / outs; n < panels*(unit%outs+1)/outs; n++ {
					p.W, p.Blocks = weights.data[(n*steps+done)*d.tiles.StepFloats():], min(2, blocksOf(s.maps)-2*n)
					if p.Bias = none; i == 0 {
						p.Bias = bias[n*tiles.Side:]
					}
					d.tiles.Compute(p, 2*n*s.yBlock)
				}
				done += taps.Steps()
			}
		}
	})
	return !odd.Load()
}

// steps is how many steps all taps take, and how many those that are summed at a time take at most.
func (r reading) steps() (all, most int) {
	for _, t := range r.taps {
		all, most = all+t.Steps(), max(most, t.Steps())
	}
	return all, most
}

// place is where a pixel is among those of all images: its image, row and column.
func (s *sweep) place(pixel int) (image, row, col int) {
	image = pixel / s.pixels
	return image, pixel % s.pixels / s.cols, pixel % s.pixels % s.cols
}

// places lists where pixels [low, high) are in y, in bytes.
func (s *sweep) places(list []int, low, high int) []int {
	for pixel := low; pixel < high; pixel++ {
		image, row, col := s.place(pixel)
		list = append(list, 4*(s.yFirst+image*s.yImage+row*s.yRow+col*s.yStep))
	}
	return list
}

// split splits what taps find from pixels [low, high), tile by tile.
func (s *sweep) split(k *tiles.Kernel, dst []float32, low, high int, t *tiles.Taps) bool {
	fine := true
	for pixel := low; pixel < high; {
		image, row, col := s.place(pixel)
		at := (pixel - low) % tiles.Side
		n := min(high-pixel, tiles.Side-at, s.cols-col, s.pixels-row*s.cols-col)
		from := s.xFirst + image*s.xImage + row*s.xRow + col*s.xStep
		fine = k.SplitPixels(dst[(pixel-low)/tiles.Side*t.Steps()*k.StepFloats():], at, s.x, from, s.xStep, n, t) && fine
		pixel += n
	}
	return fine
}

// splitWeights is what packed is, by parts: for each Side output channels, for each of the taps that are summed at a time, its steps. After them is a
// number that is not 0 if a weight has no parts.
func (d *Device) splitWeights(w *device.Tensor, f *folding, first, maps int, read reading) (b *buffer[float32], kept bool) {
	key := formKey{pass: "parts", order: read.order, first: first, maps: maps, fold: f.key()}
	return d.formOf(key, f.sources(w), false, func() *buffer[float32] {
		from, kept := d.plainWeights(w, f)
		defer d.doneWith(from, kept)
		return d.makeParts(from.data[first*device.Size(w.Shape[1:]):], maps, read)
	})
}

func (d *Device) makeParts(w []float32, maps int, read reading) *buffer[float32] {
	panels := pieces(maps, tiles.Side)
	steps, _ := read.steps()
	b := d.floats.get(panels*steps*d.tiles.StepFloats()+1, &d.stats)
	var odd atomic.Bool
	d.divide(panels, steps*d.tiles.StepFloats(), func(worker, from, to int) {
		square, offsets := d.lane(worker, tiles.Side*tiles.Side), new([lanes]int32)
		for n := from; n < to; n++ {
			clear(square)
			dst, rows := b.data[n*steps*d.tiles.StepFloats():], read.order.rows
			for _, t := range read.taps {
				for left := t.Rows(); left > 0; left -= tiles.Side {
					count := min(left, tiles.Side)
					clear(square[count*tiles.Side:])
					for block := n * 2; block < min(n*2+2, blocksOf(maps)); block++ {
						clear(offsets[:])
						for i := range min(lanes, maps-block*lanes) {
							offsets[i] = int32(i * read.order.out)
						}
						d.tiles.Gather(square[block%2*lanes:], tiles.Side, w[block*lanes*read.order.out:], offsets, rows[:count])
					}
					if !d.tiles.SplitWeights(dst, square) {
						odd.Store(true)
					}
					dst, rows = dst[d.tiles.StepFloats():], rows[count:]
				}
			}
		}
	})
	if b.data[panels*steps*d.tiles.StepFloats()] = 0; odd.Load() {
		b.data[panels*steps*d.tiles.StepFloats()] = float32(math.NaN())
	}
	return b
}

package cpu

import (
	"fovea/device"
	"fovea/kernels/vector"
)

// AddBias implements device.FullyConnected.
func (d *Device) AddBias(y, x, b *device.Tensor) error {
	if blocked(y, x) && !alike(y, x) {
		return d.rowMajor(1, func(t []*device.Tensor) error { return d.AddBias(t[0], t[1], t[2]) }, y, x, b)
	}
	outer, channels, inner := device.Channels(x.Shape)
	from, to, bias := floats(x), out(y), floats(b)
	switch {
	case blocked(x):
		blocks := blocksOf(channels)
		d.divide(outer*blocks, lanes*inner, func(worker, first, last int) {
			added := (*[lanes]float32)(d.lane(worker, lanes))
			for unit := first; unit < last; unit++ {
				copy(added[:], bias[unit%blocks*lanes:])
				at := unit * inner * lanes
				d.vector.AddLanes(to[at:][:inner*lanes], from[at:], added)
			}
		})
	case inner == 1:
		d.divide(outer, channels, func(_, first, last int) {
			for at := first * channels; at < last*channels; at += channels {
				d.vector.Add(to[at:][:channels], from[at:], bias)
			}
		})
	default:
		d.divide(outer*channels, inner, func(_, first, last int) {
			for row := first; row < last; row++ {
				d.vector.Scale(to[row*inner:][:inner], from[row*inner:], 1, bias[row%channels])
			}
		})
	}
	return nil
}

// SumChannels implements device.FullyConnected. Partial sums are those of a channel's stretches of memory (a block's map, a
// row-major map; for a matrix some rows of a column, which one worker has had before), and they are added in order.
func (d *Device) SumChannels(db, dy *device.Tensor) error {
	outer, channels, inner := device.Channels(dy.Shape)
	to, from, blocks := out(db), floats(dy), blocksOf(channels)
	stretches := outer
	var sums []float64 // of each stretch, one for each channel
	var width int
	sumLanes := func(unit, at, rows, step, count int) {
		part := (*[lanes]float64)(sums[unit*lanes:])
		clear(part[:])
		if rows > 0 {
			d.vector.SumLanes(part, from[at:], rows, step, count)
		}
	}
	switch {
	case blocked(dy):
		width = blocks * lanes
		sums = d.partial(outer * width)
		d.divide(outer*blocks, lanes*inner, func(_, first, last int) {
			for unit := first; unit < last; unit++ {
				sumLanes(unit, unit*inner*lanes, inner, lanes, min(lanes, channels-unit%blocks*lanes))
			}
		})
	case inner == 1:
		stretches, width = max(1, min(mostStretches, outer/rowsOfStretch)), blocks*lanes
		sums = d.partial(stretches * width)
		d.divide(stretches*blocks, lanes*outer/stretches, func(_, first, last int) {
			for unit := first; unit < last; unit++ {
				n, block := unit/blocks, unit%blocks
				row, end := outer*n/stretches, outer*(n+1)/stretches
				sumLanes(unit, row*channels+block*lanes, end-row, channels, min(lanes, channels-block*lanes))
			}
		})
	default:
		width = channels
		sums = d.partial(outer * width)
		d.divide(outer*channels, inner, func(_, first, last int) {
			for row := first; row < last; row++ {
				sums[row] = d.vector.Sum(from[row*inner:][:inner])
			}
		})
	}
	for c := range channels {
		sum := 0.0
		for n := range stretches {
			sum += sums[n*width+c]
		}
		to[c] = float32(sum)
	}
	return nil
}

// A matrix is cut into mostStretches at most, of so many rows at least: their sums are added by one worker.
const (
	mostStretches = 8
	rowsOfStretch = 48
)

// A block's channels are a row of the kernels.
var _ [lanes]float32 = [vector.Lanes]float32{}

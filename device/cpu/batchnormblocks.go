package cpu

import (
	"math"

	"fovea/device"
	"fovea/kernels/maps"
)

// stripes is how maps in blocks of channels are divided for statistics: a part is one block of a few images. What a part adds
// up, and in which order parts are merged, depends on nothing but the shape.
type stripes struct {
	images, channels, blocks, plane int
	each, parts                     int // images in a part, parts of a block
}

// partPixels is about how many pixels a part has: enough that merging costs nothing.
const partPixels = 4096

func stripesOf(x *device.Tensor) stripes {
	s := stripes{images: x.Shape[0], channels: x.Shape[1], blocks: blocksOf(x.Shape[1]), plane: x.Shape[2] * x.Shape[3]}
	s.each = max(1, partPixels/s.plane)
	s.parts = (s.images + s.each - 1) / s.each
	return s
}

// of is a block of one image in x, nil for no tensor.
func (s stripes) of(x []float32, block, image int) []float32 {
	if x == nil {
		return nil
	}
	size := s.plane * lanes
	return x[(image*s.blocks+block)*size:][:size]
}

// from is the first image of a part.
func (s stripes) from(part int) int { return min(part*s.each, s.images) }

// pixels is the number of pixels in a part.
func (s stripes) pixels(part int) int { return (s.from(part+1) - s.from(part)) * s.plane }

// count is the number of values in a channel.
func (s stripes) count() float64 { return float64(s.images * s.plane) }

// eachLane visits the channels of a block.
func (s stripes) eachLane(block int, visit func(c, lane int)) {
	for lane := range min(lanes, s.channels-block*lanes) {
		visit(block*lanes+lane, lane)
	}
}

// twoPasses makes both passes over a batch: gather adds up a part's state, settle ends a block with the first of its states
// once they are merged, and apply visits each of its images. A worker that takes both passes of a block one after the other,
// the second from the end, finds in the cache what it read last; where the blocks do not go round evenly, the workers divide
// the parts in two rounds.
func (d *Device) twoPasses(s stripes, gather func(block, part int, state *maps.State), merge func(state *maps.State, pixels, part int, other *maps.State),
	settle func(block int, state *maps.State), apply func(block, image int)) {
	memory := d.partial(s.blocks * s.parts * len(maps.State{}))
	state := func(block, part int) *maps.State {
		return (*maps.State)(memory[(block*s.parts+part)*len(maps.State{}):])
	}
	collect := func(block, part int) {
		*state(block, part) = maps.State{}
		gather(block, part, state(block, part))
	}
	finish := func(block int) {
		pixels := s.pixels(0)
		for part := 1; part < s.parts; part++ {
			merge(state(block, 0), pixels, s.pixels(part), state(block, part))
			pixels += s.pixels(part)
		}
		settle(block, state(block, 0))
	}
	spread := func(block, part int) {
		for image := s.from(part+1) - 1; image >= s.from(part); image-- {
			apply(block, image)
		}
	}
	cost := 4 * s.plane
	if threads := d.team.size; s.parts == 1 || s.blocks%threads == 0 || s.blocks >= 4*threads {
		d.divide(s.blocks, cost*s.images, func(_, first, last int) {
			for block := first; block < last; block++ {
				for part := range s.parts {
					collect(block, part)
				}
				finish(block)
				for part := s.parts - 1; part >= 0; part-- {
					spread(block, part)
				}
			}
		})
		return
	}
	d.divide(s.blocks*s.parts, cost*s.each, func(_, first, last int) {
		for unit := first; unit < last; unit++ {
			collect(unit/s.parts, unit%s.parts)
		}
	})
	for block := range s.blocks {
		finish(block)
	}
	d.divide(s.blocks*s.parts, cost*s.each, func(_, first, last int) {
		for unit := last - 1; unit >= first; unit-- {
			spread(unit/s.parts, unit%s.parts)
		}
	})
}

// eachImage visits the blocks of all images.
func (d *Device) eachImage(s stripes, visit func(block, image int)) {
	d.divide(s.images*s.blocks, 4*s.plane, func(_, first, last int) {
		for unit := first; unit < last; unit++ {
			visit(unit%s.blocks, unit/s.blocks)
		}
	})
}

// constants is room for what kernels need of each block: an Affine or Slopes.
func (d *Device) constants(blocks, size int) func(block int) []float32 {
	memory := d.lane(0, blocks*size)
	return func(block int) []float32 { return memory[block*size:][:size] }
}

// affineLane puts y = (x - mean)*factor + shift in a lane. What float32 loses of the mean goes into the shift.
func affineLane(c *maps.Affine, lane int, mean, factor float64, shift float32) {
	near := float32(mean)
	c[lane], c[lanes+lane] = near, float32(factor)
	c[2*lanes+lane] = float32(float64(shift) - (mean-float64(near))*factor)
}

// floor is below what y may not be.
func (n *normalisation) floor() float32 {
	if n.relu {
		return 0
	}
	return float32(math.Inf(-1))
}

// batchNormBlocks is bound by memory: x is read twice, y written once.
func (d *Device) batchNormBlocks(n normalisation) {
	s, k, room := stripesOf(n.x), maps.For(d.set), d.constants(blocksOf(n.x.Shape[1]), len(maps.Affine{}))
	x, y, residual := floats(n.x), out(n.y), floats(n.residual)
	d.twoPasses(s,
		func(block, part int, state *maps.State) {
			for image := s.from(part); image < s.from(part+1); image++ {
				k.Moments(state, (image-s.from(part))*s.plane, s.of(x, block, image))
			}
		},
		func(state *maps.State, pixels, others int, other *maps.State) { state.Merge(pixels, other, others) },
		func(block int, state *maps.State) {
			c := (*maps.Affine)(room(block))
			s.eachLane(block, func(channel, lane int) {
				mean := state[lane] / s.count()
				affineLane(c, lane, mean, n.settle(channel, mean, max(state[lanes+lane], 0), s.count()), floats(n.shift)[channel])
			})
		},
		func(block, image int) {
			k.Apply(s.of(y, block, image), s.of(x, block, image), s.of(residual, block, image), (*maps.Affine)(room(block)), n.floor())
		})
}

// batchNormBackwardBlocks reads all operands twice.
func (d *Device) batchNormBackwardBlocks(n normGradient) {
	s, k, room := stripesOf(n.x), maps.For(d.set), d.constants(blocksOf(n.x.Shape[1]), len(maps.Slopes{}))
	dx, dresidual, dy, x, y := out(n.dx), out(n.dresidual), floats(n.dy), floats(n.x), floats(n.y)
	for block := range s.blocks {
		s.eachLane(block, func(channel, lane int) { room(block)[lane] = floats(n.mean)[channel] })
	}
	d.twoPasses(s, s.gatherSums(k, dy, x, y, room), mergeSums,
		func(block int, state *maps.State) {
			c := room(block)
			s.eachLane(block, func(channel, lane int) {
				inv := float64(floats(n.invStd)[channel])
				sum, product := state[lane], state[lanes+lane]*inv
				factor := float64(floats(n.scale)[channel]) * inv
				c[lanes+lane] = float32(factor)
				c[2*lanes+lane] = float32(-factor * inv * product / s.count())
				c[3*lanes+lane] = float32(-factor * sum / s.count())
				out(n.dscale)[channel], out(n.dshift)[channel] = float32(product), float32(sum)
			})
		},
		func(block, image int) {
			k.Gradient(s.of(dx, block, image), s.of(dresidual, block, image), s.of(dy, block, image), s.of(x, block, image), s.of(y, block, image),
				(*maps.Slopes)(room(block)))
		})
}

// gatherSums adds up a part's sums for a gradient; the constants of a block begin with its means.
func (s stripes) gatherSums(k *maps.Kernels, dy, x, y []float32, constants func(block int) []float32) func(block, part int, state *maps.State) {
	return func(block, part int, state *maps.State) {
		for image := s.from(part); image < s.from(part+1); image++ {
			k.Sums(state, s.of(dy, block, image), s.of(x, block, image), s.of(y, block, image), (*[lanes]float32)(constants(block)))
		}
	}
}

func mergeSums(state *maps.State, _, _ int, other *maps.State) {
	for i, v := range other {
		state[i] += v
	}
}

func (d *Device) batchNormInferBlocks(n normalisation) {
	s, k, room := stripesOf(n.x), maps.For(d.set), d.constants(blocksOf(n.x.Shape[1]), len(maps.Affine{}))
	x, y, residual := floats(n.x), out(n.y), floats(n.residual)
	for block := range s.blocks {
		s.eachLane(block, func(channel, lane int) {
			affineLane((*maps.Affine)(room(block)), lane, float64(floats(n.runningMean)[channel]), n.given(channel), floats(n.shift)[channel])
		})
	}
	d.eachImage(s, func(block, image int) {
		k.Apply(s.of(y, block, image), s.of(x, block, image), s.of(residual, block, image), (*maps.Affine)(room(block)), n.floor())
	})
}

// batchNormInferBackwardBlocks scales dy as if to normalise it: a mean and a shift of 0.
func (d *Device) batchNormInferBackwardBlocks(n normGradient, variance *device.Tensor, epsilon float64) {
	s, k, room := stripesOf(n.x), maps.For(d.set), d.constants(blocksOf(n.x.Shape[1]), len(maps.Affine{}))
	dx, dy, x := out(n.dx), floats(n.dy), floats(n.x)
	for block := range s.blocks {
		s.eachLane(block, func(channel, lane int) { room(block)[lane] = floats(n.mean)[channel] })
	}
	d.twoPasses(s, s.gatherSums(k, dy, x, nil, room), mergeSums,
		func(block int, state *maps.State) {
			s.eachLane(block, func(channel, lane int) {
				inv := 1 / math.Sqrt(float64(floats(variance)[channel])+epsilon)
				out(n.dscale)[channel], out(n.dshift)[channel] = float32(state[lanes+lane]*inv), float32(state[lane])
				affineLane((*maps.Affine)(room(block)), lane, 0, float64(floats(n.scale)[channel])*inv, 0)
			})
		},
		func(block, image int) {
			k.Apply(s.of(dx, block, image), s.of(dy, block, image), nil, (*maps.Affine)(room(block)), float32(math.Inf(-1)))
		})
}

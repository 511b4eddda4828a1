package cpu

import transforms "fovea/kernels/winograd"

// winogradPlan is the size of a unit: so many tiles, input channels and output channels at most, channels in whole blocks.
type winogradPlan struct{ tiles, channels, outputs int }

// What the parts of a unit cost in nanoseconds, measured in the second-level cache with AVX-512 at 2.6 GHz; other instruction
// sets scale all of them.
const (
	nsProduct  = 36 * .0121 // of one tile, input and output channel
	nsCall     = 36 * .003  // of one input and output channel, however few the tiles
	nsSumCall  = 36 * .045  // the same of the gradient's products
	nsPixels   = 75. / 16   // of one tile and channel
	nsSums     = 70. / 16   // of one tile and output channel, added to what is there
	nsWindow   = 55. / 16   // of one input and output channel
	nsGradient = 100. / 16  // the same, backwards and into place
)

// Sizes in float32s of a unit's coefficients: what stays in a second-level cache of 2 MB, and from where on there is too little
// room for the pixels and weights that pass through; twice that size costs a tenth more.
const (
	coefficientsInCache = 1600 << 10 / 4
	roomy               = 1 << 20 / 4
	crowding            = .1
)

// coefficients is how many float32s a unit has.
func (p winogradPlan) coefficients() int {
	return transforms.Coefficients * (p.tiles*p.channels + p.tiles*p.outputs + p.channels*p.outputs)
}

// plan cuts a convolution into units. How the input channels are cut decides the order of additions, and so must not depend
// on the number of workers; how all else is cut may.
func (c *tiling) plan(workers int) winogradPlan {
	best := c.cheapest(func(p winogradPlan) float64 { return c.cost(p, 2) })
	return c.cheapest(func(p winogradPlan) float64 {
		if p.channels != best.channels {
			return never
		}
		return c.cost(p, workers)
	})
}

// planWeights cuts the gradient of windows into units. The number of tiles and of parts decide the order of additions, so
// nothing depends on the number of workers.
func (c *tiling) planWeights() winogradPlan { return c.cheapest(c.costOfWeights) }

const never = 1e300

// cheapest tries the sizes of units that cut evenly.
func (c *tiling) cheapest(cost func(winogradPlan) float64) winogradPlan {
	best, least := winogradPlan{1, lanes, lanes}, never
	evenly := func(n, part, most int, try func(size int)) {
		last := 0
		for size := part; size <= most && last < n; size += part {
			if even := (pieces(n, pieces(n, size)) + part - 1) / part * part; even != last {
				last = even
				try(even)
			}
		}
	}
	evenly(c.channels, lanes, 16*lanes, func(channels int) {
		evenly(c.outputs, 2*lanes, 16*lanes, func(outputs int) {
			evenly(c.tiles, 2, 128, func(tiles int) {
				p := winogradPlan{tiles, channels, outputs}
				if p.coefficients() > coefficientsInCache {
					return
				}
				ns := cost(p) * (1 + crowding*max(0, float64(p.coefficients())/roomy-1))
				if ns < least {
					best, least = p, ns
				}
			})
		})
	})
	return best
}

// cost is that of the slowest worker's part of a convolution.
func (c *tiling) cost(p winogradPlan, workers int) float64 {
	blocks, groups, chunks := pieces(c.tiles, p.tiles), pieces(c.outputs, p.outputs), pieces(c.channels, p.channels)
	units := pieces(groups*blocks, workers) // of one worker
	windows := units * chunks               // times that their coefficients are made
	if chunks == 1 {
		windows = pieces(units, blocks)
	}
	t, i, o := float64(p.tiles), float64(p.channels), float64(p.outputs)
	unit := float64(chunks)*(i*o*(nsProduct*t+nsCall)+t*i*nsPixels) + float64(chunks-1)*t*o*nsSums + t*o*nsPixels
	return float64(units)*unit + float64(windows)*i*o*nsWindow
}

// costOfWeights is that of all of the gradient of windows.
func (c *tiling) costOfWeights(p winogradPlan) float64 {
	blocks, units := pieces(c.tiles, p.tiles), pieces(c.outputs, p.outputs)*pieces(c.channels, p.channels)
	t, i, o := float64(p.tiles), float64(p.channels), float64(p.outputs)
	return float64(units*blocks)*(i*o*(nsProduct*t+nsSumCall)+t*(i+o)*nsPixels) + float64(units*c.parts(p))*i*o*nsGradient
}

// enough is for how many units the blocks of tiles are parted.
const enough = 8

// parts is how many sums of some blocks of tiles each are made, and then added.
func (c *tiling) parts(p winogradPlan) int {
	units := pieces(c.outputs, p.outputs) * pieces(c.channels, p.channels)
	return min(pieces(enough, units), pieces(c.tiles, p.tiles))
}

package blocked

import "fovea/kernels/isa"

// Lanes is the number of channels in a block.
const Lanes = 16

// Kernel is the family for one instruction set.
type Kernel struct {
	Set isa.Set
	// Run is the number of pixels in half a tile: a line is computed fastest if its length is a multiple of 2*Run.
	Run int
	// Blocks is how many blocks of output channels are computed at a time, one or two: weights are best laid out for as many.
	Blocks int
	// product computes tiles of two runs of pixels.
	product func(p *Product, run int)
	// sum computes some rows of a gradient, in 1 or Blocks blocks, and says how many.
	sum   func(g *Gradient, rows, blocks int) int
	parts *parts // nil where there are none
	// rounded multiplies by the first parts alone; nil likewise
	rounded *Kernel
	gather  func(dst []float32, step int, src []float32, offsets *[Lanes]int32, places []int)
}

var kernels = map[isa.Set]*Kernel{isa.Generic: {Set: isa.Generic, Run: 4, Blocks: 2, product: genericProduct, sum: genericSum, gather: genericGather}}

// For returns the kernels of an instruction set that this machine has.
func For(set isa.Set) *Kernel { return kernels[set] }

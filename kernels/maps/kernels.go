package maps

import "fovea/kernels/isa"

// Lanes is the number of channels in a pixel.
const Lanes = 16

// Kernels are the functions for one instruction set.
type Kernels struct {
	largest, smallest func(y, x []float32, w *Windows)
	choose            func(y, chosen, x []float32, w *Windows)
	winner            func(dx, dy, x, y []float32, w *Windows)
	give              func(dx, dy, chosen []float32, w *Windows)
	sum, spread       func(to, from []float32, w *Windows, factor float32)
	moments           func(state *State, count int, x []float32)
	sums              func(state *State, dy, x, y []float32, mean *[Lanes]float32)
	apply             func(y, x, residual []float32, c *Affine, floor float32)
	gradient          func(dx, dresidual, dy, x, y []float32, c *Slopes)
}

// kernels has those of this architecture.
var kernels = map[isa.Set]*Kernels{isa.Generic: &generic}

// For returns the kernels of an instruction set that this machine has.
func For(set isa.Set) *Kernels { return kernels[set.Vectors()] }

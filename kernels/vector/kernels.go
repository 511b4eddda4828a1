package vector

import "fovea/kernels/isa"

// Kernels are the loops for one instruction set. The slices of a call have one length, unless it says otherwise. A result
// may be one of the operands. Comparisons with NaN are false.
type Kernels struct {
	Name string // of the instruction set: "avx512", "avx2", "generic"

	// Fill: y = v. Scale: y = factor*x + offset. Axpy: y = y + factor*x. The others: y = a op b.
	Fill               func(y []float32, v float32)
	Scale              func(y, x []float32, factor, offset float32)
	Axpy               func(y, x []float32, factor float32)
	Add, Sub, Mul, Div func(y, a, b []float32)

	// Step: y = 1 where x > 0, 0 elsewhere. ReLU, LeakyReLU, ELU: y = 0, alpha*x, alpha*(exp(x)-1) where x <= 0, x elsewhere.
	// Exp: y = factor*exp(x-shift). Exponential functions are a few units in the last place off.
	Step, ReLU, Sigmoid, Tanh func(y, x []float32)
	LeakyReLU, ELU            func(y, x []float32, alpha float32)
	Exp                       func(y, x []float32, shift, factor float32)

	// dx = 0*dy, alpha*dy, (y+alpha)*dy where x <= 0, dy elsewhere; dy*y*(1-y); dy*(1-y)*(1+y).
	ReLUBackward                  func(dx, dy, x []float32)
	LeakyReLUBackward             func(dx, dy, x []float32, alpha float32)
	ELUBackward                   func(dx, dy, x, y []float32, alpha float32)
	SigmoidBackward, TanhBackward func(dx, dy, y []float32)

	// Sums are in float64: of x, of a*b, of (a-b)^2 (the difference is not), of y = exp(x-shift). Max is the largest number of
	// x, NaN left out, and -Inf where there is none.
	Sum           func(x []float32) float64
	Dot, Distance func(a, b []float32) float64
	ExpSum        func(y, x []float32, shift float32) float64
	Max           func(x []float32) float32

	// SumLanes: sums[i] += x[r*step+i] over r < rows, for i < count. AddLanes: y = x + b for rows of 16, in slices that are
	// whole rows.
	SumLanes func(sums *[Lanes]float64, x []float32, rows, step, count int)
	AddLanes func(y, x []float32, b *[Lanes]float32)

	// Pack interleaves count row-major maps, at most 16, to a block of 16 channels, the other channels of which become 0.
	// Unpack is its inverse. A map has len(block)/16 pixels.
	Pack   func(block, maps []float32, count int)
	Unpack func(maps, block []float32, count int)

	// One step of an optimiser. SGD and RMSProp are those without momentum.
	SGD                func(w, grad []float32, c *SGD)
	Momentum, Nesterov func(w, v, grad []float32, c *SGD)
	RMSProp            func(w, r, grad []float32, c *RMSProp)
	RMSPropMomentum    func(w, r, v, grad []float32, c *RMSProp)
	Adam               func(w, m, r, grad []float32, c *Adam)

	// Dropout: number first+i of the stream decides on element i, first being a multiple of 4. DropoutLanes: x is a block of
	// 16 channels; number first + channel*step + pixel decides.
	Dropout      func(d *Dropout, y, x []float32, first int)
	DropoutLanes func(d *Dropout, y, x []float32, first, step int)
}

// Lanes is the number of channels in a block, and of elements in a row of AddLanes.
const Lanes = 16

// most is how many elements one call of the assembly gets, which cannot be preempted: even where memory answers slowly it
// takes some 100 us then. It is a multiple of Lanes.
const most = 1 << 14

// kernels has a table for each instruction set of this architecture.
var kernels = map[isa.Set]*Kernels{isa.Generic: &generic}

// For returns the table of an instruction set that this machine has.
func For(set isa.Set) *Kernels { return kernels[set.Vectors()] }
